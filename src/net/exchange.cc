#include <charconv>

#include "connection.h"
#include "fixed_replies.h"
#include "stint/rt/co.h"

namespace stint::net {
namespace {

constexpr std::size_t kOnePiece =
    16 * 1024;  // a body up to this travels with its head in one buffer

void put_number(std::string& out, std::uint64_t n, int base) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, n, base).ptr;
  out.append(digits, end);
}

bool is_framing(std::string_view name) {
  return http::iequal(name, "connection") || http::iequal(name, "transfer-encoding") ||
         http::iequal(name, "content-length") || http::iequal(name, "date") ||
         http::iequal(name, "keep-alive") || http::iequal(name, "upgrade") ||
         http::iequal(name, "trailer");
}

}  // namespace

// --- reading

Error Connection::client_gone(const Error& error) const {
  if (error.code == Errc::kIo) return {Errc::kCancelled, "client closed the connection"};
  return error;
}

rt::Co<Result<std::string_view>> Connection::read_piece(std::size_t most) {
  if (body_->done()) co_return std::string_view();
  if (expects_continue_) {
    expects_continue_ = false;
    if (wire_->buffered().empty() && reply == Reply::kNone) {
      const auto sent = co_await wire_->write({fixed::kContinue});
      if (!sent) co_return fail(client_gone(sent.error()));
    }
  }
  const auto until = std::min(shard_.ticker->after(core_->limits.body_time), body_until_);
  auto piece = co_await wire_->read_body(*body_, most, until);
  if (piece) co_return piece;
  // Where the message ends is no longer known: nothing may follow on this connection.
  close_after = true;
  if (piece.error().code == Errc::kTimeout)
    core_->timed_out.fetch_add(1, std::memory_order_relaxed);
  co_return fail(client_gone(piece.error()));
}

rt::Co<Result<std::string>> Connection::read_body(std::size_t limit) {
  std::string body;
  if (body_->remaining() > limit) {
    close_after = true;
    co_return fail(Errc::kTooLarge, "request body over the limit");
  }
  body.reserve(static_cast<std::size_t>(body_->remaining()));
  for (;;) {
    const auto piece = co_await read_piece(std::string_view::npos);
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) co_return body;
    if (piece->size() > limit - body.size()) {
      close_after = true;
      co_return fail(Errc::kTooLarge, "request body over the limit");
    }
    body += *piece;
  }
}

// --- answering

Status Connection::put_head(unsigned status, const http::Headers& headers) {
  if (status < 200 || status > 599) return fail(Errc::kMalformed, "response status");
  out_.clear();
  out_ += "HTTP/1.1 ";
  put_number(out_, status, 10);
  out_ += ' ';
  out_ += http::reason_phrase(status);
  out_ += "\r\n";
  for (const auto& field : headers) {
    if (is_framing(field.name)) continue;
    if (!http::is_token(field.name) || !http::is_field_value(field.value)) {
      out_.clear();
      return fail(Errc::kMalformed, "response header");
    }
    out_ += field.name;
    out_ += ": ";
    out_ += field.value;
    out_ += "\r\n";
  }
  out_ += shard_.date_line(core_->clock);
  return {};
}

void Connection::put_length(std::uint64_t n) {
  out_ += "Content-Length: ";
  put_number(out_, n, 10);
  out_ += "\r\n";
}

void Connection::put_connection() {
  if (draining_ || (!body_->done() && body_->remaining() > core_->limits.swallow))
    close_after = true;
  if (close_after) {
    out_ += "Connection: close\r\n";
  } else if (head.version == http::Version::k10) {
    out_ += "Connection: keep-alive\r\n";
  }
  out_ += "\r\n";
}

rt::Co<Status> Connection::respond(http::Response response) {
  if (reply != Reply::kNone) co_return fail(Errc::kConflict, "answered already");
  STINT_CO_TRY(put_head(response.status, response.headers));
  const bool no_body = response.status == 204 || response.status == 304;
  if (!no_body) put_length(response.body.size());
  put_connection();
  reply = Reply::kDone;
  std::string_view body = no_body || head_only_ ? std::string_view() : response.body;
  if (body.size() <= kOnePiece) {
    out_ += body;
    body = {};
  }
  const auto sent = co_await wire_->write({out_, body});
  out_.clear();
  if (!sent) co_return fail(client_gone(sent.error()));
  co_return Status();
}

rt::Co<Status> Connection::respond_raw(std::string_view bytes) {
  if (reply != Reply::kNone) co_return fail(Errc::kConflict, "answered already");
  reply = Reply::kDone;
  const auto sent = co_await wire_->write({bytes});
  if (!sent) co_return fail(client_gone(sent.error()));
  co_return Status();
}

