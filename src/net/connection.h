#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "body_decoder.h"
#include "server_core.h"
#include "stint/net/server.h"
#include "stint/rt/cancel.h"
#include "wire.h"

namespace stint::net {

// One connection of the server and the exchange that it is in. Its shard's thread only.
class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerCore> core, Shard& shard, std::shared_ptr<Wire> wire,
             http::Peer peer);
  ~Connection();
  Connection(const Connection&) = delete;

  // The life of the connection. `tls` null: plain.
  static rt::Co<void> run(std::shared_ptr<Connection> self, std::shared_ptr<TlsServerState> tls);

  void drain();  // ends when idle, else after the present exchange
  void abort(std::uint64_t exchange);
  void end_by(rt::Deadline deadline);
  void cut(Error why);

  // What Exchange forwards to.
  rt::Co<Result<std::string>> read_body(std::size_t limit);
  rt::Co<Result<std::string_view>> read_piece(std::size_t most);
  rt::Co<Status> respond(http::Response response);
  rt::Co<Status> respond_raw(std::string_view bytes);
  rt::Co<Status> start(http::ResponseHead head);
  rt::Co<Status> write(std::string_view bytes);
  rt::Co<Status> flush();
  rt::Co<Status> finish();
  rt::CancelToken gone();

  enum class Reply : std::uint8_t { kNone, kStreaming, kDone };

  // State of the present exchange, read by Exchange.
  std::uint64_t exchange = 0;
  http::RequestHead head;
  http::Framing framing;
  Reply reply = Reply::kNone;
  bool close_after = false;
  const http::Peer& peer() const { return peer_; }
  rt::Executor executor() { return wire_->socket().get_executor(); }

 private:
  enum class Next : std::uint8_t { kExchange, kClose, kLinger };
  rt::Co<Next> next_head();
  rt::Co<bool> serve();   // false: the connection ends
  rt::Co<bool> settle();  // after the handler
  rt::Co<Next> refuse(std::string_view answer);
  Error client_gone(const Error& error) const;
  // Status line and fields into out_; what must not go on the wire is kMalformed.
  Status put_head(unsigned status, const http::Headers& headers);
  void put_length(std::uint64_t n);
  void put_connection();

  std::shared_ptr<ServerCore> core_;
  Shard& shard_;
  std::shared_ptr<Wire> wire_;
  http::Peer peer_;

  bool active_ = false, draining_ = false, idle_ = false;
  bool expects_continue_ = false, head_only_ = false;
  std::optional<BodyDecoder> body_;
  std::uint64_t body_until_ = 0;
  enum class Out : std::uint8_t { kLength, kChunked, kUntilClose, kNothing };
  Out out_kind_ = Out::kNothing;
  std::uint64_t out_left_ = 0;
  std::string out_;  // head not sent yet
  std::optional<rt::CancelSource> gone_;
};

}  // namespace stint::net
