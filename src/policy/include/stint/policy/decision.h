#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stint::policy {

// "Could not decide" is not a fourth answer: it is kDeny with `error` set and its reason.
enum class Outcome : std::uint8_t { kPermit, kDeny, kAsk };

std::string_view text(Outcome outcome);  // "permit", "deny", "ask"

constexpr std::string_view problem(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPermit:
      return "";
    case Outcome::kDeny:
      return "urn:stint:problem:denied";
    case Outcome::kAsk:
      return "urn:stint:problem:approval-required";
  }
  __builtin_trap();
}

// The answer of PolicySet::decide. A default one denies.
struct Decision {
  Outcome outcome = Outcome::kDeny;

  // Ids of the policies that determined it, sorted: the permits of a permit, the forbids of a deny
  // or an ask. Empty on a deny: no policy permits it, or `error`.
  std::vector<std::string> policies;

  // On kAsk: the groups whose members may answer, sorted. A policy without one group name asks
  // "approvers".
  std::vector<std::string> approvers;
  bool four_eyes = false;  // on kAsk: the approver must not be the task's own human
  bool for_task = false;   // on kAsk: every asking policy lets the answer hold for the whole task

  // On kDeny: a fresh proof (Facts::request.fresh_proof) alone would turn it into a permit or an
  // ask.
  bool step_up = false;
  // On kDeny: a determining policy says @close: the task has to be closed.
  bool close = false;

  bool error = false;       // a policy failed, or the facts could not be read: always kDeny
  std::string_view reason;  // a literal in lower case, never empty after decide()

  bool operator==(const Decision&) const = default;
};

}  // namespace stint::policy
