#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "stint/http/route.h"
#include "template.h"

namespace {

using namespace stint::http;

// One template against one target, by the definition alone.
bool path_fits(const route::Template& t, const std::vector<std::string>& s) {
  for (std::size_t i = 0; i < t.path.size(); ++i) {
    if (i >= s.size()) return false;
    switch (t.path[i].kind) {
      case route::Segment::Kind::kRest:
        return true;
      case route::Segment::Kind::kParameter:
        if (s[i].empty()) return false;
        break;
      case route::Segment::Kind::kLiteral:
        if (s[i] != t.path[i].text) return false;
    }
  }
  return t.path.size() == s.size();
}

}  // namespace

// Lines: templates, an empty line, then "METHOD target".
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), std::min<std::size_t>(size, 4096));
  const auto next_line = [&] {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
  };
  std::vector<std::string> templates;
  for (std::string line = next_line(); !line.empty(); line = next_line()) templates.push_back(line);
  const std::string request = next_line();
  const std::size_t space = request.find(' ');
  const auto table = RouteTable::compile(templates);
  if (!table || space == std::string::npos) return 0;
  const std::string method = request.substr(0, space);
  const auto target = parse_target(std::string_view(request).substr(space + 1));
  if (!target) return 0;

  // Oracle: linear search; the winner fits, and every other that fits is wider than it.
  std::vector<route::Template> parsed;
  std::vector<std::size_t> fit;
  for (std::size_t i = 0; i < templates.size(); ++i) {
    parsed.push_back(*route::parse(templates[i]));
    if (parsed[i].takes_method(method) && path_fits(parsed[i], target->segments)) fit.push_back(i);
  }
  const auto got = table->match(method, *target);
  if (!got && got.error().code != stint::Errc::kNotFound) {
    // In doubt about the query: only where a condition would have decided.
    if (std::ranges::none_of(fit, [&](std::size_t i) { return !parsed[i].conditions.empty(); }))
      std::abort();
    return 0;
  }
  if (std::ranges::any_of(fit, [&](std::size_t i) { return !parsed[i].conditions.empty(); })) {
    const auto query = parse_query(target->query);
    if (!query) std::abort();
    std::erase_if(fit, [&](std::size_t i) {
      return std::ranges::any_of(parsed[i].conditions, [&](const QueryParameter& c) {
        return std::ranges::count(*query, c) != 1;
      });
    });
  }
  if (got.has_value() == fit.empty()) std::abort();
  if (!got) return 0;
  if (std::ranges::find(fit, got->index) == fit.end()) std::abort();
  for (const std::size_t i : fit)
    if (!route::within(parsed[got->index], parsed[i])) std::abort();
  return 0;
}
