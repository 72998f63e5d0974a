// Server-sent events: the log as it grows. The feed of what no longer counts is in feed.cc.
#include <algorithm>

#include "impl.h"
#include "views.h"

namespace stint::api {
namespace {

constexpr std::size_t kBatch = 200;

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

std::string whole(const store::StoredEvent& stored) {
  return message(stored.seq, stored.kind, stored.bytes);
}

}  // namespace

bool wants_stream(const http::RequestHead& head) {
  for (const auto value : head.headers.all("Accept"))
    if (value.find("text/event-stream") != std::string_view::npos) return true;
  return false;
}

// The last event that a client has seen, if it says so.
Result<std::optional<std::uint64_t>> Core::after(Call* call) const {
  auto seen = STINT_TRY(number_parameter(*call, "after"));
  if (const auto last = call->head.headers.one("Last-Event-ID"); last && wants_stream(call->head)) {
    Call as_query;
    as_query.query.push_back({"id", std::string(*last)});
    seen = STINT_TRY(number_parameter(as_query, "id"));
  }
  if (seen && *seen >= parts.authority.log_size())
    return fail(Errc::kPreconditionFailed, "the log does not reach that event");
  return seen;
}

rt::Co<Reply> Core::events(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {"after", "limit"}));
  const std::size_t limit = STINT_CO_TRY(page_limit(*call));
  const auto seen = STINT_CO_TRY(after(call));
  if (wants_stream(call->head))
    co_return co_await stream(
        call, {.is_feed = false, .from = seen ? *seen + 1 : parts.authority.log_size()});
  const auto found = STINT_CO_TRY(parts.authority.events(seen ? *seen + 1 : 0, limit + 1));
  std::string text = "{\"items\":[";
  const std::size_t n = std::min(limit, found.size());
  for (std::size_t i = 0; i < n; ++i) text += (i == 0 ? "" : ",") + event_text(found[i]);
  text += "],\"next\":";
  text += found.size() > limit ? std::to_string(found[limit - 1].seq) : "null";
  co_return json_reply(std::move(text) + "}");
}

Result<Places::Place> Places::take(const authority::Actor& caller) {
  const std::lock_guard lock(mutex_);
  if (open_ >= all_) return fail(Errc::kLimit, "too many streams are open");
  Who who{caller.kind, caller.name};
  auto& of_this = by_[who];
  if (of_this >= each_) return fail(Errc::kLimit, "too many streams of this caller are open");
  ++open_;
  ++of_this;
  return Place(*this, std::move(who));
}

void Places::leave(const Who& who) {
  const std::lock_guard lock(mutex_);
  --open_;
  if (const auto at = by_.find(who); --at->second == 0) by_.erase(at);
}

rt::Co<Reply> Core::stream(Call* call, Stream s) {
  if (call->exchange == nullptr) co_return fail(Errc::kUnsupported, "streams need a connection");
  if (ending.is_set()) co_return fail(Errc::kUnavailable, "the service is ending");
  const auto place = STINT_CO_TRY(places.take(call->caller->actor()));

  call->answered = true;
  net::Exchange& exchange = *call->exchange;
  http::ResponseHead head = stream_head();
  // For its next proof (RFC 9449 section 8.2).
  if (call->caller->token() != nullptr) head.headers.add("DPoP-Nonce", parts.gate.nonce(call->now));
  if (const Status started = co_await exchange.start(std::move(head)); !started)
    co_return http::Response();
  if (s.is_feed) {
    co_await serve_feed(call, std::move(s));
  } else {
    co_await pump(&exchange, s.from);
  }
  [[maybe_unused]] const Status finished = co_await exchange.finish();
  co_return http::Response();
}

// Until the client goes, the service ends, or the stream has lived long enough. Not a Result: the
// answer has begun.
rt::Co<void> Core::pump(net::Exchange* exchange, store::Seq from) {
  const MonoTime end = parts.clock.mono() + settings.stream_life;
  MonoTime beat{};  // the first heartbeat at once: the client knows that it is heard
  std::vector<rt::SharedEvent> stop{ending};
  if (const auto gone = exchange->gone(); gone.event()) stop.push_back(*gone.event());
  while (parts.clock.mono() < end) {
    std::string out;
    if (from < parts.authority.log_size()) {
      const auto found = parts.authority.events(from, kBatch);
      if (!found) co_return;
      for (const auto& event : *found) out += whole(event);
      if (!found->empty()) from = found->back().seq + 1;
    }
    const bool behind = from < parts.authority.log_size();
    if (!behind && parts.clock.mono() >= beat) {
      beat = parts.clock.mono() + settings.event_heartbeat;
      out += ": heartbeat\n\n";
    }
    if (!out.empty() && !(co_await exchange->write(out))) co_return;
    if (behind) continue;
    if (co_await rt::wait_any(stop, rt::Deadline::in(parts.clock, settings.stream_poll))) co_return;
  }
}

}  // namespace stint::api
