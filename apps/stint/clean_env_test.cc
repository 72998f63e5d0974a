#include "clean_env.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stint/codec/secret_text.h"
#include "stint/testkit/seeded_entropy.h"

namespace stint::cli {
namespace {

using testing::ElementsAre;

struct Row {
  const char* name;
  const char* value;
  bool secret;
};
class LooksSecret : public testing::TestWithParam<Row> {};
TEST_P(LooksSecret, ByNameOrShape) {
  const Row& r = GetParam();
  EXPECT_EQ(looks_secret(r.name, r.value), r.secret) << r.name << "=" << r.value;
}
INSTANTIATE_TEST_SUITE_P(
    Rows, LooksSecret,
    testing::Values(Row{"GITHUB_TOKEN", "x", true}, Row{"DB_PASSWORD", "x", true},
                    Row{"MYTOKEN", "x", true}, Row{"AWS_SECRET_ACCESS_KEY", "x", true},
                    Row{"OPENAI_API_KEY", "x", true}, Row{"API_KEY_2", "x", true},
                    Row{"npm_config_auth", "x", true}, Row{"SSH_AUTH_SOCK", "/run/agent", true},
                    Row{"DATABASE_URL", "postgres:///a", true},
                    // By the shape of the value, whatever the name.
                    Row{"X", "ghp_0123456789abcdefghij0123456789abcdef", true},
                    Row{"X", "https://user:word@host/path", true},
                    Row{"X", "-----BEGIN EC PRIVATE KEY-----\nabc", true},
                    Row{"X", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLXRlc3Q", true},
                    // What is none.
                    Row{"PATH", "/usr/bin:/bin", false}, Row{"HOME", "/home/a", false},
                    Row{"PWD", "/home/a", false}, Row{"LC_ALL", "C.UTF-8", false},
                    Row{"TERM", "xterm", false}, Row{"TOKENIZERS_PARALLELISM", "false", false},
                    Row{"KEYBOARD", "us", false}, Row{"MONKEY", "george", false},
                    Row{"EDITOR", "vi", false}, Row{"GITHUB_TOKEN", "", false},
                    Row{"X", "https://host/path@2", false}, Row{"X", "sk-", false}),
    [](const auto& row) { return row.param.name + ("_" + std::to_string(row.index)); });

TEST(LooksSecret, KnowsOurOwn) {
  testkit::SeededEntropy entropy(7);
  EXPECT_TRUE(looks_secret("X", codec::make_secret_text("handle", entropy)));
}

TEST(ChildEnvironment, ReportsNamesAndKeepsThemUnlessClean) {
  const std::vector<std::string> before{"PATH=/bin", "A_TOKEN=1", "B_SECRET=2"};
  const auto kept = child_environment(before, {}, false);
  EXPECT_THAT(kept.variables, ElementsAre("PATH=/bin", "A_TOKEN=1", "B_SECRET=2"));
  EXPECT_THAT(kept.secrets, ElementsAre("A_TOKEN", "B_SECRET"));
  const auto clean = child_environment(before, {}, true);
  EXPECT_THAT(clean.variables, ElementsAre("PATH=/bin"));
  EXPECT_THAT(clean.secrets, ElementsAre("A_TOKEN", "B_SECRET"));
}

TEST(ChildEnvironment, OurOwnNeverPassAndAddedOnesReplace) {
  const auto got = child_environment({"STINT_ID_TOKEN_FILE=/t", "STINT_AGENT_KEY_FILE=/k",
                                      "STINT_HOME=/h", "STINT_TASK=old", "GIT_TERMINAL_PROMPT=1"},
                                     {"STINT_TASK=new", "GIT_TERMINAL_PROMPT=0"}, false);
  EXPECT_THAT(got.variables, ElementsAre("STINT_TASK=new", "GIT_TERMINAL_PROMPT=0"));
}

TEST(ChildEnvironment, WhatIsNoVariableDoesNotPass) {
  EXPECT_THAT(child_environment({"", "=x", "novalue", "A=1"}, {}, false).variables,
              ElementsAre("A=1"));
}

}  // namespace
}  // namespace stint::cli
