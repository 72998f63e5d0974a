#include "stint/domain/grant.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

namespace stint::domain {
namespace {

struct CoverRow {
  std::string_view pattern, resource;
  bool want;
};
constexpr CoverRow kCovers[] = {
    {"a/b.git", "a/b.git", true}, {"a/b.git", "a/b.gitx", false},
    {"a/*", "a/b.git", true},     {"a/*", "a/b/c", true},
    {"a/*", "a", false},          {"a/*", "ab/c", false},
    {"a/*", "a/", false},         {"a/*", "a/b/*", true},
    {"a/b/*", "a/*", false},      {"a/b", "a/*", false},
};
TEST(Grant, PatternCoversWhatStandsBelowIt) {
  for (const auto& row : kCovers)
    EXPECT_EQ(covers(row.pattern, row.resource), row.want) << row.pattern << " " << row.resource;
}

struct BadRow {
  const char* name;
  Grant grant;
  std::string_view reason;
};
TEST(Grant, RefusesWhatCouldMeanTwoThings) {
  const BadRow rows[] = {
      {"upstream", {.upstream = "Git", .actions = {"a"}}, "grant upstream name"},
      {"no_actions", {.upstream = "git", .actions = {}}, "grant without actions"},
      {"action", {.upstream = "git", .actions = {"a b"}}, "grant action name"},
      {"dots", {.upstream = "git", .actions = {"a"}, .resources = {"a/../b"}}, "resource segment"},
      {"slash", {.upstream = "git", .actions = {"a"}, .resources = {"/a"}}, "resource segment"},
      {"tail", {.upstream = "git", .actions = {"a"}, .resources = {"a/"}}, "resource segment"},
      {"star",
       {.upstream = "git", .actions = {"a"}, .resources = {"a*"}},
       "resource wildcard place"},
      {"all", {.upstream = "git", .actions = {"a"}, .resources = {"*"}}, "resource wildcard place"},
      {"space", {.upstream = "git", .actions = {"a"}, .resources = {"a b"}}, "resource characters"},
      {"empty", {.upstream = "git", .actions = {"a"}, .resources = {""}}, "empty resource"},
  };
  for (const auto& row : rows) {
    const auto got = normalise({row.grant});
    ASSERT_FALSE(got.has_value()) << row.name;
    EXPECT_EQ(got.error().reason.text(), row.reason) << row.name;
  }
}

// Rule 3 against the set of all (upstream, action, resource) triples of a small world.
const std::vector<std::string> kUpstreams{"u", "v"}, kActions{"a", "b"},
    kPatterns{"x", "x/y", "x/*", "x/y/*", "z"}, kResources{"x", "x/y", "x/y/w", "x/q", "z", "z/k"};

std::vector<std::string> some_of(const std::vector<std::string>& words, int least) {
  std::vector<std::string> out;
  const int n = *rc::gen::inRange(least, 4);
  for (int i = 0; i < n; ++i) out.push_back(*rc::gen::elementOf(words));
  return out;
}

rc::Gen<std::vector<Grant>> grants() {
  return rc::gen::exec([] {
    std::vector<Grant> out;
    const int n = *rc::gen::inRange(0, 4);
    for (int i = 0; i < n; ++i) {
      out.push_back({.upstream = *rc::gen::elementOf(kUpstreams),
                     .actions = some_of(kActions, 1),
                     .resources = some_of(kPatterns, 0)});
    }
    return *normalise(std::move(out));
  });
}

using Triple = std::tuple<std::string, std::string, std::string>;
std::set<Triple> world(const std::vector<Grant>& g) {
  std::set<Triple> out;
  for (const auto& u : kUpstreams)
    for (const auto& a : kActions)
      for (const auto& r : kResources)
        if (allows(g, u, a, r)) out.insert({u, a, r});
  return out;
}

RC_GTEST_PROP(GrantRules, WithinNeverLetsTheNarrowSideDoMore, ()) {
  const auto narrow = *grants(), wide = *grants();
  const auto n = world(narrow), w = world(wide);
  const bool subset = std::ranges::includes(w, n);
  if (within(narrow, wide)) RC_ASSERT(subset);
  // Grants with resources named one by one are judged exactly, not only safely.
  RC_CLASSIFY(within(narrow, wide), "within");
  RC_ASSERT(within(narrow, narrow));
}

RC_GTEST_PROP(GrantRules, AllowsIsWhatAnyGrantSays, ()) {
  const auto g = *grants();
  for (const auto& u : kUpstreams)
    for (const auto& a : kActions)
      for (const auto& r : kResources) {
        bool slow = false;
        for (const Grant& one : g)
          for (const auto& action : one.actions)
            if (one.upstream == u && action == a) {
              if (one.resources.empty()) slow = true;
              for (const auto& p : one.resources)
                slow = slow || p == r ||
                       (p.ends_with("/*") && r.starts_with(p.substr(0, p.size() - 1)));
            }
        RC_ASSERT(allows(g, u, a, r) == slow);
      }
}

}  // namespace
}  // namespace stint::domain
