#include "stint/policy/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "stint/policy/pack.h"

namespace stint::policy {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

PolicySet pack() {
  auto set = PolicySet::compile(shipped_pack());
  if (!set) {
    for (const auto& p : set.error()) ADD_FAILURE() << p.file << ":" << p.line << " " << p.message;
    std::abort();
  }
  return *set;
}

// Every policies/*_test.yaml, against the whole pack.
TEST(ShippedPack, DecidesAsItsTablesSay) {
  const PolicySet set = pack();
  std::map<std::string, std::size_t> rows;
  for (const auto& entry : fs::directory_iterator(fs::path(STINT_SOURCE) / "policies")) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with("_test.yaml")) continue;
    const Table table = parse_table(name, slurp(entry.path()));
    if (!table) {
      const PolicyProblem& p = table.error().front();
      ADD_FAILURE() << p.file << ":" << p.line << ":" << p.column << " " << p.message;
      continue;
    }
    for (const RowResult& r : run_table(set, *table)) {
      EXPECT_TRUE(r.passed) << name << ":" << r.line << " " << r.name << ": " << r.difference;
    }
    rows[name] = table->size();
  }
  const std::map<std::string, std::size_t> want = {
      {"agent_test.yaml", 7},          {"grants_test.yaml", 8}, {"high_risk_test.yaml", 11},
      {"inherited_read_test.yaml", 7}, {"risk_test.yaml", 12},  {"tasks_test.yaml", 11},
      {"unclassified_test.yaml", 7}};
  EXPECT_EQ(rows, want);
}

TEST(ShippedPack, HasATableForEveryFileAndWordsForEveryPolicy) {
  EXPECT_EQ(shipped_pack().size(), 7u);
  for (const PolicyFile& file : shipped_pack()) {
    const std::string stem = file.name.substr(0, file.name.size() - 6);
    EXPECT_TRUE(fs::exists(fs::path(STINT_SOURCE) / (stem + "_test.yaml"))) << file.name;
    EXPECT_EQ(slurp(fs::path(STINT_SOURCE) / file.name), file.text);
  }
  EXPECT_EQ(slurp(fs::path(STINT_SOURCE) / "schema/stint.cedarschema"), schema_text());
  const PolicySet set = pack();
  for (const PolicyInfo& info : set.policies()) {
    EXPECT_FALSE(info.because.empty()) << info.id;
    EXPECT_EQ(info.forbids, !info.unless.empty()) << info.id;
  }
}

// A table that is wrong must be able to fail, for each thing that it can say.
TEST(Table, ReportsEachDifference) {
  const auto table = parse_table("t.yaml",
                                 "base: {class: delete, granted: true}\n"
                                 "rows:\n"
                                 "  - {name: a, want: permit, by: [within-grants]}\n"
                                 "  - {name: b, want: ask, by: [other]}\n"
                                 "  - {name: c, want: ask, by: [high-risk-asks], approvers: [x]}\n"
                                 "  - {name: d, want: ask, by: [high-risk-asks], four_eyes: true}\n"
                                 "  - {name: e, want: ask, by: [high-risk-asks], error: true}\n"
                                 "  - {name: f, want: ask, by: [high-risk-asks], step_up: true}\n"
                                 "  - {name: g, want: ask, by: [high-risk-asks], close: true}\n"
                                 "  - {name: h, want: ask, by: [high-risk-asks]}\n");
  ASSERT_TRUE(table.has_value()) << table.error().front().message;
  const auto results = run_table(pack(), *table);
  const std::vector<const char*> want = {
      "wanted permit, got ask (an approval is needed). by: wanted [within-grants], got "
      "[high-risk-asks].",
      "by: wanted [other], got [high-risk-asks].",
      "approvers: wanted [x], got [approvers].",
      "four_eyes: wanted true, got false.",
      "error: wanted true, got false.",
      "step_up: wanted true, got false.",
      "close: wanted true, got false.",
      ""};
  ASSERT_EQ(results.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_EQ(results[i].difference, want[i]);
  EXPECT_EQ(results[0].line, 3u);
}

struct Wrong {
  const char* text;
  std::size_t line, column;
  const char* message;
};
TEST(Table, RefusesWithPlaceAndNearestName) {
  const std::string row = "rows: [{name: a, want: deny, by: []}]\n";
  const Wrong rows[] = {
      {"", 0, 0, "the table is empty"},
      {"base: {}\n", 1, 1, "no `rows`"},
      {"rows: []\n", 1, 7, "`rows` has the wrong form"},
      {"bse: {}\nrows: [{name: a, want: deny, by: []}]\n", 1, 1,
       "unknown key `bse`; did you mean `base`?"},
      {"base: {task: {purpse: x}}\nrows: [{name: a, want: deny, by: []}]\n", 1, 15,
       "unknown key `purpse`; did you mean `purpose`?"},
      {"base: {granted: maybe}\nrows: [{name: a, want: deny, by: []}]\n", 1, 17,
       "`granted` has the wrong form"},
      {"base: {risk: {score: high}}\nrows: [{name: a, want: deny, by: []}]\n", 1, 22,
       "`score` has the wrong form"},
      {"rows: [{name: a, want: maybe, by: []}]\n", 1, 24, "`want` has the wrong form"},
      {"rows: [{name: a, want: deny}]\n", 1, 8, "a row needs `name`, `want` and `by`"},
      {"rows: [{name: a, want: deny, by: []}, {name: a, want: deny, by: []}]\n", 1, 39,
       "a row of this name exists"},
      {"rows: [{name: a}\n", 2, 1, "yaml syntax"},
      {"base: {task: 3}\nrows: [{name: a, want: deny, by: []}]\n", 1, 14, "task must be a map"},
  };
  for (const Wrong& w : rows) {
    const auto table = parse_table("t.yaml", w.text);
    ASSERT_FALSE(table.has_value()) << w.text;
    const PolicyProblem& p = table.error().front();
    EXPECT_EQ(p.message, w.message) << w.text;
    EXPECT_EQ(p.line, w.line) << w.text;
    if (w.line != 2) EXPECT_EQ(p.column, w.column) << w.text;
  }
}

}  // namespace
}  // namespace stint::policy
