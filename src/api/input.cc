#include <algorithm>
#include <charconv>

#include "impl.h"

namespace stint::api {
namespace {

template <class T>
bool read_number(std::string_view text, T& out) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Status only_parameters(const Call& call, std::initializer_list<std::string_view> allowed) {
  for (std::size_t i = 0; i < call.query.size(); ++i) {
    const auto& name = call.query[i].name;
    if (std::ranges::find(allowed, name) == allowed.end())
      return fail(Errc::kUnknownKey, "unknown query parameter");
    for (std::size_t j = 0; j < i; ++j)
      if (call.query[j].name == name)
        return fail(Errc::kMalformed, "a query parameter is repeated");
  }
  return {};
}

std::optional<std::string_view> parameter(const Call& call, std::string_view name) {
  for (const auto& p : call.query)
    if (p.name == name) return p.value;
  return std::nullopt;
}

Result<std::size_t> page_limit(const Call& call) {
  const auto text = parameter(call, "limit");
  if (!text) return kPage;
  std::size_t limit = 0;
  if (!read_number(*text, limit) || limit == 0 || limit > kMaxPage)
    return fail(Errc::kMalformed, "limit is not a number from 1 to 200");
  return limit;
}

Result<std::optional<std::uint64_t>> number_parameter(const Call& call, std::string_view name) {
  const auto text = parameter(call, name);
  if (!text) return std::optional<std::uint64_t>();
  std::uint64_t number = 0;
  // Below 2^53, as far as JSON readers agree.
  if (!read_number(*text, number) || number >= (std::uint64_t{1} << 53))
    return fail(Errc::kMalformed, "a query parameter is not a sequence number");
  return std::optional(number);
}

Result<json::Object> object_body(const Call& call, std::size_t limit) {
  if (call.body.empty()) return json::Object();
  const auto type = call.head.headers.one("Content-Type");
  const auto media = type ? type->substr(0, type->find(';')) : std::string_view();
  if (!http::iequal(media.substr(0, media.find_last_not_of(' ') + 1), "application/json"))
    return fail(Errc::kUnsupported, "the content type is not application/json");
  return json::parse_object(call.body, {.bytes = limit});
}

std::chrono::seconds preferred_wait(const http::Headers& headers, std::chrono::seconds longest) {
  for (std::string_view value : headers.all("Prefer")) {
    while (!value.empty()) {
      std::string_view item = value.substr(0, value.find(','));
      value.remove_prefix(std::min(value.size(), item.size() + 1));
      item.remove_prefix(std::min(item.find_first_not_of(" \t"), item.size()));
      item = item.substr(0, item.find_last_not_of(" \t") + 1);
      unsigned seconds = 0;
      if (item.size() > 5 && http::iequal(item.substr(0, 5), "wait=") &&
          read_number(item.substr(5), seconds))
        return std::min(std::chrono::seconds(seconds), longest);
    }
  }
  return std::chrono::seconds(0);
}

std::string etag(std::uint64_t version) { return '"' + std::to_string(version) + '"'; }

Status if_match(const Call& call, std::uint64_t version) {
  const auto wanted = call.head.headers.find("If-Match");
  if (!wanted || *wanted == "*" || *wanted == etag(version)) return {};
  return fail(Errc::kPreconditionFailed, "If-Match names another version");
}

}  // namespace stint::api
