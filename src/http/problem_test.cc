#include "stint/http/problem.h"

#include <gtest/gtest.h>

namespace stint::http {
namespace {

TEST(Problem, HasAllMembersAlways) {
  const Problem p = Problem::of({Errc::kDenied, "outside the task's grants"});
  EXPECT_EQ(
      to_json(p),
      R"({"type":"urn:stint:problem:denied","title":"Denied","status":403,)"
      R"("detail":"outside the task's grants","reason":"outside the task's grants",)"
      R"("task":null,"decision":null,"retryable":false,)"
      R"("next_steps":["Run `stint why` with the decision's id to see what would have to change."]})");
}

TEST(Problem, ApprovalRequired) {
  Problem p = Problem::of({Errc::kApprovalRequired, "high-risk"});
  p.task = TaskId({1});
  p.decision = DecisionId({2});
  p.approval = {ApprovalId({3}), "https://h/approvals/1", "2026-01-01T00:00:00Z"};
  const std::string text = to_json(p);
  EXPECT_NE(text.find(R"("type":"urn:stint:problem:approval-required")"), std::string::npos);
  EXPECT_NE(text.find(R"("task":"task_01000000000000000000000000000000")"), std::string::npos);
  EXPECT_NE(text.find(R"("approval":{"id":"apr_03000000000000000000000000000000",)"
                      R"("url":"https://h/approvals/1","expires":"2026-01-01T00:00:00Z"})"),
            std::string::npos);
  EXPECT_TRUE(p.retryable);
}

TEST(Problem, AsResponse) {
  const Response r = to_response(Problem::of({Errc::kStale, "view too old"}), 2);
  EXPECT_EQ(r.status, 503u);
  EXPECT_EQ(r.headers, (Headers{{"Content-Type", "application/problem+json"},
                                {"Cache-Control", "no-store"},
                                {"Retry-After", "2"}}));
  EXPECT_FALSE(to_response(Problem::of({Errc::kStale, "x"})).headers.has("Retry-After"));
}

TEST(Problem, EveryCodeHasAnHttpErrorAndAStep) {
  for (std::uint16_t c = 1; c <= static_cast<std::uint16_t>(Errc::kGone); ++c) {
    const ProblemKind k = problem_kind(static_cast<Errc>(c));
    EXPECT_GE(k.status, 400u);
    EXPECT_LE(k.status, 599u);
    EXPECT_EQ(k.type, name(static_cast<Errc>(c)));
    EXPECT_FALSE(k.title.empty());
    EXPECT_FALSE(k.next_step.empty());
    if (k.status >= 503) EXPECT_TRUE(k.retryable) << k.type;
  }
}

}  // namespace
}  // namespace stint::http
