#include "stint/http/route.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

namespace stint::http {
namespace {

using Params = std::vector<std::pair<std::string, std::string>>;

Target target(std::string_view text) {
  const auto got = parse_target(text);
  EXPECT_TRUE(got.has_value()) << text;
  return got.value_or(Target{});
}

const std::vector<std::string> kHelpdesk{"GET /tickets/{id}",
                                         "POST /tickets/{id}/replies",
                                         "GET /tickets.csv",
                                         "GET /tickets",
                                         "GET /tickets?format=csv",
                                         "GET /tickets/export",
                                         "PUT,PATCH /tickets/{id}",
                                         "* /admin/{rest...}",
                                         "GET /admin/{rest...}",
                                         "GET /files/{path...}",
                                         "GET /a b/caf\xc3\xa9",
                                         "GET /",
                                         "DELETE /tickets/{id}?force=true"};

struct Row {
  const char *name, *method, *target;
  int index;  // -1: refused
  std::string_view reason;
  Params params{};
};
const Row kRows[] = {
    {"parameter", "GET", "/tickets/7", 0, "", {{"id", "7"}}},
    {"parameter_encoded", "GET", "/ticket%73/a%20b", 0, "", {{"id", "a b"}}},
    {"head_as_get", "HEAD", "/tickets/7", 0, "", {{"id", "7"}}},
    {"literal_beats_parameter", "GET", "/tickets/export", 5, ""},
    {"inner_parameter", "POST", "/tickets/7/replies", 1, "", {{"id", "7"}}},
    {"two_methods", "PATCH", "/tickets/7", 6, "", {{"id", "7"}}},
    {"no_condition", "GET", "/tickets", 3, ""},
    {"condition", "GET", "/tickets?a=1&format=csv", 4, ""},
    {"condition_encoded", "GET", "/tickets?%66ormat=%63sv", 4, ""},
    {"other_value", "GET", "/tickets?format=json", 3, ""},
    {"any_method", "PURGE", "/admin/x/y", 7, "", {{"rest", "x/y"}}},
    {"method_beats_any", "GET", "/admin/x/y", 8, "", {{"rest", "x/y"}}},
    {"rest_of_trailing_slash", "GET", "/files/", 9, "", {{"path", ""}}},
    {"literal_decoded", "GET", "/a%20b/caf%c3%a9", 10, ""},
    {"root", "GET", "/", 11, ""},
    {"condition_holds", "DELETE", "/tickets/7?force=true", 12, "", {{"id", "7"}}},
    {"condition_missing", "DELETE", "/tickets/7", -1, "no route"},
    {"condition_repeated", "GET", "/tickets?format=csv&format=json", -1,
     "query parameter repeated"},
    {"condition_repeated_equal", "GET", "/tickets?format=csv&format=csv", -1,
     "query parameter repeated"},
    {"semicolon", "GET", "/tickets?a=1;format=csv", -1, "query separator in doubt"},
    {"semicolon_where_nothing_asks", "GET", "/tickets/7?a;b", 0, "", {{"id", "7"}}},
    {"rest_of_nothing", "GET", "/files", -1, "no route"},
    {"parameter_of_nothing", "GET", "/tickets/", -1, "no route"},
    {"trailing_slash", "GET", "/tickets.csv/", -1, "no route"},
    {"other_method", "DELETE", "/tickets.csv", -1, "no route"},
    {"case", "GET", "/Tickets", -1, "no route"},
    {"longer", "GET", "/tickets/7/8", -1, "no route"},
};
class RouteRows : public testing::TestWithParam<Row> {};
TEST_P(RouteRows, Matches) {
  const Row& row = GetParam();
  const auto table = RouteTable::compile(kHelpdesk);
  ASSERT_TRUE(table.has_value()) << table.error().error.reason.text() << table.error().index;
  const auto got = table->match(row.method, target(row.target));
  if (row.index < 0) {
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().reason.text(), row.reason);
    return;
  }
  ASSERT_TRUE(got.has_value()) << got.error().reason.text();
  EXPECT_EQ(got->index, static_cast<std::size_t>(row.index));
  EXPECT_EQ(got->params, row.params);
}
INSTANTIATE_TEST_SUITE_P(All, RouteRows, testing::ValuesIn(kRows),
                         [](const auto& i) { return std::string(i.param.name); });

struct Bad {
  const char *name, *text, *reason;
};
const Bad kBad[] = {
    {"empty", "", "route is not METHOD /path"},
    {"path_only", "/tickets", "route is not METHOD /path"},
    {"lower_case", "get /a", "route method"},
    {"method_list_gap", "GET, POST /a", "route method"},
    {"method_repeated", "GET,GET /a", "route method repeated"},
    {"head", "HEAD /a", "route method HEAD: GET takes it"},
    {"connect", "CONNECT /a", "route method is never forwarded"},
    {"no_slash", "GET a", "route path does not begin with /"},
    {"two_spaces", "GET  /a", "route path does not begin with /"},
    {"double_slash", "GET /a//b", "route path can never match"},
    {"dots", "GET /a/../b", "route path can never match"},
    {"backslash", "GET /a\\b", "route path can never match"},
    {"encoded", "GET /a%20b", "route path is written decoded"},
    {"part_of_segment", "GET /{id}.csv", "route parameter is not a whole segment"},
    {"open_brace", "GET /{id", "route parameter is not a whole segment"},
    {"bad_name", "GET /{Id}", "route parameter name"},
    {"no_name", "GET /{}", "route parameter name"},
    {"rest_inside", "GET /{a...}/b", "route rest is not last"},
    {"name_repeated", "GET /{a}/{a}", "route parameter repeated"},
    {"condition_bare", "GET /a?b", "route condition is not name=value"},
    {"condition_empty", "GET /a?", "route condition is not name=value"},
    {"condition_repeated", "GET /a?b=1&b=2", "route condition repeated"},
    {"condition_escape", "GET /a?b=%zz", "query escape"},
};
class BadRoutes : public testing::TestWithParam<Bad> {};
TEST_P(BadRoutes, AreRefused) {
  const std::vector<std::string> texts{"GET /good", GetParam().text};
  const auto got = RouteTable::compile(texts);
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().error.reason.text(), GetParam().reason);
  EXPECT_EQ(got.error().index, 1u);
  const auto alone = check_route(GetParam().text);
  ASSERT_FALSE(alone.has_value());
  EXPECT_EQ(alone.error().reason.text(), GetParam().reason);
}
INSTANTIATE_TEST_SUITE_P(All, BadRoutes, testing::ValuesIn(kBad),
                         [](const auto& i) { return std::string(i.param.name); });

