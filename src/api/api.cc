#include "stint/api/api.h"

#include <algorithm>

#include "impl.h"
#include "stint/opening/wanted.h"

namespace stint::api {
namespace {

http::RouteTable compile(const std::vector<Route>& table) {
  std::vector<std::string> templates;
  for (const Route& route : table)
    templates.push_back(std::string(route.info.method) + ' ' + std::string(route.info.path));
  auto routes = http::RouteTable::compile(templates);
  if (!routes) __builtin_trap();  // the table is a constant; a test compiles it
  return *std::move(routes);
}

http::Response refusal(const Error& error) { return http::to_response(http::Problem::of(error)); }

}  // namespace

const std::string& Call::param(std::string_view name) const {
  static const std::string none;
  for (const auto& [key, value] : params)
    if (key == name) return value;
  return none;
}

Core::Core(Api::Parts parts_in, Settings settings_in)
    : parts(parts_in),
      settings(std::move(settings_in)),
      routes(compile(table())),
      places(settings.streams, settings.caller_streams) {}

// The route of the request, or nullptr and why not.
const Route* Core::find(Call* call, http::Response& refused) const {
  auto target = http::parse_target(call->head.target);
  if (!target) {
    refused = refusal(target.error());
    return nullptr;
  }
  call->target = *std::move(target);
  auto match = routes.match(call->head.method, call->target);
  if (!match) {
    std::string allowed;
    for (const char* method : {"GET", "POST", "PUT"})
      if (routes.match(method, call->target))
        allowed += (allowed.empty() ? "" : ", ") + std::string(method);
    if (allowed.empty()) {
      refused = refusal({Errc::kNotFound, "no such endpoint"});
    } else {
      refused = refusal({Errc::kWrongMethod, "the endpoint has no such method"});
      refused.headers.set("Allow", allowed);
    }
    return nullptr;
  }
  auto query = http::parse_query(call->target.query);
  if (!query) {
    refused = refusal(query.error());
    return nullptr;
  }
  call->query = *std::move(query);
  call->params = std::move(match->params);
  call->route = &table()[match->index];
  return call->route;
}

std::size_t Core::body_limit(const Route& route) const {
  return route.info.path.starts_with("/v1/resources") ? settings.resources_bytes
                                                      : settings.body_bytes;
}

rt::Co<std::optional<http::Response>> Core::admit(Call* call) {
  const Access access = call->route->access;
  if (access == Access::kPublic || access == Access::kProven) co_return std::nullopt;
  if (auto refused = co_await authenticate(call)) co_return refused;
  const Caller& caller = *call->caller;
  switch (access) {
    case Access::kPublic:
    case Access::kProven:
    case Access::kCaller:
      co_return std::nullopt;
    case Access::kPeople:
      if (caller.token() == nullptr) co_return std::nullopt;
      co_return problem_reply(*call, {Errc::kDenied, "an agent may not do this"});
    case Access::kHuman:
      if (caller.person() != nullptr) co_return std::nullopt;
      if (caller.is_operator())
        co_return problem_reply(
            *call, {Errc::kDenied, "an operator does not answer approvals: log in as a human"});
      co_return problem_reply(*call, {Errc::kDenied, "an agent may not do this"});
    case Access::kAdmin:
      if (admin(*call)) co_return std::nullopt;
      if (caller.token() != nullptr)
        co_return problem_reply(*call, {Errc::kDenied, "an agent may not do this"});
      co_return problem_reply(*call,
                              {Errc::kDenied, "only an operator or an administrator may do this"});
  }
  __builtin_trap();
}

rt::Co<http::Response> Core::answer(Call* call) {
  Reply reply = co_await run(call);
  http::Response response = reply ? *std::move(reply) : problem_reply(*call, reply.error());
  if (!response.headers.has("Cache-Control")) response.headers.set("Cache-Control", "no-store");
  // For its next proof (RFC 9449 section 8.2).
  if (call->caller && call->caller->token() != nullptr)
    response.headers.set("DPoP-Nonce", parts.gate.nonce(call->now));
  co_return response;
}

rt::Co<void> Core::handle(net::Exchange* exchange) {
  Call call;
  call.head = exchange->head();
  call.peer = exchange->peer();
  call.now = parts.clock.wall();
  call.exchange = exchange;
  http::Response response;
  if (find(&call, response) != nullptr) {
    if (auto refused = co_await admit(&call)) {
      response = *std::move(refused);
    } else if (auto body = co_await exchange->read_body(body_limit(*call.route)); !body) {
      response = refusal(body.error());
    } else {
      call.body = *std::move(body);
      response = co_await answer(&call);
    }
  }
  if (call.answered) co_return;
  [[maybe_unused]] const auto sent = co_await exchange->respond(std::move(response));
}

Api::Api(Parts parts, Settings settings)
    : core_(std::make_unique<Core>(parts, std::move(settings))) {}
Api::~Api() = default;

bool Api::serves(std::string_view path) {
  return path == "/v1" || path.starts_with("/v1/") || path.starts_with("/log/") ||
         path == "/openapi.json";
}

rt::Co<void> Api::handle(net::Exchange& exchange) { return core_->handle(&exchange); }

rt::Co<http::Response> Api::answer(http::RequestHead head, http::Peer peer, std::string body) {
  Call call;
  call.head = std::move(head);
  call.peer = std::move(peer);
  call.now = core_->parts.clock.wall();
  http::Response refused;
  if (core_->find(&call, refused) == nullptr) co_return refused;
  if (auto response = co_await core_->admit(&call)) co_return *std::move(response);
  if (body.size() > core_->body_limit(*call.route))
    co_return refusal({Errc::kTooLarge, "the body is too large"});
  call.body = std::move(body);
  co_return co_await core_->answer(&call);
}

void Api::end_streams() { core_->ending.set(); }

const std::vector<RouteInfo>& Api::routes() {
  static const std::vector<RouteInfo> infos = [] {
    std::vector<RouteInfo> out;
    for (const Route& route : Core::table()) out.push_back(route.info);
    return out;
  }();
  return infos;
}

http::Response json_reply(std::string text, unsigned status) {
  http::Response out{.status = status, .headers = {}, .body = std::move(text)};
  out.headers.add("Content-Type", "application/json");
  return out;
}

http::Response json_reply(const json::Object& body, unsigned status) {
  return json_reply(json::write(body), status);
}

http::Response problem_reply(const Call& call, const Error& error) {
  http::Problem problem = http::Problem::of(error);
  problem.task = call.task;
  if (problem.status == 401) {
    // Something has ended meanwhile; or what was sent is signed or bound otherwise than it should.
    const bool ended = error.code == Errc::kTaskClosed || error.code == Errc::kExpired ||
                       error.code == Errc::kRevoked || error.code == Errc::kReplayed;
    problem.status = ended ? 409 : 400;
    problem.next_steps = {ended ? "Read the present state and decide anew."
                                : "Change the request; the same one will be refused again."};
  }
  if (error.code == Errc::kDenied)
    problem.next_steps = {"Ask somebody who may: see `stint whoami` and docs/adr/0006."};
  return http::to_response(problem);
}

}  // namespace stint::api
