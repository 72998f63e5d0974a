#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "stint/domain/json.h"
#include "tasks_for_test.h"

namespace stint::domain {
namespace {

TEST(DomainJson, TaskRoundTripsInEveryState) {
  Task t = task_for_test();
  t.human = "alice@example.com";
  t.reference = "T-1";
  t.budget = {.requests = 10};
  t.auth_time = kNow;
  t.parent = TaskId({7});
  for (int state = 0; state < 3; ++state) {
    if (state == 1) ASSERT_TRUE(pause(t, Why::kOperator, kNow).has_value());
    if (state == 2) ASSERT_TRUE(close(t, How::kRevoked, kNow));
    const auto back = decode_task(encode(t));
    ASSERT_TRUE(back.has_value()) << back.error().reason.text();
    EXPECT_EQ(*back, t);
  }
}

TEST(DomainJson, ApprovalRoundTripsAndIsBoundToItsCall) {
  const Approval a = approval_for_test();
  const auto back = decode_approval(encode(a));
  ASSERT_TRUE(back.has_value()) << back.error().reason.text();
  EXPECT_EQ(*back, a);

  std::string edited = encode(a);
  const auto at = edited.find("refs/heads/old");
  ASSERT_NE(at, std::string::npos);
  edited.replace(at, 14, "refs/heads/new");
  const auto refused = decode_approval(edited);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason.text(), "approval digest");
}

struct Broken {
  const char* name;
  std::string_view from, to, reason;
};
class BrokenTask : public testing::TestWithParam<Broken> {};
TEST_P(BrokenTask, IsRefused) {
  const Broken& b = GetParam();
  std::string body = encode(task_for_test());
  const auto at = body.find(b.from);
  ASSERT_NE(at, std::string::npos) << body;
  body.replace(at, b.from.size(), b.to);
  const auto got = decode_task(body);
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().reason.text(), b.reason);
}
INSTANTIATE_TEST_SUITE_P(
    Rows, BrokenTask,
    testing::Values(
        Broken{"unknown_member", "{\"id\"", "{\"x\":1,\"id\"", "json unknown member"},
        Broken{"bad_state", "\"active\"", "\"open\"", "unknown task state"},
        Broken{"closed_without_how", "\"active\"", "\"closed\"", "task state contradicts itself"},
        Broken{"paused_without_why", "\"active\"", "\"paused\"", "task state contradicts itself"},
        Broken{"missing_member", "\"depth\":0,", "", "json member missing"},
        Broken{"ill_typed", "\"depth\":0", "\"depth\":\"0\"", "json member type"}),
    [](const auto& p) { return p.param.name; });

TEST(DomainJson, EmptyResourceListIsRefusedAsAmbiguous) {
  const auto value = boost::json::parse(
      R"({"type":"stint_grant","upstream":"git","actions":["git.push"],"resources":[]})");
  const auto got = grant_from_json(value);
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().reason.text(), "grant with an empty resource list");
}

}  // namespace
}  // namespace stint::domain
