#pragma once

#include "stint/domain/approval.h"
#include "stint/domain/task.h"

// A plain task and approval that tests change one thing of.
namespace stint::domain {

inline constexpr WallTime kNow{std::chrono::milliseconds(1'790'000'000'250)};
inline const std::string kThumbprint(43, 'k');

inline OpenOrder order_for_test() {
  return {.purpose = "fix the typo in README",
          .agent = "coder",
          .binding = {Binding::Kind::kDpop, kThumbprint},
          .grants = {{.upstream = "git",
                      .actions = {"git.fetch", "git.push"},
                      .resources = {"demo/readme.git"}}}};
}

inline Task task_for_test() { return *open(order_for_test(), TaskLimits(), TaskId({1}), kNow); }

inline Approval approval_for_test() {
  Approval a{.id = ApprovalId({3}),
             .call = {.task = TaskId({1}),
                      .upstream = "git",
                      .action = "git.ref.delete",
                      .action_class = ActionClass::kDelete,
                      .resource = "demo/readme.git",
                      .method = "POST",
                      .target = "/demo/readme.git/git-receive-pack",
                      .arguments = R"({"delete":"refs/heads/old"})"},
             .words = "delete the branch old",
             .groups = {"approvers"},
             .requested = kNow,
             .expires = kNow + std::chrono::minutes(10)};
  a.call_digest = digest(a.call);
  return a;
}

}  // namespace stint::domain
