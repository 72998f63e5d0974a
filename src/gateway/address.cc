#include "address.h"

#include <algorithm>
#include <charconv>

#include "stint/codec/base64.h"
#include "stint/domain/action.h"
#include "stint/proof/gate.h"

namespace stint::gateway {
namespace {

constexpr std::string_view kPrefix = "/u/";
constexpr std::string_view kWait = "wait=";

// Preferences are lists (RFC 7240 section 2): one at a time, without surrounding space.
std::optional<std::string_view> next_preference(std::string_view& list) {
  if (list.empty()) return std::nullopt;
  const std::size_t end = std::min(list.find(','), list.size());
  std::string_view one = list.substr(0, end);
  list.remove_prefix(std::min(end + 1, list.size()));
  while (!one.empty() && (one.front() == ' ' || one.front() == '\t')) one.remove_prefix(1);
  while (!one.empty() && (one.back() == ' ' || one.back() == '\t')) one.remove_suffix(1);
  return one;
}

}  // namespace

Result<Address> parse_address(std::string_view raw) {
  const auto whole = STINT_TRY(http::parse_target(raw));
  if (!whole.path.starts_with(kPrefix)) return fail(Errc::kNotFound, "no such path");
  const auto end = whole.path.find('/', kPrefix.size());
  if (end == std::string::npos) return fail(Errc::kNotFound, "no such path");
  Address out{.upstream = whole.path.substr(kPrefix.size(), end - kPrefix.size()),
              .target = {},
              .path = whole.path};
  if (!domain::valid_name(out.upstream)) return fail(Errc::kNotFound, "no such path");
  std::string rest = whole.path.substr(end);
  if (whole.has_query) rest += '?' + whole.query;
  out.target = STINT_TRY(http::parse_target(rest));
  return out;
}

std::string forwarded(std::string_view base, const http::Target& target) {
  while (base.ends_with('/')) base.remove_suffix(1);
  return std::string(base) + target.text();
}

std::chrono::seconds wanted_wait(const http::Headers& headers, std::chrono::seconds most) {
  for (std::string_view value : headers.all("Prefer")) {
    while (auto one = next_preference(value)) {
      if (!one->starts_with(kWait)) continue;
      one->remove_prefix(kWait.size());
      int seconds = 0;
      const auto [end, ec] = std::from_chars(one->data(), one->data() + one->size(), seconds);
      if (ec != std::errc() || end != one->data() + one->size()) continue;
      return std::clamp(std::chrono::seconds(seconds), std::chrono::seconds(0), most);
    }
  }
  return std::chrono::seconds(0);
}

std::optional<std::string> offered_credential(const http::RequestHead& head) {
  if (const auto offered = proof::offered_token(head)) return std::string(*offered);
  const auto value = head.headers.one("Authorization");
  if (!value || value->size() < 6 || !http::iequal(value->substr(0, 6), "Basic ")) return {};
  const auto pair = codec::decode_base64(value->substr(6));
  if (!pair) return {};
  const auto colon = pair->find(':');
  return colon == std::string::npos ? std::nullopt : std::optional(pair->substr(colon + 1));
}

}  // namespace stint::gateway
