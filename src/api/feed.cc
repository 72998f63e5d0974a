// The feed of what no longer counts, for those who verify tokens elsewhere: docs/edge-verifiers.md.
//
// Nothing is queued for a follower: it has a position in the log, and takes what comes after it
// from memory that all share (authority::Revocations), or from the store while it is further back.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "impl.h"
#include "stint/audit/event.h"
#include "stint/opening/wanted.h"

namespace stint::api {
namespace {

using authority::Revocation;
using authority::Revocations;

constexpr std::size_t kBatch = 200;        // messages in one write
constexpr std::size_t kReplayBatch = 500;  // events of the log read at once
constexpr std::size_t kTasks = 500;        // ids in one message
constexpr std::chrono::seconds kLastWord{1};

std::string_view name(Revocation::Kind kind) {
  switch (kind) {
    case Revocation::Kind::kTaskClosed:
      return audit::TaskClosed::kKind;
    case Revocation::Kind::kTaskPaused:
      return audit::TaskPaused::kKind;
    case Revocation::Kind::kTaskResumed:
      return audit::TaskResumed::kKind;
    case Revocation::Kind::kTokenRevoked:
      return audit::TokenRevoked::kKind;
    case Revocation::Kind::kKeyRetired:
      return audit::KeyRetired::kKind;
  }
  __builtin_trap();
}

// Without a sequence number it is no place to go on from.
std::string sse(std::optional<store::Seq> id, std::string_view event, const json::Object& data) {
  std::string out;
  if (id) out = "id: " + std::to_string(*id) + "\n";
  out.append("event: ").append(event).append("\ndata: ").append(json::write(data)).append("\n\n");
  return out;
}

// A pause holds up the tasks below it too. They may be too many for one message; only the last of
// them is a place to go on from.
std::string paused(std::optional<store::Seq> id, const json::Object& data,
                   const std::vector<TaskId>& held) {
  std::string out;
  std::size_t at = 0;
  do {
    json::Array tasks;
    for (; at < held.size() && tasks.size() < kTasks; ++at) tasks.emplace_back(held[at].str());
    json::Object one = data;
    one["tasks"] = std::move(tasks);
    out += sse(at == held.size() ? id : std::nullopt, audit::TaskPaused::kKind, one);
  } while (at < held.size());
  return out;
}

}  // namespace

std::string_view text(FeedEnd end) {
  switch (end) {
    case FeedEnd::kLifetime:
      return "lifetime";
    case FeedEnd::kEnding:
      return "service-ending";
    case FeedEnd::kTooSlow:
      return "too-slow";
    case FeedEnd::kNotAllowed:
      return "not-allowed";
    case FeedEnd::kUnavailable:
      return "unavailable";
    case FeedEnd::kGone:
      return "gone";
  }
  __builtin_trap();
}

// docs/adr/0015: operators and admins, and agents that an operator named for it, while their own
// task is live. An agent is told of other tasks here, but by their ids alone (rule 9).
Status Core::may_follow(const Caller& caller) const {
  if (caller.administers(settings.admin_group)) return {};
  const auto* token = caller.token();
  if (token == nullptr) return fail(Errc::kDenied, "the feed is for operators and edge verifiers");
  const auto directory = parts.authority.directory();
  const auto* agent = directory->agent(token->claims().client_id);
  if (agent == nullptr || !agent->agent.edge_verifier.value_or(false))
    return fail(Errc::kDenied, "the agent is no edge verifier");
  // Who holds a key that was revoked may have made the token.
  STINT_TRY(parts.authority.verifier()->check_key(token->token().kid()));
  const auto live = STINT_TRY(parts.authority.live(token->task()));
  return live->live(token->id(), parts.clock.wall());
}

Result<std::string> Core::message(const Revocation& entry) const {
  json::Object data{{"seq", entry.seq}, {"time", opening::rfc3339(entry.time)}};
  if (entry.task) data["task"] = entry.task->str();
  if (entry.token) data["token"] = entry.token->str();
  if (!entry.kid.empty()) data["kid"] = entry.kid;
  if (entry.kind != Revocation::Kind::kTaskPaused || !entry.task)
    return sse(entry.seq, name(entry.kind), data);
  return paused(entry.seq, data, STINT_TRY(parts.authority.with_descendants(*entry.task)));
}

std::string Core::beat(store::Seq size, WallTime time, std::chrono::milliseconds age) const {
  const auto keep =
      std::chrono::ceil<std::chrono::seconds>(parts.authority.revocations().longest());
  return sse(size == 0 ? std::nullopt : std::optional(size - 1), "heartbeat",
             {{"size", size},
              {"time", opening::rfc3339(time)},
              {"age_ms", std::max<std::int64_t>(age.count(), 0)},
              {"keep_seconds", keep.count()}});
}

// From after what the follower saw last; without that, from now on and after all that stands.
Result<Stream> Core::feed_from(Call* call) const {
  const auto seen = STINT_TRY(after(call));
  const auto& all = parts.authority.revocations();
  if (!seen) return Stream{.is_feed = true, .from = 0, .snapshot = true};
  // Memory goes back further than the log is read.
  if (*seen + 1 < all.begin() && parts.authority.log_size() - *seen > settings.feed_replay)
    return fail(Errc::kGone, "the feed does not go back that far: begin without after");
  return Stream{.is_feed = true, .from = *seen + 1};
}

rt::Co<Reply> Core::feed(Call* call) {
  STINT_CO_TRY(may_follow(*call->caller));
  STINT_CO_TRY(only_parameters(*call, {"after"}));
  if (!wants_stream(call->head))
    co_return fail(Errc::kUnsupported, "the feed is a stream: Accept text/event-stream");
  // Another node may know better; a stream that is open is silent instead.
  if (!parts.authority.health().reason.empty())
    co_return fail(Errc::kStale, "this node cannot vouch for the feed now");
  co_return co_await stream(call, STINT_CO_TRY(feed_from(call)));
}

struct Core::Following {
  store::Seq from;  // everything before it was told, or is in `out`
  std::string out;
  // What is left to be told to one who knows nothing: the rest of each list.
  Revocations::Standing standing;
  bool telling() const {
    return !standing.closed.empty() || !standing.paused.empty() || !standing.revoked.empty() ||
           !standing.keys.empty();
  }
};

// Everything that one who knows nothing must refuse, a batch at a time: no place to go on from
// before the heartbeat that completes it. True: there is more.
Result<bool> Core::fetch_standing(Following* f) const {
  auto& left = f->standing;
  for (std::size_t n = 0; n < kBatch && f->telling(); ++n) {
    if (!left.closed.empty()) {
      f->out += sse(std::nullopt, audit::TaskClosed::kKind, {{"task", left.closed.back().str()}});
      left.closed.pop_back();
    } else if (!left.paused.empty()) {
      const TaskId task = left.paused.back();
      f->out += paused(std::nullopt, {{"task", task.str()}},
                       STINT_TRY(parts.authority.with_descendants(task)));
      left.paused.pop_back();
    } else if (!left.revoked.empty()) {
      const auto& [task, token] = left.revoked.back();
      f->out += sse(std::nullopt, audit::TokenRevoked::kKind,
                    {{"task", task.str()}, {"token", token.str()}});
      left.revoked.pop_back();
    } else {
      f->out += sse(std::nullopt, audit::KeyRetired::kKind, {{"kid", left.keys.back()}});
      left.keys.pop_back();
    }
  }
  return f->telling();
}

// Adds what comes next. True: there is more.
Result<bool> Core::fetch(Following* f) const {
  if (STINT_TRY(fetch_standing(f))) return true;
  if (const auto tail = parts.authority.revocations().tail(f->from, kBatch)) {
    for (const auto& entry : tail->entries) f->out += STINT_TRY(message(entry));
    f->from = tail->next;
    return tail->entries.size() == kBatch;
  }
  const auto found = STINT_TRY(parts.authority.events(f->from, kReplayBatch));
  if (found.empty()) return fail(Errc::kInternal, "the log has a gap");
  for (const auto& event : found) {
    const auto entry = authority::revocation_of(
        {event.seq, event.time, event.kind, event.task, event.bytes, event.leaf});
    if (entry) f->out += STINT_TRY(message(*entry));
  }
  f->from = found.back().seq + 1;
  return true;
}

rt::Co<FeedEnd> Core::follow(Call* call, Stream s) {
  net::Exchange& exchange = *call->exchange;
  const Clock& clock = parts.clock;
  std::vector<std::pair<rt::SharedEvent, FeedEnd>> ends{{ending, FeedEnd::kEnding}};
  if (const auto gone = exchange.gone(); gone.event())
    ends.emplace_back(*gone.event(), FeedEnd::kGone);
  if (const auto* token = call->caller->token()) {
    const auto live = parts.authority.live(token->task());
    if (!live) co_return FeedEnd::kNotAllowed;
    if (const auto cancelled = (*live)->cancelled(); cancelled.event())
      ends.emplace_back(*cancelled.event(), FeedEnd::kNotAllowed);
    if (!may_follow(*call->caller)) co_return FeedEnd::kNotAllowed;
  }
  Following f{.from = s.from, .out = {}, .standing = {}};
  if (s.snapshot) {
    f.standing = parts.authority.revocations().standing(call->now);
    f.from = f.standing.next;
    f.out =
        sse(std::nullopt, "snapshot", {{"size", f.from}, {"time", opening::rfc3339(call->now)}});
  }
  const MonoTime end = clock.mono() + settings.stream_life;
  MonoTime beat_at{}, caught_up = clock.mono();
  while (clock.mono() < end) {
    // In this order: what is committed after one of these is seen at the next turn.
    const rt::SharedEvent changed = parts.authority.revocations().changed();
    const WallTime time = clock.wall();
    const auto health = parts.authority.health();
    const auto more = fetch(&f);
    if (!more) co_return FeedEnd::kUnavailable;
    const MonoTime now = clock.mono();
    if (!*more || f.telling()) caught_up = now;
    if (now - caught_up > settings.feed_lag) co_return FeedEnd::kTooSlow;
    if (!*more && now >= beat_at) {
      beat_at = now + settings.feed_heartbeat;
      // A feed that cannot vouch for itself is silent, and those who follow it deny in time.
      if (health.reason.empty()) {
        if (!may_follow(*call->caller)) co_return FeedEnd::kNotAllowed;
        f.out += beat(f.from, time, health.view_age);
      }
    }
    if (!f.out.empty()) {
      const Status written = co_await rt::with_deadline(exchange.write(f.out),
                                                        rt::Deadline::in(clock, settings.feed_lag));
      if (!written && written.error().code == Errc::kTimeout) {
        exchange.abort();  // a message is half sent: nothing can follow it
        co_return FeedEnd::kTooSlow;
      }
      if (!written) co_return FeedEnd::kGone;
      f.out.clear();
    }
    if (*more) {  // not before it is looked whether there is to be more
      for (const auto& [event, why] : ends)
        if (event.is_set()) co_return why;
      continue;
    }
    std::vector<rt::SharedEvent> wake;
    for (const auto& [event, why] : ends) wake.push_back(event);
    wake.push_back(changed);
    const auto rest =
        std::chrono::ceil<std::chrono::milliseconds>(std::min(beat_at, end) - clock.mono());
    const auto woken = co_await rt::wait_any(std::move(wake), rt::Deadline::in(clock, rest));
    if (woken && *woken < ends.size()) co_return ends[*woken].second;
  }
  co_return FeedEnd::kLifetime;
}

rt::Co<void> Core::serve_feed(Call* call, Stream s) {
  struct Counted {
    std::atomic<std::size_t>& count;
    explicit Counted(std::atomic<std::size_t>& c) : count(c) { count.fetch_add(1); }
    ~Counted() { count.fetch_sub(1); }
  } counted(followers);
  const FeedEnd end = co_await follow(call, std::move(s));
  feeds_ended[static_cast<std::size_t>(end)].fetch_add(1);
  const std::string last = sse(std::nullopt, "end", {{"reason", text(end)}});
  [[maybe_unused]] const Status said = co_await rt::with_deadline(
      call->exchange->write(last), rt::Deadline::in(parts.clock, kLastWord));
}

Source Api::metrics() const {
  return [core = core_.get()] {
    using Kind = Sample::Kind;
    const auto counts = core->parts.authority.revocations().counts();
    std::vector<Sample> out{{.name = "feed_followers",
                             .help = "Open streams of /v1/feed.",
                             .value = static_cast<double>(core->followers)},
                            {.name = "feed_kept",
                             .help = "Revocations that the feed can replay from memory.",
                             .value = static_cast<double>(counts.kept)}};
    const std::pair<const char*, std::size_t> standing[] = {{"task.closed", counts.closed},
                                                            {"task.paused", counts.paused},
                                                            {"token.revoked", counts.revoked}};
    for (const auto& [kind, n] : standing)
      out.push_back({.name = "feed_standing",
                     .help = "What a new follower is told to refuse.",
                     .labels = {{"kind", kind}},
                     .value = static_cast<double>(n)});
    for (std::size_t i = 0; i < kFeedEnds; ++i)
      out.push_back({.name = "feed_ended_total",
                     .help = "Streams of /v1/feed that ended, by reason.",
                     .kind = Kind::kCounter,
                     .labels = {{"reason", std::string(text(static_cast<FeedEnd>(i)))}},
                     .value = static_cast<double>(core->feeds_ended[i])});
    return out;
  };
}

}  // namespace stint::api