rt::Co<Status> Connection::start(http::ResponseHead answer) {
  if (reply != Reply::kNone) co_return fail(Errc::kConflict, "answered already");
  std::optional<std::uint64_t> length;
  if (answer.headers.has("content-length")) {
    const auto text = answer.headers.one("content-length");
    std::uint64_t n = 0;
    if (!text) co_return fail(Errc::kMalformed, "response content-length");
    const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), n);
    if (ec != std::errc() || end != text->data() + text->size())
      co_return fail(Errc::kMalformed, "response content-length");
    length = n;
  }
  STINT_CO_TRY(put_head(answer.status, answer.headers));
  if (answer.status == 204 || answer.status == 304) {
    out_kind_ = Out::kNothing;
  } else if (length) {
    out_kind_ = Out::kLength;
    out_left_ = *length;
    put_length(*length);
  } else if (head.version == http::Version::k10) {
    out_kind_ = Out::kUntilClose;
    close_after = true;
  } else {
    out_kind_ = Out::kChunked;
    out_ += "Transfer-Encoding: chunked\r\n";
  }
  put_connection();
  if (head_only_) out_kind_ = Out::kNothing;
  reply = Reply::kStreaming;
  co_return Status();
}

rt::Co<Status> Connection::flush() {
  if (reply == Reply::kNone) co_return fail(Errc::kConflict, "not answering");
  if (out_.empty()) co_return Status();
  const auto sent = co_await wire_->write({out_});
  out_.clear();
  if (!sent) co_return fail(client_gone(sent.error()));
  co_return Status();
}

rt::Co<Status> Connection::write(std::string_view bytes) {
  if (reply != Reply::kStreaming) co_return fail(Errc::kConflict, "not answering");
  if (bytes.empty()) co_return Status();
  Status sent;
  switch (out_kind_) {
    case Out::kNothing:
      co_return Status();
    case Out::kLength:
      if (bytes.size() > out_left_)
        co_return fail(Errc::kConflict, "response longer than its content-length");
      out_left_ -= bytes.size();
      [[fallthrough]];
    case Out::kUntilClose:
      sent = co_await wire_->write({out_, bytes});
      break;
    case Out::kChunked:
      put_number(out_, bytes.size(), 16);
      out_ += "\r\n";
      sent = co_await wire_->write({out_, bytes, "\r\n"});
      break;
  }
  out_.clear();
  if (!sent) co_return fail(client_gone(sent.error()));
  co_return Status();
}

rt::Co<Status> Connection::finish() {
  if (reply != Reply::kStreaming) co_return fail(Errc::kConflict, "not answering");
  if (out_kind_ == Out::kLength && out_left_ > 0)
    co_return fail(Errc::kConflict, "response shorter than its content-length");
  if (out_kind_ == Out::kChunked) out_ += "0\r\n\r\n";
  if (!out_.empty()) {
    const auto sent = co_await wire_->write({out_});
    out_.clear();
    if (!sent) co_return fail(client_gone(sent.error()));
  }
  reply = Reply::kDone;
  co_return Status();
}

// --- Exchange

const http::RequestHead& Exchange::head() const { return connection_->head; }
http::RequestHead Exchange::take_head() {
  // What the reply still needs of it is kept.
  http::RequestHead taken = std::move(connection_->head);
  connection_->head = {};
  connection_->head.version = taken.version;
  return taken;
}
const http::Peer& Exchange::peer() const { return connection_->peer(); }
rt::Executor Exchange::executor() const { return connection_->executor(); }
http::Framing Exchange::framing() const { return connection_->framing; }
bool Exchange::has_body() const {
  return connection_->framing.kind == http::Framing::Kind::kChunked ||
         connection_->framing.length > 0;
}
rt::Co<Result<std::string>> Exchange::read_body(std::size_t limit) {
  return connection_->read_body(limit);
}
rt::Co<Result<std::string_view>> Exchange::read_piece(std::size_t most) {
  return connection_->read_piece(most);
}
rt::Co<Status> Exchange::respond(http::Response response) {
  return connection_->respond(std::move(response));
}
rt::Co<Status> Exchange::respond_raw(std::string_view bytes) {
  return connection_->respond_raw(bytes);
}
rt::Co<Status> Exchange::start(http::ResponseHead head) {
  return connection_->start(std::move(head));
}
rt::Co<Status> Exchange::write(std::string_view bytes) { return connection_->write(bytes); }
rt::Co<Status> Exchange::flush() { return connection_->flush(); }
rt::Co<Status> Exchange::finish() { return connection_->finish(); }
bool Exchange::started() const { return connection_->reply != Connection::Reply::kNone; }
bool Exchange::finished() const { return connection_->reply == Connection::Reply::kDone; }
void Exchange::close_after() { connection_->close_after = true; }
void Exchange::end_by(rt::Deadline deadline) { connection_->end_by(deadline); }
void Exchange::abort() { connection_->abort(connection_->exchange); }
rt::CancelToken Exchange::gone() { return connection_->gone(); }

AbortHandle Exchange::abort_handle() const {
  AbortHandle handle;
  handle.connection_ = connection_->weak_from_this();
  handle.exchange_ = connection_->exchange;
  return handle;
}

void AbortHandle::abort() const {
  auto connection = connection_.lock();
  if (!connection) return;
  const auto executor = connection->executor();
  // The reference moves along, so that a last one is dropped on the connection's own thread.
  rt::post(executor,
           [connection = std::move(connection), of = exchange_] { connection->abort(of); });
}

}  // namespace stint::net
