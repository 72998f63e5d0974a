#include "stint/domain/grant.h"

#include <algorithm>

#include "stint/domain/action.h"

namespace stint::domain {
namespace {

void sort_unique(std::vector<std::string>& v) {
  std::ranges::sort(v);
  const auto doubles = std::ranges::unique(v);
  v.erase(doubles.begin(), doubles.end());
}

bool wildcard(std::string_view pattern) { return pattern.ends_with("/*"); }

Status check_resource(std::string_view resource, const GrantLimits& limits) {
  if (resource.empty()) return fail(Errc::kMalformed, "empty resource");
  if (resource.size() > limits.resource_bytes) return fail(Errc::kTooLarge, "resource too long");
  if (std::ranges::any_of(resource, [](char c) { return c < 0x21 || c == 0x7f; }))
    return fail(Errc::kMalformed, "resource characters");
  std::string_view rest = resource;
  if (wildcard(rest)) rest.remove_suffix(2);
  if (rest.contains('*')) return fail(Errc::kMalformed, "resource wildcard place");
  for (bool more = true; more;) {
    const auto slash = rest.find('/');
    const auto segment = rest.substr(0, slash);
    if (segment.empty() || segment == "." || segment == "..")
      return fail(Errc::kMalformed, "resource segment");
    more = slash != std::string_view::npos;
    if (more) rest.remove_prefix(slash + 1);
  }
  return {};
}

bool has(const std::vector<std::string>& sorted, std::string_view word) {
  return std::ranges::binary_search(sorted, word);
}

}  // namespace

Result<std::vector<Grant>> normalise(std::vector<Grant> grants, const GrantLimits& limits) {
  if (grants.size() > limits.grants) return fail(Errc::kTooLarge, "too many grants");
  for (Grant& g : grants) {
    if (!valid_name(g.upstream)) return fail(Errc::kMalformed, "grant upstream name");
    if (g.actions.empty()) return fail(Errc::kMalformed, "grant without actions");
    if (g.actions.size() > limits.actions) return fail(Errc::kTooLarge, "too many actions");
    if (g.resources.size() > limits.resources) return fail(Errc::kTooLarge, "too many resources");
    for (const auto& a : g.actions)
      if (!valid_action(a)) return fail(Errc::kMalformed, "grant action name");
    for (const auto& r : g.resources) STINT_TRY(check_resource(r, limits));
    sort_unique(g.actions);
    sort_unique(g.resources);
  }
  return grants;
}

bool covers(std::string_view pattern, std::string_view resource) {
  if (!wildcard(pattern)) return pattern == resource;
  // "team/*" covers "team/x" and "team/x/*", never "team" nor "teams/x".
  const auto prefix = pattern.substr(0, pattern.size() - 1);
  return resource.size() > prefix.size() && resource.starts_with(prefix);
}

bool allows(std::span<const Grant> grants, std::string_view upstream, std::string_view action,
            std::string_view resource) {
  return std::ranges::any_of(grants, [&](const Grant& g) {
    if (g.upstream != upstream || !has(g.actions, action)) return false;
    if (g.resources.empty()) return true;
    return !resource.empty() &&
           std::ranges::any_of(g.resources, [&](const auto& p) { return covers(p, resource); });
  });
}

bool within(std::span<const Grant> narrow, std::span<const Grant> wide) {
  for (const Grant& g : narrow) {
    for (const auto& action : g.actions) {
      if (g.resources.empty()) {
        if (!allows(wide, g.upstream, action, "")) return false;
        continue;
      }
      for (const auto& resource : g.resources)
        if (!allows(wide, g.upstream, action, resource)) return false;
    }
  }
  return true;
}

}  // namespace stint::domain
