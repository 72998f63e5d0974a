#include "address.h"

#include "files.h"
#include "stint/codec/json.h"

namespace stint::cli {

std::string running(const Context& ctx, std::string_view member) {
  const auto text = read_file(join_path(ctx.home, "ports.json"), 64 * 1024);
  if (!text) return "";
  const auto body = json::parse_object(*text);
  if (!body) return "";
  const auto value = json::optional_string_at(*body, member);
  return value && *value ? std::string(**value) : "";
}

std::string control_address(const Context& ctx) {
  std::string out = ctx.addr.empty() ? running(ctx, "issuer") : ctx.addr;
  if (out.empty()) out = "http://127.0.0.1:7443";
  while (out.ends_with('/')) out.pop_back();
  return out;
}

Outcome<net::TlsClient> tls_of(const Context& ctx) {
  auto tls = ctx.ca_file.empty() ? net::TlsClient::system_roots()
                                 : net::TlsClient::with_roots_file(ctx.ca_file);
  if (!tls) return std::unexpected(Failure::of(tls.error(), "cannot load the trusted roots"));
  return *std::move(tls);
}

}  // namespace stint::cli
