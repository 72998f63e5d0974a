#include "upstream_env.h"

#include <fmt/format.h>

#include <charconv>

namespace stint::cli {
namespace {

std::string value_of(const std::vector<std::string>& env, std::string_view name) {
  for (const std::string& e : env)
    if (e.size() > name.size() && e.starts_with(name) && e[name.size()] == '=')
      return e.substr(name.size() + 1);
  return "";
}

// How many settings git gets by environment already.
int config_count(const std::vector<std::string>& env) {
  const std::string text = value_of(env, "GIT_CONFIG_COUNT");
  int n = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  return ec == std::errc() && end == text.data() + text.size() && n > 0 && n < 10'000 ? n : 0;
}

}  // namespace

std::string variable_name(std::string_view upstream) {
  std::string out(upstream);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z')
      c = static_cast<char>(c - 32);
    else if (!(c >= '0' && c <= '9'))
      c = '_';
  }
  return out;
}

std::vector<std::string> child_variables(std::string_view task,
                                         const std::vector<UpstreamAddress>& upstreams,
                                         const RelayUrl& relay,
                                         const std::vector<std::string>& inherited) {
  std::vector<std::string> out{fmt::format("STINT_TASK={}", task)};
  int settings = config_count(inherited);
  bool git = false;
  for (const UpstreamAddress& u : upstreams) {
    const std::string at = relay(u.name);
    out.push_back(fmt::format("STINT_URL_{}={}", variable_name(u.name), at));
    if (u.kind != "git" || u.url.empty()) continue;
    git = true;
    // With the final '/': "https://git.example/a" must not match "https://git.example/abc".
    out.push_back(fmt::format("GIT_CONFIG_KEY_{}=url.{}/.insteadOf", settings, at));
    out.push_back(fmt::format("GIT_CONFIG_VALUE_{}={}/", settings, u.url));
    ++settings;
  }
  if (git) {
    out.push_back(fmt::format("GIT_CONFIG_COUNT={}", settings));
    out.emplace_back("GIT_TERMINAL_PROMPT=0");
  }
  for (const std::string_view name : {"NO_PROXY", "no_proxy"}) {
    const std::string before = value_of(inherited, name);
    out.push_back(fmt::format("{}={}{}127.0.0.1", name, before, before.empty() ? "" : ","));
  }
  return out;
}

}  // namespace stint::cli
