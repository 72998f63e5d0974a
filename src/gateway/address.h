#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "stint/http/message.h"
#include "stint/http/target.h"

namespace stint::gateway {

// "/u/{upstream}/rest": the upstream's name, and the rest as a target of its own.
struct Address {
  std::string upstream;
  http::Target target;  // for the upstream: this is judged, and this is forwarded
  std::string path;     // of the whole request, for `htu`
};

// Errors: parse_target's; kNotFound for what is not below /u/NAME/.
Result<Address> parse_address(std::string_view raw);

// What the upstream is asked for: `base` is the path of its URL, without a slash at its end.
std::string forwarded(std::string_view base, const http::Target& target);

// Prefer: wait=N (RFC 7240), cut to `most`; 0 when absent or not a number.
std::chrono::seconds wanted_wait(const http::Headers& headers, std::chrono::seconds most);

// What somebody sent in place of a token of ours: a Bearer or DPoP value, or a Basic password.
std::optional<std::string> offered_credential(const http::RequestHead& head);

}  // namespace stint::gateway
