#include "stint/http/hygiene.h"

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "stint/http/check.h"

namespace stint::http {
namespace {

constexpr std::string_view kHopByHop[] = {"connection", "keep-alive", "proxy-connection",
                                          "te",         "trailer",    "transfer-encoding",
                                          "upgrade"};

constexpr std::string_view kNotToUpstream[] = {"authorization",
                                               "cookie",
                                               "cookie2",
                                               "dpop",
                                               "host",
                                               "expect",
                                               "txn-token",
                                               "client-cert",
                                               "client-cert-chain",
                                               "x-ssl-client-cert",
                                               "x-client-cert",
                                               "x-forwarded-client-cert",
                                               "forwarded",
                                               "x-real-ip",
                                               "remote-user",
                                               "x-remote-user",
                                               "x-webauth-user",
                                               "x-authenticated-user",
                                               "x-client-ip",
                                               "true-client-ip",
                                               "x-cluster-client-ip",
                                               "x-http-method",
                                               "x-http-method-override",
                                               "x-method-override",
                                               "x-original-method",
                                               "x-original-url",
                                               "x-original-uri",
                                               "x-rewrite-url",
                                               "x-original-host",
                                               "x-host",
                                               "content-length-override"};

constexpr std::string_view kNotToAgent[] = {
    "set-cookie",     "set-cookie2", "alt-svc", "dpop-nonce", "strict-transport-security",
    "clear-site-data"};

// How CGI-like interfaces see a name.
std::string folded(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (c == '_') c = '-';
  }
  return out;
}

bool listed(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

// Every option of every Connection field, folded.
std::vector<std::string> connection_options(const Headers& headers) {
  std::vector<std::string> out;
  for (const std::string_view value : headers.all("Connection")) {
    for (std::size_t begin = 0; begin <= value.size();) {
      const std::size_t end = std::min(value.find(',', begin), value.size());
      std::string_view option = value.substr(begin, end - begin);
      begin = end + 1;
      const std::size_t first = option.find_first_not_of(" \t");
      if (first == std::string_view::npos) continue;
      option = option.substr(first, option.find_last_not_of(" \t") - first + 1);
      out.push_back(folded(option));
    }
  }
  return out;
}

template <class Drop>
Headers filtered(const Headers& in, Drop&& drop) {
  const std::vector<std::string> options = connection_options(in);
  Headers out;
  out.reserve(in.size());
  for (const Header& h : in) {
    const std::string name = folded(h.name);
    if (listed(name, kHopByHop) || name.starts_with("proxy-") || name.starts_with("stint-") ||
        std::ranges::find(options, name) != options.end() || drop(name))
      continue;
    out.add(h.name, h.value);
  }
  return out;
}

}  // namespace

Headers for_upstream(const Headers& from_agent) {
  return filtered(from_agent, [](std::string_view name) {
    return listed(name, kNotToUpstream) || name.starts_with("x-forwarded-");
  });
}

Headers for_agent(const Headers& from_upstream) {
  return filtered(from_upstream, [](std::string_view name) { return listed(name, kNotToAgent); });
}

bool is_reserved_for_sender(std::string_view name) {
  const std::string f = folded(name);
  return listed(f, kHopByHop) || f == "host" || f == "content-length" || f == "expect" ||
         f == "content-encoding" || f == "content-type" || f.starts_with("stint-") ||
         f.starts_with("proxy-");
}

}  // namespace stint::http
