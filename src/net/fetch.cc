#include <algorithm>

#include "stint/codec/url.h"
#include "stint/net/client.h"
#include "stint/rt/cancel.h"
#include "stint/rt/runtime.h"

namespace stint::net {
namespace {

bool carries_body(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

rt::Co<Result<http::Response>> once(Client& client, Origin origin, http::RequestHead head,
                                    std::string body, rt::Deadline deadline, std::size_t limit) {
  http::Framing framing;
  if (!body.empty() || carries_body(head.method))
    framing = {http::Framing::Kind::kLength, body.size()};
  auto exchange =
      STINT_CO_TRY(co_await client.open(std::move(origin), std::move(head), framing, deadline));
  if (!body.empty()) {
    // A server that refuses early stops reading: its answer is still worth having.
    if (const auto sent = co_await exchange.write(body); sent)
      STINT_CO_TRY(co_await exchange.finish());
  }
  auto answer = STINT_CO_TRY(co_await exchange.head());
  auto content = STINT_CO_TRY(co_await exchange.read_body(limit));
  co_return http::Response{answer.status, std::move(answer.headers), std::move(content)};
}

}  // namespace

rt::Co<Result<http::Response>> fetch(const Clock& clock, SimpleRequest request, TlsClient tls,
                                     SimpleLimits limits) {
  const auto url = STINT_CO_TRY(codec::parse_url(request.url));
  if (url.has_fragment) co_return fail(Errc::kMalformed, "url fragment");
  Origin origin{url.is_https() ? Origin::Kind::kHttps : Origin::Kind::kHttp, url.host, url.port};
  http::RequestHead head;
  head.method = std::move(request.method);
  head.target = url.path.empty() ? "/" : url.path;
  if (url.has_query) head.target += '?' + url.query;
  head.headers = std::move(request.headers);
  if (!head.headers.has("host")) head.headers.add("Host", url.authority());
  if (!request.unix_socket.empty())
    origin = {Origin::Kind::kUnix, std::move(request.unix_socket), 0};
  Client client(co_await rt::this_executor(), clock, std::move(tls), limits.client);
  const auto deadline = rt::Deadline::in(clock, limits.total);
  co_return co_await once(client, std::move(origin), std::move(head), std::move(request.body),
                          deadline, limits.response_bytes);
}

Result<http::Response> simple_request(const Clock& clock, SimpleRequest request, TlsClient tls,
                                      SimpleLimits limits) try {
  return rt::block_on(fetch(clock, std::move(request), std::move(tls), limits));
} catch (const std::exception&) {
  return fail(Errc::kInternal, "request failed unexpectedly");
}

}  // namespace stint::net
