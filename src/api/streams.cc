// Server-sent events: the log as it grows, and the feed of what no longer counts.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "impl.h"
#include "stint/audit/event.h"
#include "stint/opening/wanted.h"
#include "views.h"

namespace stint::api {
namespace {

constexpr std::size_t kBatch = 200;

bool wants_stream(const http::RequestHead& head) {
  for (const auto value : head.headers.all("Accept"))
    if (value.find("text/event-stream") != std::string_view::npos) return true;
  return false;
}

http::ResponseHead stream_head() {
  http::ResponseHead head;
  head.headers.add("Content-Type", "text/event-stream");
  head.headers.add("Cache-Control", "no-store");
  head.headers.add("X-Accel-Buffering", "no");  // nginx before us would hold events back
  return head;
}

std::string message(std::uint64_t seq, std::string_view kind, std::string_view data) {
  std::string out = "id: " + std::to_string(seq) + "\nevent: ";
  out.append(kind).append("\ndata: ").append(data).append("\n\n");
  return out;
}

// One event as the feed tells it; "" for what does not concern it.
std::string revocation(const store::StoredEvent& stored) {
  if (stored.kind != audit::TaskClosed::kKind && stored.kind != audit::TaskPaused::kKind &&
      stored.kind != audit::TaskResumed::kKind && stored.kind != audit::TokenRevoked::kKind)
    return "";
  const auto entry = audit::parse(stored.bytes);
  if (!entry || !stored.task) return "";
  json::Object out{
      {"seq", stored.seq}, {"time", opening::rfc3339(stored.time)}, {"task", stored.task->str()}};
  if (const auto* closed = std::get_if<audit::TaskClosed>(&entry->event))
    out["how"] = domain::text(closed->how);
  if (const auto* revoked = std::get_if<audit::TokenRevoked>(&entry->event))
    out["token"] = revoked->token.str();
  return message(stored.seq, stored.kind, json::write(out));
}

std::string whole(const store::StoredEvent& stored) {
  return message(stored.seq, stored.kind, stored.bytes);
}

}  // namespace

// Where a stream or page begins: after `after`, or after what the client saw last.
Result<std::optional<std::uint64_t>> Core::first_event(Call* call) const {
  auto after = STINT_TRY(number_parameter(*call, "after"));
  if (const auto last = call->head.headers.one("Last-Event-ID"); last && wants_stream(call->head)) {
    Call seen;
    seen.query.push_back({"id", std::string(*last)});
    after = STINT_TRY(number_parameter(seen, "id"));
  }
  if (!after) return std::optional<std::uint64_t>();
  if (*after >= parts.authority.log_size())
    return fail(Errc::kPreconditionFailed, "the log does not reach that event");
  return std::optional(*after + 1);
}

rt::Co<Reply> Core::events(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {"after", "limit"}));
  const std::size_t limit = STINT_CO_TRY(page_limit(*call));
  const auto first = STINT_CO_TRY(first_event(call));
  if (wants_stream(call->head))
    co_return co_await stream(call, {.from = first.value_or(parts.authority.log_size()),
                                     .write = whole,
                                     .heartbeat = settings.event_heartbeat,
                                     .is_feed = false});
  const auto found = STINT_CO_TRY(parts.authority.events(first.value_or(0), limit + 1));
  std::string text = "{\"items\":[";
  const std::size_t n = std::min(limit, found.size());
  for (std::size_t i = 0; i < n; ++i) text += (i == 0 ? "" : ",") + event_text(found[i]);
  text += "],\"next\":";
  text += found.size() > limit ? std::to_string(found[limit - 1].seq) : "null";
  co_return json_reply(std::move(text) + "}");
}

rt::Co<Reply> Core::feed(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {"after"}));
  if (!wants_stream(call->head))
    co_return fail(Errc::kUnsupported, "the feed is a stream: Accept text/event-stream");
  const auto first = STINT_CO_TRY(first_event(call));
  co_return co_await stream(call, {.from = first.value_or(parts.authority.log_size()),
                                   .write = revocation,
                                   .heartbeat = settings.feed_heartbeat,
                                   .is_feed = true});
}

rt::Co<Reply> Core::stream(Call* call, Stream s) {
  if (call->exchange == nullptr) co_return fail(Errc::kUnsupported, "streams need a connection");
  if (ending.is_set()) co_return fail(Errc::kUnavailable, "the service is ending");
  struct Place {  // one of the few that there are
    std::atomic<std::size_t>& count;
    const bool taken;
    explicit Place(std::atomic<std::size_t>& c, std::size_t most)
        : count(c), taken(c.fetch_add(1) < most) {}
    ~Place() { count.fetch_sub(1); }
  } place(streams, settings.streams);
  if (!place.taken) co_return fail(Errc::kLimit, "too many streams are open");

  call->answered = true;
  net::Exchange& exchange = *call->exchange;
  if (const Status started = co_await exchange.start(stream_head()); !started)
    co_return http::Response();
  co_await pump(&exchange, std::move(s));
  [[maybe_unused]] const Status finished = co_await exchange.finish();
  co_return http::Response();
}

// Until the client goes, the service ends, or the stream has lived long enough. Not a Result: the
// answer has begun.
rt::Co<void> Core::pump(net::Exchange* exchange, Stream s) {
  const MonoTime end = parts.clock.mono() + settings.stream_life;
  MonoTime beat{};  // the first heartbeat at once: the client knows that it is heard
  std::vector<rt::SharedEvent> stop{ending};
  if (const auto gone = exchange->gone(); gone.event()) stop.push_back(*gone.event());
  while (parts.clock.mono() < end) {
    std::string out;
    if (s.from < parts.authority.log_size()) {
      const auto found = parts.authority.events(s.from, kBatch);
      if (!found) co_return;
      for (const auto& event : *found) out += s.write(event);
      if (!found->empty()) s.from = found->back().seq + 1;
    }
    const bool behind = s.from < parts.authority.log_size();
    if (!behind && parts.clock.mono() >= beat) {
      beat = parts.clock.mono() + s.heartbeat;
      // A feed that cannot vouch for itself is silent, and those who follow it deny in time.
      if (s.is_feed && parts.authority.health().reason.empty()) {
        out += "event: heartbeat\ndata: {\"next\":" + std::to_string(s.from) + "}\n\n";
      } else if (!s.is_feed) {
        out += ": heartbeat\n\n";
      }
    }
    if (!out.empty() && !(co_await exchange->write(out))) co_return;
    if (behind) continue;
    if (co_await rt::wait_any(stop, rt::Deadline::in(parts.clock, settings.stream_poll))) co_return;
  }
}

}  // namespace stint::api
