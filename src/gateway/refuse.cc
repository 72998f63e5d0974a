#include "refuse.h"

#include <fmt/format.h>

#include <algorithm>

#include "stint/http/problem.h"

namespace stint::gateway {
namespace {

std::string approve_step(const domain::Approval& approval) {
  return fmt::format("A member of {} runs: stint approve {}", fmt::join(approval.groups, " or "),
                     approval.id.str());
}

http::Problem problem_of(const authority::Verdict& verdict, TaskId task,
                         const std::string& issuer) {
  http::Problem p;
  if (verdict.approval) {
    const auto& approval = *verdict.approval;
    p = http::Problem::of(Error{Errc::kApprovalRequired, "a person is asked first"});
    p.retryable = true;
    p.detail = approval.words;
    p.approval = http::Problem::Approval{.id = approval.id,
                                         .url = issuer + "/v1/approvals/" + approval.id.str(),
                                         .expires = utc_text(approval.expires)};
    p.next_steps = {approve_step(approval),
                    "Then send exactly the same request again: it passes once. With the header "
                    "Prefer: wait=55 the answer is waited for."};
  } else {
    p = http::Problem::of(Error{Errc::kDenied, "policy denies this call"});
    p.reason = std::string(verdict.decision.reason);
    p.detail = verdict.decision.policies.empty()
                   ? std::string(verdict.decision.reason)
                   : fmt::format("{}: {}", verdict.decision.reason,
                                 fmt::join(verdict.decision.policies, ", "));
    p.next_steps = {fmt::format("stint why {}", verdict.id.str())};
  }
  p.task = task;
  p.decision = verdict.id;
  return p;
}

Refused render(const http::Problem& p, std::optional<unsigned> retry_after,
               const std::optional<http::GitCall>& git, const http::ReceivePackRequest* push) {
  if (!git) return {.response = http::to_response(p, retry_after)};
  std::string lines = "Stint: " + p.title + ": " + p.detail + "\n";
  std::vector<std::string> steps = p.next_steps;
  if (p.approval) steps.back() = "Then push again: it passes once.";
  for (const auto& step : steps) lines += "Stint: " + step + "\n";
  if (push != nullptr && !push->commands.empty()) {
    const std::string reason =
        p.approval ? "approval required: " + p.approval->id.str() : p.title + ": " + p.reason;
    return {.response = http::git_refusal(*push, reason, lines), .drain = true};
  }
  return {.response = http::git_error(git->service, git->phase, p.title + ": " + p.detail)};
}

}  // namespace

Refused refuse(std::span<const authority::Verdict> verdicts, TaskId task, const std::string& issuer,
               const std::optional<http::GitCall>& git, const http::ReceivePackRequest* push) {
  const auto denied = std::ranges::find_if(verdicts, [](const auto& v) { return !v.approval; });
  const auto& first = denied != verdicts.end() ? *denied : verdicts.front();
  http::Problem problem = problem_of(first, task, issuer);
  if (denied == verdicts.end()) {
    for (const auto& other : verdicts.subspan(1)) {
      problem.detail += " Also: " + other.approval->words;
      problem.next_steps.insert(problem.next_steps.begin() + 1, approve_step(*other.approval));
    }
  }
  Refused out = render(problem, first.approval ? std::optional(5u) : std::nullopt, git, push);
  out.response.headers.set("Stint-Decision", first.id.str());
  return out;
}

Refused refuse(const Error& error, std::optional<TaskId> task,
               const std::optional<http::GitCall>& git, const http::ReceivePackRequest* push) {
  http::Problem p = http::Problem::of(error);
  p.task = task;
  // A client that has to get a new token must see the status, also when it is git's helper.
  if (p.status == 401) return {.response = http::to_response(p), .challenge = error};
  return render(p, p.retryable ? std::optional(1u) : std::nullopt, git, push);
}

}  // namespace stint::gateway
