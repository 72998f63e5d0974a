// Token status lists, for resource servers that poll: draft-ietf-oauth-status-list-21 sections
// 8, 9. Public: a list is random numbers, and tells nothing to whom holds no token.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>

#include "endpoints_impl.h"
#include "stint/codec/json.h"
#include "stint/http/problem.h"

namespace stint::oauth {
namespace {

http::Response problem(const Error& error, unsigned status = 0) {
  http::Problem p = http::Problem::of(error);
  if (status != 0) p.status = status;
  http::Response out = http::to_response(p);
  out.headers.set("Cache-Control", "no-store");
  return out;
}

// One spelling for each number.
std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t n = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc() || end != text.data() + text.size() || n < 0 || std::to_string(n) != text)
    return std::nullopt;
  return n;
}

// RFC 9110 section 13.1.2.
bool has_it(const http::Headers& headers, std::string_view etag) {
  for (const auto value : headers.all("If-None-Match"))
    if (value == "*" || value.contains(etag)) return true;
  return false;
}

}  // namespace

http::Response Endpoints::Impl::status(const http::RequestHead& head, std::string_view path) const {
  if (head.method != "GET" && head.method != "HEAD") {
    auto out = problem({Errc::kWrongMethod, "a status list is read with GET"});
    out.headers.set("Allow", "GET, HEAD");
    return out;
  }
  // Section 8.4: who asks for a list of another time must not get the present one.
  if (head.target.contains('?'))
    return problem({Errc::kUnsupported, "status lists of other times are not kept"}, 501);
  if (path == "/oauth/status") {
    const auto uris = parts.authority.status_list_uris();
    if (!uris) return problem(uris.error());
    http::Response out;
    out.headers.add("Content-Type", "application/json");
    out.headers.add("Cache-Control", "no-store");
    out.body = json::write(json::Object{{"status_lists", json::Array(uris->begin(), uris->end())}});
    return out;
  }
  const auto number = number_of(path.substr(std::string_view("/oauth/status/").size()));
  if (!number) return problem({Errc::kNotFound, "no such status list"});
  auto list = parts.authority.status_list(*number);
  if (!list) return problem(list.error());
  http::Response out;
  const auto left =
      std::chrono::floor<std::chrono::seconds>(list->built + list->fresh - parts.clock.wall());
  out.headers.add("ETag", list->etag);
  out.headers.add("Cache-Control",
                  "max-age=" + std::to_string(std::max<std::int64_t>(left.count(), 0)));
  if (has_it(head.headers, list->etag)) {
    out.status = 304;
    return out;
  }
  out.headers.add("Content-Type", "application/statuslist+jwt");
  out.body = std::move(list->jwt);
  return out;
}

}  // namespace stint::oauth
