// Idempotency-Key: a POST that was answered before is answered the same, and does nothing.
#include <algorithm>
#include <boost/json/object.hpp>

#include "impl.h"
#include "stint/base/log.h"
#include "stint/crypto/digest.h"

namespace stint::api {
namespace {

constexpr std::size_t kMaxKept = 64 * 1024;

std::string keep(const http::Response& response) {
  json::Object out{{"status", response.status}, {"body", response.body}};
  for (const char* name : {"Content-Type", "ETag"})
    if (const auto value = response.headers.find(name)) out[name] = *value;
  return json::write(out);
}

Result<http::Response> kept(std::string_view text) {
  const auto object = STINT_TRY(json::parse_object(text, {.bytes = 2 * kMaxKept}));
  http::Response out{.status = static_cast<unsigned>(STINT_TRY(json::int_at(object, "status"))),
                     .headers = {},
                     .body = std::string(STINT_TRY(json::string_at(object, "body")))};
  for (const char* name : {"Content-Type", "ETag"})
    if (const auto value = STINT_TRY(json::optional_string_at(object, name)))
      out.headers.add(name, std::string(*value));
  out.headers.add("Idempotency-Replayed", "true");
  return out;
}

}  // namespace

Result<std::optional<authority::IdempotencyKey>> idempotency_key(const Call& call,
                                                                 std::string principal,
                                                                 std::string_view asked) {
  const auto text = call.head.headers.one("Idempotency-Key");
  if (!text) {
    if (call.head.headers.has("Idempotency-Key"))
      return fail(Errc::kMalformed, "Idempotency-Key is repeated");
    return std::optional<authority::IdempotencyKey>();
  }
  if (text->empty() || text->size() > 255 ||
      !std::ranges::all_of(*text, [](char c) { return c > 0x20 && c < 0x7f; }))
    return fail(Errc::kMalformed, "Idempotency-Key is not 1 to 255 visible characters");
  crypto::Sha256 request;
  request.update(call.head.method);
  request.update("\n");
  request.update(call.head.target);
  request.update("\n");
  request.update(asked);
  return std::optional(authority::IdempotencyKey{.principal = std::move(principal),
                                                 .key = crypto::sha256(*text),
                                                 .request = request.finish()});
}

// What was done is done: when it cannot be remembered, its answer is given all the same.
rt::Co<void> Core::settle(authority::IdempotencyKey key, std::string response) {
  const auto kept = co_await parts.authority.remember(std::move(key), std::move(response));
  if (!kept) log::warning("an Idempotency-Key was not kept", {{"reason", kept.error().reason}});
}

rt::Co<Reply> Core::run(Call* call) {
  const Handler handler = call->route->handler;
  std::optional<authority::IdempotencyKey> key;
  if (call->route->remembers)
    key = STINT_CO_TRY(idempotency_key(*call, call->caller->principal(), call->body));
  if (!key) co_return co_await (this->*handler)(call);

  if (const auto before = STINT_CO_TRY(co_await parts.authority.first_use(*key)))
    co_return kept(*before);
  Reply reply = co_await (this->*handler)(call);
  http::Response response = reply ? *std::move(reply) : problem_reply(*call, reply.error());
  // What may go better later is tried again, not remembered.
  const bool settled =
      response.status < 500 && response.status != 429 && response.body.size() <= kMaxKept;
  co_await settle(*std::move(key), settled ? keep(response) : std::string());
  co_return response;
}

}  // namespace stint::api
