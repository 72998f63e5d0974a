#include <charconv>

#include "client_core.h"
#include "stint/http/parse.h"

namespace stint::net {

using Kind = http::Framing::Kind;

ClientCall::~ClientCall() { end(); }

void ClientCall::end() {
  if (ended) return;
  ended = true;
  if (!wire || !core) return;
  const bool whole = has_head && persistent && body_done && decoder && decoder->done();
  if (whole && !wire->broken() && !wire->ended() && wire->buffered().empty()) {
    core->give(key, std::move(wire));
  } else {
    wire->cut({Errc::kCancelled, "exchange dropped"}, false);
  }
  wire = nullptr;
}

Error ClientCall::cause(const Error& error) const {
  if (aborted) return {Errc::kCancelled, "exchange aborted"};
  return error;
}

// While the request is not out, it is not the upstream's turn: write_time and the deadline bound
// it.
std::uint64_t ClientCall::read_until() const {
  if (!body_done && !body_lost) return until;
  const bool own = bounds.quiet > std::chrono::milliseconds(0);
  return std::min(core->ticker->after(own ? bounds.quiet : core->limits.read_time), until);
}

void ClientCall::abort() {
  if (ended) return;
  aborted = true;
  if (connecting) connecting->cancel();
  if (wire) wire->cut({Errc::kCancelled, "exchange aborted"}, true);
}

rt::Co<Status> ClientCall::connect() {
  connecting.emplace();
  auto made = co_await ClientCore::connect(core, origin, bounds.deadline, connecting->token());
  connecting.reset();
  if (aborted) co_return fail(Errc::kCancelled, "exchange aborted");
  if (!made) co_return fail(made.error());
  wire = *std::move(made);
  co_return Status();
}

rt::Co<Status> ClientCall::send_head() {
  if (begun || ended) co_return fail(Errc::kConflict, "head sent already");
  begun = true;
  if (aborted) co_return fail(Errc::kCancelled, "exchange aborted");
  const bool bounded = !bounds.deadline.is_never();
  if (bounded && bounds.deadline.passed(core->clock.mono()))
    co_return fail(Errc::kTimeout, "deadline passed");
  wire = core->take(key, !replayable);
  reused = wire != nullptr;
  if (!wire) STINT_CO_TRY(co_await connect());
  if (bounded) until = core->ticker->after(bounds.deadline.left(core->clock.mono()));
  wire->set_hard_limit(until);
  // Sent now even when a body follows: an upstream may refuse by the head alone.
  const auto sent = co_await wire->write({out});
  // A dead pooled connection is found by head(), which tries again where that is allowed.
  if (!sent && !(replayable && reused && !aborted)) co_return fail(cause(sent.error()));
  co_return Status();
}

rt::Co<Status> ClientCall::send(std::string_view bytes) {
  if (ended || !wire) co_return fail(Errc::kConflict, "exchange over");
  if (body_done) co_return fail(Errc::kConflict, "request body over");
  if (bytes.empty()) co_return Status();
  Status sent;
  if (body.kind == Kind::kLength) {
    if (bytes.size() > body_left)
      co_return fail(Errc::kConflict, "request longer than its content-length");
    body_left -= bytes.size();
    sent = co_await wire->write({bytes});
  } else {
    char size[20];
    const auto end_of_size = std::to_chars(size, size + 16, bytes.size(), 16).ptr;
    end_of_size[0] = '\r';
    end_of_size[1] = '\n';
    sent = co_await wire->write(
        {std::string_view(size, static_cast<std::size_t>(end_of_size + 2 - size)), bytes, "\r\n"});
  }
  if (!sent) co_return lose_body(sent.error());
  co_return Status();
}

// The upstream may still say why: it is its turn now, also for a head() that is awaited meanwhile.
std::unexpected<Error> ClientCall::lose_body(const Error& error) {
  body_lost = true;
  if (wire) wire->limit_read(read_until());  // gone when the answer ended before the request
  return fail(cause(error));
}

rt::Co<Status> ClientCall::finish() {
  if (body_done) co_return Status();
  if (ended || !wire) co_return fail(Errc::kConflict, "exchange over");
  if (body.kind == Kind::kLength && body_left > 0)
    co_return fail(Errc::kConflict, "request shorter than its content-length");
  if (body.kind == Kind::kChunked) {
    const auto sent = co_await wire->write({"0\r\n\r\n"});
    if (!sent) co_return lose_body(sent.error());
    if (!wire) co_return fail(Errc::kConflict, "exchange over");
  }
  body_done = true;
  wire->limit_read(read_until());
  co_return Status();
}

// The pooled connection was dead: once more on a fresh one.
rt::Co<Status> ClientCall::again() {
  reused = false;
  ++core->retried;
  wire->cut({Errc::kCancelled, "connection dropped"}, false);
  STINT_CO_TRY(co_await connect());
  wire->set_hard_limit(until);
  co_return co_await wire->write({out});
}

Result<http::ResponseHead> ClientCall::judge(std::string_view block, bool& interim) {
  auto parsed = STINT_TRY(http::parse_response_head(block, core->limits.head));
  const bool old = block.starts_with("HTTP/1.0");
  interim = parsed.status < 200 && parsed.status != 101;
  if (interim) {
    if (parsed.headers.has("content-length") || parsed.headers.has("transfer-encoding"))
      return fail(Errc::kMalformed, "interim response with a body");
    return parsed;
  }
  if (old && parsed.headers.has("transfer-encoding"))
    return fail(Errc::kMalformed, "transfer-encoding in http/1.0");
  framing = STINT_TRY(http::check_response(parsed, method, core->limits.head));
  persistent = !old && framing.kind != Kind::kUntilClose;
  for (const auto value : parsed.headers.all("connection")) {
    // One option that is not ours to read is enough to not trust the rest of the connection.
    if (!http::iequal(value, "keep-alive")) persistent = false;
  }
  return parsed;
}

rt::Co<Result<http::ResponseHead>> ClientCall::head() {
  if (ended || !wire || has_head) co_return fail(Errc::kConflict, "head read already");
  std::size_t searched = 0, interims = 0;
  for (;;) {
    const std::string_view in = wire->buffered();
    if (const auto end_of_head = http::find_head_end(in, searched)) {
      bool interim = false;
      auto parsed = judge(in.substr(0, *end_of_head), interim);
      if (!parsed) {
        wire->cut({Errc::kMalformed, "response refused"}, true);
        co_return fail(parsed.error());
      }
      wire->consume(*end_of_head);
      searched = 0;
      replayable = false;
      if (interim) {
        if (++interims > core->limits.interim) co_return fail(Errc::kLimit, "interim responses");
        continue;
      }
      has_head = true;
      decoder.emplace(framing, core->limits.chunk_overhead);
      co_return *std::move(parsed);
    }
    if (in.size() > core->limits.head.bytes) co_return fail(Errc::kTooLarge, "head too large");
    searched = in.size();
    const auto filled = co_await wire->fill(read_until());
    if (filled) continue;
    const bool dead = filled.error().code == Errc::kIo && in.empty();
    if (!dead || !reused || !replayable || aborted) co_return fail(cause(filled.error()));
    const auto sent = co_await again();
    if (!sent) co_return fail(cause(sent.error()));
  }
}

rt::Co<Result<std::string_view>> ClientCall::read_piece() {
  if (!has_head) co_return fail(Errc::kConflict, "head not read");
  if (decoder->done()) {
    end();
    co_return std::string_view();
  }
  if (ended || !wire) co_return fail(Errc::kConflict, "exchange over");
  const auto piece = co_await wire->read_body(*decoder, std::string_view::npos, read_until());
  if (!piece) {
    wire->cut({Errc::kCancelled, "response broken"}, true);
    co_return fail(cause(piece.error()));
  }
  if (piece->empty()) end();
  co_return *piece;
}

// --- ClientExchange

ClientExchange::ClientExchange(std::shared_ptr<ClientCall> call) : call_(std::move(call)) {}
ClientExchange::ClientExchange(ClientExchange&&) noexcept = default;
ClientExchange& ClientExchange::operator=(ClientExchange&& o) noexcept {
  if (this != &o) {
    if (call_) call_->end();
    call_ = std::move(o.call_);
  }
  return *this;
}
ClientExchange::~ClientExchange() {
  if (call_) call_->end();
}

rt::Co<Status> ClientExchange::send_head() { return call_->send_head(); }
void ClientExchange::be_quiet_at_most(std::chrono::milliseconds quiet) {
  call_->bounds.quiet = quiet;
}
rt::Co<Status> ClientExchange::write(std::string_view bytes) { return call_->send(bytes); }
rt::Co<Status> ClientExchange::finish() { return call_->finish(); }
rt::Co<Result<http::ResponseHead>> ClientExchange::head() { return call_->head(); }
http::Framing ClientExchange::framing() const { return call_->framing; }
rt::Co<Result<std::string_view>> ClientExchange::read_piece() { return call_->read_piece(); }
bool ClientExchange::reused_connection() const { return call_->reused; }
bool ClientExchange::past_deadline() const {
  return call_->core->ticker->now() >= call_->until ||
         (!call_->bounds.deadline.is_never() &&
          call_->bounds.deadline.passed(call_->core->clock.mono()));
}

namespace {
rt::Co<Result<std::string>> read_all(ClientExchange& exchange, std::size_t limit) {
  std::string body;
  const auto framing = exchange.framing();
  if (framing.kind == Kind::kLength) {
    if (framing.length > limit) co_return fail(Errc::kTooLarge, "response body over the limit");
    body.reserve(static_cast<std::size_t>(framing.length));
  }
  for (;;) {
    const auto piece = co_await exchange.read_piece();
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) co_return body;
    if (piece->size() > limit - body.size())
      co_return fail(Errc::kTooLarge, "response body over the limit");
    body += *piece;
  }
}
}  // namespace

rt::Co<Result<std::string>> ClientExchange::read_body(std::size_t limit) {
  return read_all(*this, limit);
}

void ClientExchange::abort() { call_->abort(); }

ClientExchange::Abort ClientExchange::abort_handle() const {
  Abort handle;
  handle.call_ = call_;
  return handle;
}

void ClientExchange::Abort::abort() const {
  auto call = call_.lock();
  if (!call) return;
  const auto executor = call->core->context.get_executor();
  rt::post(executor, [call = std::move(call)] { call->abort(); });
}

}  // namespace stint::net