TEST(Routes, CollisionsAreRefused) {
  const auto reason = [](std::vector<std::string> texts) -> std::string {
    const auto got = RouteTable::compile(texts);
    return got ? "" : std::string(got.error().error.reason.text());
  };
  EXPECT_EQ(reason({"GET /a/{x}", "GET /a/{y}"}), "route repeated");
  EXPECT_EQ(reason({"GET /a/{x}", "GET /{y}/b"}), "route ambiguous");
  EXPECT_EQ(reason({"GET,POST /a", "GET,PUT /a"}), "route ambiguous");
  EXPECT_EQ(reason({"* /a/b", "GET /a/{x}"}), "route ambiguous");
  EXPECT_EQ(reason({"GET /a?x=1", "GET /a?y=1"}), "route ambiguous");
  EXPECT_EQ(reason({"GET /a/{x}?q=1", "GET /a/b"}), "route ambiguous");
  EXPECT_EQ(reason({"GET /a/b/{r...}", "GET /a/{x}/c"}), "route ambiguous");
  EXPECT_EQ(reason({"GET /a?x=1", "GET /a?x=2", "GET /a?x=1&y=2", "GET /a"}), "");
  EXPECT_EQ(reason({"GET /a/b/d", "GET /a/{x}/c", "GET /a/{r...}", "GET /{r...}"}), "");
  EXPECT_EQ(reason({"GET /a/{x}", "GET /a/"}), "");
}

TEST(Routes, EmptyTableMatchesNothing) {
  EXPECT_EQ(RouteTable().match("GET", target("/")).error().code, Errc::kNotFound);
  EXPECT_EQ(RouteTable().size(), 0u);
}

TEST(Routes, TooMany) {
  std::vector<std::string> texts(kMaxRoutes + 1, "GET /a");
  EXPECT_EQ(RouteTable::compile(texts).error().error.reason.text(), "too many routes");
  EXPECT_EQ(check_route("GET /" + std::string(kMaxTemplateBytes, 'a')).error().reason.text(),
            "route too large");
}

