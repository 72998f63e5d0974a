#include "allow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stint::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Allow, ReadsUpstreamActionsAndResources) {
  const auto got = parse_allow({"git:git.push,git.fetch=team/b.git,team/a.git"});
  ASSERT_TRUE(got.has_value());
  ASSERT_EQ(got->size(), 1U);
  EXPECT_EQ(got->front().upstream, "git");
  EXPECT_THAT(got->front().actions, ElementsAre("git.fetch", "git.push"));
  EXPECT_THAT(got->front().resources, ElementsAre("team/a.git", "team/b.git"));
}

TEST(Allow, JoinsActionsOfOneUpstreamAndTheSameResources) {
  const auto got = parse_allow({"git:git.fetch=a/x.git", "git:git.push=a/x.git", "git:git.fetch"});
  ASSERT_TRUE(got.has_value());
  ASSERT_EQ(got->size(), 2U);
  EXPECT_THAT(got->at(0).actions, ElementsAre("git.fetch", "git.push"));
  EXPECT_TRUE(got->at(1).resources.empty());
}

TEST(Allow, AResourceMayHoldColons) {
  const auto got = parse_allow({"db:query=host:5432/app"});
  ASSERT_TRUE(got.has_value());
  EXPECT_THAT(got->front().resources, ElementsAre("host:5432/app"));
}

struct Wrong {
  const char* text;
  const char* why;
};
class AllowRefuses : public testing::TestWithParam<Wrong> {};
TEST_P(AllowRefuses, WithWhatIsWrong) {
  const auto got = parse_allow({GetParam().text});
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().exit, Exit::kUsage);
  EXPECT_THAT(got.error().title, HasSubstr(GetParam().why));
}
INSTANTIATE_TEST_SUITE_P(Rows, AllowRefuses,
                         testing::Values(Wrong{"git", "no ':'"},
                                         Wrong{":a", "not the name of an upstream"},
                                         Wrong{"Git:a", "not the name of an upstream"},
                                         Wrong{"git:", "not the name of an action"},
                                         Wrong{"git:a,", "not the name of an action"},
                                         Wrong{"git:a b", "not the name of an action"},
                                         Wrong{"git:a=", "--allow"}, Wrong{"git:a=../x", "--allow"},
                                         Wrong{"git:\x1b[31m", "?[31m"}));

TEST(Allow, NothingIsNotEverything) {
  const auto got = parse_allow({});
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().exit, Exit::kUsage);
}

TEST(Budget, ReadsBothParts) {
  const auto both = parse_budget("requests=100,bytes_out=10MiB");
  ASSERT_TRUE(both.has_value());
  EXPECT_EQ(both->requests, 100);
  EXPECT_EQ(both->bytes_out, 10 << 20);
  const auto one = parse_budget("bytes_out=5");
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->requests, std::nullopt);
  EXPECT_EQ(one->bytes_out, 5);
}

TEST(Budget, RefusesWhatIsNone) {
  for (const char* text :
       {"", "5", "requests", "requests=", "requests=0", "requests=-1", "requests=1KiB",
        "bytes_out=1kb", "bytes_out=9999999999GiB", "requests=1,requests=2", "requests=1,",
        "tokens=5", "bytes_out=1.5MiB", "requests= 5"}) {
    const auto got = parse_budget(text);
    ASSERT_FALSE(got.has_value()) << text;
    EXPECT_EQ(got.error().exit, Exit::kUsage) << text;
  }
}

TEST(Duration, ReadsUnits) {
  EXPECT_EQ(parse_duration("90", "--ttl"), 90);
  EXPECT_EQ(parse_duration("90s", "--ttl"), 90);
  EXPECT_EQ(parse_duration("30m", "--ttl"), 1800);
  EXPECT_EQ(parse_duration("2h", "--ttl"), 7200);
  EXPECT_EQ(parse_duration("1d", "--ttl"), 86400);
}

TEST(Duration, RefusesWhatIsNone) {
  for (const char* text : {"", "0", "-1", "5x", "m", "1.5h", "99999999999999999999", "400d", "5 m"})
    EXPECT_FALSE(parse_duration(text, "--ttl").has_value()) << text;
}

}  // namespace
}  // namespace stint::cli
