#include "allow.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "stint/domain/action.h"

namespace stint::cli {
namespace {

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> out;
  for (;;) {
    const std::size_t cut = text.find(by);
    out.emplace_back(text.substr(0, cut));
    if (cut == std::string_view::npos) return out;
    text.remove_prefix(cut + 1);
  }
}

Failure wrong(std::string_view text, std::string_view why) {
  return Failure::usage(fmt::format("--allow {}: {}", printable(text), why),
                        "it is UPSTREAM:ACTION[,ACTION…][=RESOURCE[,RESOURCE…]]");
}

Outcome<domain::Grant> parse_one(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return std::unexpected(wrong(text, "no ':'"));
  const std::size_t equals = text.find('=', colon);
  domain::Grant g;
  g.upstream = text.substr(0, colon);
  if (!domain::valid_name(g.upstream))
    return std::unexpected(wrong(text, "not the name of an upstream"));
  const auto end = equals == std::string::npos ? text.size() : equals;
  g.actions = split(std::string_view(text).substr(colon + 1, end - colon - 1), ',');
  for (const std::string& a : g.actions)
    if (!domain::valid_action(a)) return std::unexpected(wrong(text, "not the name of an action"));
  if (equals != std::string::npos)
    g.resources = split(std::string_view(text).substr(equals + 1), ',');
  auto normal = domain::normalise({g});
  if (!normal) return std::unexpected(wrong(text, normal.error().reason.text()));
  return std::move(normal->front());
}

}  // namespace

Outcome<std::vector<domain::Grant>> parse_allow(const std::vector<std::string>& texts) {
  std::vector<domain::Grant> out;
  for (const std::string& text : texts) {
    auto g = parse_one(text);
    if (!g) return std::unexpected(g.error());
    const auto same = std::ranges::find_if(out, [&](const domain::Grant& o) {
      return o.upstream == g->upstream && o.resources == g->resources;
    });
    if (same == out.end())
      out.push_back(*std::move(g));
    else
      same->actions.insert(same->actions.end(), g->actions.begin(), g->actions.end());
  }
  if (out.empty())
    return std::unexpected(Failure::usage("nothing is allowed: say --allow UPSTREAM:ACTION"));
  auto normal = domain::normalise(std::move(out));
  if (!normal) return std::unexpected(Failure::of(normal.error(), "--allow"));
  return *std::move(normal);
}

Outcome<std::int64_t> parse_duration(std::string_view text, std::string_view option) {
  std::int64_t n = 0, unit = 1;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (rest == "m")
    unit = 60;
  else if (rest == "h")
    unit = 3600;
  else if (rest == "d")
    unit = 86'400;
  const bool known = rest.empty() || rest == "s" || unit != 1;
  if (ec != std::errc() || !known || n <= 0 || n > 366 * 86'400 / unit)
    return std::unexpected(
        Failure::usage(fmt::format("{} {}: not a duration", option, printable(text)),
                       "it is a number with s, m, h or d, as 30m"));
  return n * unit;
}

Outcome<domain::Budget> parse_budget(std::string_view text) {
  const auto wrong = [&] {
    return std::unexpected(Failure::usage(fmt::format("--budget {}: not a budget", printable(text)),
                                          "it is requests=N, bytes_out=N[KiB|MiB|GiB], or both "
                                          "with a comma between"));
  };
  domain::Budget out;
  for (const std::string& part : split(text, ',')) {
    const std::size_t equals = std::min(part.find('='), part.size());
    const bool bytes = part.starts_with("bytes_out=");
    if (!bytes && !part.starts_with("requests=")) return wrong();
    auto& into = bytes ? out.bytes_out : out.requests;
    std::int64_t n = 0;
    const char* const last = part.data() + part.size();
    const auto [end, ec] = std::from_chars(part.data() + equals + 1, last, n);
    const std::string_view unit(end, static_cast<std::size_t>(last - end));
    const int shift = unit == "KiB" ? 10 : unit == "MiB" ? 20 : unit == "GiB" ? 30 : 0;
    if (ec != std::errc() || into || n <= 0 || (shift == 0 && !unit.empty()) ||
        (shift != 0 && !bytes) || n > (std::int64_t{1} << (52 - shift)))
      return wrong();
    into = n << shift;
  }
  return out;
}

}  // namespace stint::cli
