#include "relay.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>

#include "stint/codec/json.h"
#include "stint/crypto/digest.h"
#include "stint/http/git.h"
#include "stint/http/hygiene.h"
#include "stint/http/problem.h"
#include "stint/http/target.h"
#include "stint/rt/cancel.h"
#include "stint/rt/event.h"

namespace stint::cli {
namespace {

using std::chrono::milliseconds;

net::ClientLimits client_limits() {
  net::ClientLimits l;
  l.read_time = std::chrono::minutes(15);  // models think for long; the task's end is the limit
  l.write_time = std::chrono::minutes(2);
  return l;
}

net::ServerLimits server_limits() {
  net::ServerLimits l;
  l.head.bytes = 64 * 1024;
  l.head.value_bytes = 32 * 1024;
  l.idle = std::chrono::minutes(5);
  l.whole_body = std::chrono::hours(6);
  l.connections = 512;
  l.per_ip = 512;
  return l;
}

http::Response words(unsigned status, std::string text) {
  http::Response r{.status = status, .headers = {{"Content-Type", "text/plain"}}};
  r.body = "stint run: " + std::move(text) + "\n";
  return r;
}

std::optional<http::GitCall> git_call(const http::RequestHead& head, std::string_view rest) {
  const auto target = http::parse_target(rest);
  if (!target) return std::nullopt;
  const auto git = http::classify_git(head.method, *target, head.headers);
  return git ? std::optional(*git) : std::nullopt;
}

// A refusal of ours in the form that the gateway's have.
http::Response problem(const Failure& f, const std::optional<http::GitCall>& git) {
  if (git) {
    const std::string text = f.detail.empty() ? f.title : f.title + ": " + f.detail;
    return http::git_error(git->service, git->phase, "Stint: " + text);
  }
  http::Problem p;
  p.status = f.status >= 400 && f.status != 401 ? f.status : 502;
  p.type = f.exit == Exit::kTryAgain ? "unavailable" : "no-token";
  p.title = f.title;
  p.detail = f.detail;
  p.reason = f.reason;
  p.retryable = f.exit == Exit::kTryAgain;
  p.next_steps = f.next_steps;
  return http::to_response(p);
}

bool no_body(const http::Framing& f) {
  return f.kind == http::Framing::Kind::kNone ||
         (f.kind == http::Framing::Kind::kLength && f.length == 0);
}

bool nonce_wanted(const http::ResponseHead& head) {
  const auto challenge = head.headers.find("WWW-Authenticate");
  return head.status == 401 && challenge &&
         challenge->find("use_dpop_nonce") != std::string_view::npos;
}

}  // namespace

struct Relay::Request {
  std::string upstream, target, url;  // target and url at the gateway
  std::string method;
  http::Headers headers;
  std::string body;
  bool buffered = false;
  std::optional<http::GitCall>
      git;  // what git shows of a refusal, it has to be told in its own way
};

std::optional<RelayTarget> parse_relay_target(std::string_view target) {
  if (!target.starts_with('/')) return std::nullopt;
  const std::size_t second = target.find('/', 1);
  if (second == std::string_view::npos) return std::nullopt;
  const std::size_t third = std::min(target.find_first_of("/?", second + 1), target.size());
  RelayTarget out{target.substr(1, second - 1), target.substr(second + 1, third - second - 1),
                  target.substr(third)};
  if (out.secret.empty() || out.upstream.empty()) return std::nullopt;
  return out;
}

http::Headers headers_for_gateway(const http::Headers& from_child) {
  http::Headers out = http::for_upstream(from_child);
  for (const char* name : {"Content-Length", "Authorization", "DPoP", "Prefer"}) out.remove(name);
  return out;
}

Relay::Relay(rt::Runtime& runtime, const Clock& clock, TaskClient& task, net::TlsClient tls,
             Holds holds, Settings settings)
    : runtime_(runtime),
      clock_(clock),
      task_(task),
      client_(runtime.executor(0), clock, std::move(tls), client_limits()),
      holds_(std::move(holds)),
      settings_(std::move(settings)) {}

Relay::~Relay() { stop(); }

Result<std::uint16_t> Relay::listen() {
  server_ = std::make_unique<net::Server>(
      runtime_, clock_, [this](net::Exchange& e) { return handle(&e); }, server_limits());
  port_ = STINT_TRY(server_->listen_tcp("127.0.0.1", 0));
  return port_;
}

void Relay::stop() {
  if (server_) server_->stop();
}

std::string Relay::url(std::string_view upstream) const {
  return fmt::format("http://127.0.0.1:{}/{}/{}", port_, settings_.secret, upstream);
}

rt::Co<void> Relay::handle(net::Exchange* exchange) {
  const auto target = parse_relay_target(exchange->head().target);
  http::Response refusal;
  if (!target || !crypto::equal(target->secret, settings_.secret)) {
    ++counts_.unknown;
    refusal = words(404, "nothing here");
  } else if (!holds_(exchange->peer().port, port_)) {
    ++counts_.foreign;
    refusal = words(403, "this relay is for the processes of its own task");
  } else if (std::ranges::find(settings_.upstreams, target->upstream) ==
             settings_.upstreams.end()) {
    ++counts_.unknown;
    refusal = words(403, "the task has no grant for this upstream");
  } else {
    counts_.last_ms = unix_millis(clock_.wall());
    Request request{.upstream = std::string(target->upstream),
                    .method = exchange->head().method,
                    .headers = headers_for_gateway(exchange->head().headers)};
    const std::string_view rest = target->rest;
    request.git = git_call(exchange->head(), rest);
    request.target =
        fmt::format("/u/{}{}{}", request.upstream, rest.starts_with('/') ? "" : "/", rest);
    request.url = task_.gateway() + request.target;
    if (settings_.wait_seconds > 0)
      request.headers.set("Prefer", fmt::format("wait={}", settings_.wait_seconds));
    const auto done = co_await send_on(exchange, &request);
    ++counts_.sent;
    if (done || exchange->started()) co_return;
    exchange->close_after();
    refusal = problem(Failure::of(done.error(), "the gateway did not answer"), request.git);
  }
  [[maybe_unused]] const auto sent = co_await exchange->respond(std::move(refusal));
}

rt::Co<Result<net::ClientExchange>> Relay::open(net::Exchange* exchange, Request* request,
                                                http::Framing framing) {
  auto token = co_await task_.token_for(request->upstream);
  auto proof = token ? task_.proof(request->method, request->url, *token) : token;
  if (!proof) {
    STINT_CO_TRY(co_await exchange->respond(problem(proof.error(), request->git)));
    co_return fail(Errc::kDenied, "no token");  // said; the exchange has started
  }
  http::RequestHead head{
      .method = request->method, .target = request->target, .headers = request->headers};
  head.headers.set("Authorization", "DPoP " + *token);
  head.headers.set("DPoP", *proof);
  const auto origin = STINT_CO_TRY(net::Origin::parse(task_.gateway()));
  co_return co_await client_.open(origin, std::move(head), framing, rt::Deadline::never());
}

// The sending of a streamed body, beside the answer.
struct Relay::Side {
  rt::SharedEvent done;
  rt::CancelSource stop;
};

rt::Co<Result<bool>> Relay::upload(net::Exchange* exchange, net::ClientExchange* up, Side* side) {
  for (;;) {
    const auto piece =
        STINT_CO_TRY(co_await rt::with_cancel(exchange->read_piece(), side->stop.token()));
    if (piece.empty()) break;
    STINT_CO_TRY(co_await up->write(piece));
  }
  STINT_CO_TRY(co_await up->finish());
  co_return true;
}

rt::Co<void> Relay::upload_beside(net::Exchange* exchange, net::ClientExchange* up,
                                  std::shared_ptr<Side> side) {
  const auto sent = co_await upload(exchange, up, side.get());
  if (!sent) up->abort();  // half a body must not pass for a whole one
  side->done.set();
}

rt::Co<Result<bool>> Relay::answer(net::Exchange* exchange, net::ClientExchange* up,
                                   http::ResponseHead head) {
  http::ResponseHead out{.status = head.status, .headers = http::for_agent(head.headers)};
  // Stint's own words about the decision are for the child too; proofs are not its business.
  for (const char* name : {"Stint-Decision", "Stint-Task-Expires"})
    if (const auto value = head.headers.one(name)) out.headers.set(name, std::string(*value));
  out.headers.remove("WWW-Authenticate");
  STINT_CO_TRY(co_await exchange->start(std::move(out)));
  for (;;) {
    const auto piece = STINT_CO_TRY(co_await up->read_piece());
    if (piece.empty()) break;
    STINT_CO_TRY(co_await exchange->write(piece));
  }
  STINT_CO_TRY(co_await exchange->finish());
  co_return true;
}

rt::Co<Result<bool>> Relay::answer_streamed(net::Exchange* exchange, Request* request,
                                            net::ClientExchange* up) {
  http::ResponseHead head = STINT_CO_TRY(co_await up->head());
  task_.note_nonce(request->url, head.headers);
  co_return co_await answer(exchange, up, std::move(head));
}

// Both ways at once: a gateway may answer while the request still comes.
rt::Co<Result<bool>> Relay::stream(net::Exchange* exchange, Request* request,
                                   net::ClientExchange* up) {
  const auto side = std::make_shared<Side>();
  rt::spawn(exchange->executor(), upload_beside(exchange, up, side));
  const auto answered = co_await answer_streamed(exchange, request, up);
  if (!side->done.is_set()) {
    side->stop.cancel();
    if (!answered) up->abort();
    // It borrows from this frame: not before it has ended.
    while (!side->done.is_set()) [[maybe_unused]]
      const auto woken = co_await side->done.wait();
  }
  co_return answered;
}

rt::Co<Result<bool>> Relay::send_on(net::Exchange* exchange, Request* request) {
  http::Framing framing = exchange->framing();
  request->buffered = no_body(framing) ||
                      (framing.kind == http::Framing::Kind::kLength && framing.length <= kBuffered);
  if (!request->buffered) {
    auto up = co_await open(exchange, request, framing);
    if (!up) co_return fail(up.error());
    co_return co_await stream(exchange, request, &*up);
  }
  if (!no_body(framing)) request->body = STINT_CO_TRY(co_await exchange->read_body(kBuffered));
  for (int attempt = 0;; ++attempt) {
    auto up = co_await open(exchange, request, framing);
    if (!up) co_return fail(up.error());
    if (!request->body.empty()) {
      STINT_CO_TRY(co_await up->write(request->body));
      STINT_CO_TRY(co_await up->finish());
    }
    http::ResponseHead head = STINT_CO_TRY(co_await up->head());
    task_.note_nonce(request->url, head.headers);
    if (attempt == 0 && nonce_wanted(head)) {
      STINT_CO_TRY(co_await up->read_body(64 * 1024));
      continue;
    }
    if (head.status == 401) task_.forget_token(request->upstream);
    co_return co_await answer(exchange, &*up, std::move(head));
  }
}

}  // namespace stint::cli
