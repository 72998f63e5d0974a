// What is judged is what is forwarded: a target that passes is taken apart into an upstream and a
// rest without loss, and the rest, behind the upstream's own path and read by somebody else's
// parser, leads to the same segments, the same route and the same action.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "address.h"
#include "classify.h"
#include "stint/codec/percent.h"

namespace {

using namespace stint;
using namespace stint::gateway;

void require(bool holds) {
  if (!holds) std::abort();
}

authority::Directory::UpstreamEntry desk() {
  using domain::ActionClass;
  authority::Directory::UpstreamEntry entry{
      .upstream = {.name = "desk", .url = "http://desk.test/api"},
      .actions = {{"ticket.read", ActionClass::kRead, "GET /tickets/{id}"},
                  {"ticket.reply", ActionClass::kWrite, "POST /tickets/{id}/replies"},
                  {"ticket.csv", ActionClass::kExport, "GET /tickets?format=csv"},
                  {"file.any", ActionClass::kRead, "* /files/{path...}"}},
      .routes = {},
      .audience = {}};
  std::vector<std::string> templates;
  for (const auto& action : entry.actions) templates.push_back(action.match);
  auto routes = http::RouteTable::compile(templates);
  require(routes.has_value());
  entry.routes = *std::move(routes);
  return entry;
}

// How a server that knows nothing of ours reads a path: unescape, then resolve dots and slashes.
std::string as_a_server_reads(std::string_view path) {
  const auto decoded = codec::percent_decode(path);
  require(decoded.has_value());
  std::string out;
  std::string_view rest = *decoded;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of("/\\", 1), rest.size());
    const std::string_view segment = rest.substr(0, end);
    rest.remove_prefix(end);
    if (segment == "/." || segment == "\\." || segment == "\\") continue;
    if (segment == "/.." || segment == "\\..") {
      out.erase(std::min(out.rfind('/'), out.size()));
      continue;
    }
    if (segment == "/" && !rest.empty()) continue;
    out += segment;
  }
  return out;
}

std::string joined(const std::vector<std::string>& segments) {
  std::string out;
  for (const auto& segment : segments) out += "/" + segment;
  return out;
}

}  // namespace

// "METHOD target"
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto upstream = desk();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return 0;
  const std::string method(text.substr(0, space));
  const std::string_view raw = text.substr(space + 1);
  const auto address = parse_address(raw);
  if (!address) return 0;

  // Nothing lost, nothing invented.
  require(raw == "/u/" + address->upstream + address->target.text());
  require(domain::valid_name(address->upstream));
  const std::string sent = forwarded("/api", address->target);
  require(sent == "/api" + address->target.text());

  // A server that resolves what we refuse comes to the same path, below its own.
  require(as_a_server_reads(sent.substr(0, sent.find('?'))) ==
          "/api" + joined(address->target.segments));

  // Judged again from what was sent: the same call.
  const Asker asker{.purpose = "p", .agent = "a", .human = ""};
  const auto named = name_http(upstream, method, address->target, "body", asker);
  const auto again = http::parse_target(std::string_view(sent).substr(4));
  require(again.has_value());
  const auto named_again = name_http(upstream, method, *again, "body", asker);
  require(named.has_value() == named_again.has_value());
  if (!named) return 0;
  require(named->call == named_again->call && named->arguments == named_again->arguments);
  require(named->call.target == address->target.text());
  return 0;
}