// The slow and obvious model: reads template texts by itself, tries every one, and picks the one
// whose set of matching requests, taken over the whole small universe, lies in all others'.
struct Model {
  static std::vector<std::string> split(const std::string& path) {
    std::vector<std::string> out;
    std::string part;
    for (const char c : path.substr(1)) {
      if (c == '/') {
        out.push_back(part);
        part.clear();
      } else {
        part += c;
      }
    }
    out.push_back(part);
    return out;
  }
  static bool path_fits(const std::vector<std::string>& t, const std::vector<std::string>& s) {
    for (std::size_t i = 0; i < t.size(); ++i) {
      if (t[i].starts_with("{r")) return i < s.size();
      if (i >= s.size()) return false;
      if (t[i].starts_with("{")) {
        if (s[i].empty()) return false;
      } else if (t[i] != s[i]) {
        return false;
      }
    }
    return t.size() == s.size();
  }
  static bool fits(const std::string& text, const std::string& method, const std::string& path,
                   const std::string& query) {
    const std::string methods = text.substr(0, text.find(' '));
    std::string rest = text.substr(text.find(' ') + 1), condition;
    if (const auto q = rest.find('?'); q != std::string::npos) {
      condition = rest.substr(q + 1);
      rest = rest.substr(0, q);
    }
    if (methods != "*" && methods.find(method) == std::string::npos) return false;
    if (!path_fits(split(rest), split(path))) return false;
    return condition.empty() ||
           ("&" + query + "&").find("&" + condition + "&") != std::string::npos;
  }
};

RC_GTEST_PROP(Routes, AgreeWithTheModel, ()) {
  const std::vector<std::string> methods{"GET", "POST", "GET,POST", "*"};
  const std::vector<std::string> parts{"a", "b", "{x}"};
  std::vector<std::string> texts;
  const int count = *rc::gen::inRange(1, 6);
  for (int i = 0; i < count; ++i) {
    std::string text = *rc::gen::elementOf(methods) + ' ';
    const int depth = *rc::gen::inRange(1, 4);
    for (int d = 0; d < depth; ++d) {
      std::string part = *rc::gen::elementOf(parts);
      if (part == "{x}") part = "{x" + std::to_string(d) + "}";
      text += '/' + part;
    }
    const int tail = *rc::gen::inRange(0, 6);
    if (tail == 0) text += "/{r...}";
    if (tail == 1) text += "/";
    if (*rc::gen::inRange(0, 4) == 0)
      text += *rc::gen::elementOf(std::vector<std::string>{"?q=1", "?q=2", "?p=1"});
    texts.push_back(text);
  }
  // Every request of a small universe.
  std::vector<std::string> paths, layer{""};
  for (int d = 0; d < 4; ++d) {
    std::vector<std::string> next;
    for (const auto& p : layer)
      for (const char* s : {"/a", "/b", "/c"}) next.push_back(p + s);
    for (const auto& p : layer) paths.push_back(p + "/");
    paths.insert(paths.end(), next.begin(), next.end());
    layer = std::move(next);
  }
  const std::vector<std::string> queries{"", "q=1", "q=2", "p=1", "q=1&p=1", "q=2&p=1"};
  struct Req {
    std::string method, path, query;
  };
  std::vector<Req> universe;
  for (const char* m : {"GET", "POST", "PUT"})
    for (const auto& p : paths)
      for (const auto& q : queries) universe.push_back({m, p, q});

  std::vector<std::vector<bool>> sets;
  for (const auto& t : texts) {
    std::vector<bool> set(universe.size());
    for (std::size_t u = 0; u < universe.size(); ++u)
      set[u] = Model::fits(t, universe[u].method, universe[u].path, universe[u].query);
    sets.push_back(std::move(set));
  }
  const auto inside = [&](std::size_t a, std::size_t b) {
    for (std::size_t u = 0; u < universe.size(); ++u)
      if (sets[a][u] && !sets[b][u]) return false;
    return true;
  };
  bool clash = false;
  for (std::size_t a = 0; a < texts.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) {
      bool meet = false;
      for (std::size_t u = 0; u < universe.size() && !meet; ++u) meet = sets[a][u] && sets[b][u];
      clash = clash || (meet && inside(a, b) == inside(b, a));
    }
  const auto table = RouteTable::compile(texts);
  RC_ASSERT(table.has_value() == !clash);
  if (!table) return;
  RC_TAG(texts.size());
  for (std::size_t u = 0; u < universe.size(); u += 7) {
    const Req& r = universe[u];
    std::optional<std::size_t> best;
    for (std::size_t t = 0; t < texts.size(); ++t)
      if (sets[t][u] && (!best || inside(t, *best))) best = t;
    const auto got =
        table->match(r.method, *parse_target(r.query.empty() ? r.path : r.path + "?" + r.query));
    RC_ASSERT(got.has_value() == best.has_value());
    if (best) RC_ASSERT(got->index == *best);
  }
}

}  // namespace
}  // namespace stint::http
