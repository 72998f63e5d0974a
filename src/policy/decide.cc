#include <algorithm>
#include <functional>
#include <utility>

#include "encode.h"
#include "engine.h"

namespace stint::policy {
namespace {

void sort_unique(std::vector<std::string>& names) {
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
}

std::vector<std::string> ids(const std::vector<PolicyInfo>& infos,
                             const std::vector<std::uint32_t>& indices) {
  std::vector<std::string> out;
  out.reserve(indices.size());
  for (const std::uint32_t i : indices) out.push_back(infos[i].id);
  sort_unique(out);
  return out;
}

// The facts as they would be after an approval by somebody who is not (four_eyes) the task's human.
Facts approved(const Facts& facts, bool four_eyes) {
  Facts out = facts;
  out.approval = ApprovalFacts{.granted = true, .by = {}, .age_seconds = 0, .four_eyes = four_eyes};
  return out;
}

Decision failed(Verdict::Kind kind) {
  Decision d{.outcome = Outcome::kDeny, .error = true};
  switch (kind) {
    case Verdict::Kind::kPermit:
    case Verdict::Kind::kDeny:
      break;
    case Verdict::Kind::kPolicyFailed:
      d.reason = "a policy failed to evaluate";
      return d;
    case Verdict::Kind::kUnreadable:
      d.reason = "the facts could not be read";
      return d;
    case Verdict::Kind::kTooLarge:
      d.reason = "the facts are over a limit";
      return d;
    case Verdict::Kind::kBroken:
      d.reason = "the policy engine failed";
      return d;
  }
  __builtin_trap();
}

}  // namespace

std::string_view text(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPermit:
      return "permit";
    case Outcome::kDeny:
      return "deny";
    case Outcome::kAsk:
      return "ask";
  }
  __builtin_trap();
}

std::shared_ptr<const Decision> Memo::find(std::string_view key) const {
  const std::size_t slot = std::hash<std::string_view>{}(key) % kSlots;
  const std::lock_guard lock(locks_[slot % kLocks]);
  return slots_[slot].key == key ? slots_[slot].decision : nullptr;
}

void Memo::keep(std::string_view key, std::shared_ptr<const Decision> decision) const {
  if (key.size() > kMaxKey) return;
  const std::size_t slot = std::hash<std::string_view>{}(key) % kSlots;
  const std::lock_guard lock(locks_[slot % kLocks]);
  slots_[slot] = Slot{std::string(key), std::move(decision)};
}

Verdict PolicySet::Impl::evaluate(std::string_view encoded, bool check) const {
  Verdict out;
  out.policies.resize(infos.size());
  std::size_t count = 0;
  const auto* data = reinterpret_cast<const std::uint8_t*>(encoded.data());
  const std::uint8_t answer =
      stint_cedar_evaluate(cedar.get(), data, encoded.size(), check, out.policies.data(), &count);
  out.policies.resize(std::min(count, infos.size()));
  const bool known =
      std::ranges::all_of(out.policies, [&](std::uint32_t i) { return i < infos.size(); });
  if (!known) return {};
  switch (answer) {
    case 1:
      out.kind = Verdict::Kind::kPermit;
      break;
    case 2:
      out.kind = Verdict::Kind::kDeny;
      break;
    case 3:
      out.kind = Verdict::Kind::kPolicyFailed;
      break;
    case 4:
    case 5:
      out.kind = Verdict::Kind::kUnreadable;
      break;
    default:
      out.kind = Verdict::Kind::kBroken;
  }
  return out;
}

Verdict PolicySet::Impl::evaluate(const Facts& facts, std::uint64_t read, bool check) const {
  const auto encoded = encode(facts, read);
  if (!encoded) return {Verdict::Kind::kTooLarge, {}};
  return evaluate(*encoded, check);
}

Decision PolicySet::Impl::judge(const Facts& facts, std::uint64_t read,
                                const Verdict& first) const {
  using enum Verdict::Kind;
  if (first.kind == kPermit) {
    return {.outcome = Outcome::kPermit,
            .policies = ids(infos, first.policies),
            .reason = "permitted by policy"};
  }
  if (first.kind != kDeny) return failed(first.kind);
  Decision d{.policies = ids(infos, first.policies), .reason = "a policy forbids it"};
  if (first.policies.empty()) {
    d.reason = "no policy permits it";
    return d;
  }
  bool liftable = true, asks = false;
  d.for_task = true;
  for (const std::uint32_t i : first.policies) {
    const PolicyInfo& policy = infos[i];
    d.close |= policy.close;
    d.step_up |= policy.step_up;
    liftable &= policy.step_up || !policy.ask.empty();
    if (policy.ask.empty()) continue;
    asks = true;
    d.for_task &= policy.for_task;
    d.approvers.push_back(policy.ask);
  }
  // Nobody is asked, and no fresh proof demanded, for what would be denied all the same.
  Facts lifted = asks ? approved(facts, true) : facts;
  if (d.step_up) lifted.request.fresh_proof = true;
  if (!liftable || d.close || evaluate(lifted, read).kind != kPermit) {
    d.approvers.clear();
    d.for_task = d.step_up = false;
    return d;
  }
  if (d.step_up) {
    d.approvers.clear();
    d.for_task = false;
    d.reason = "a fresh proof is needed";
    return d;
  }
  d.outcome = Outcome::kAsk;
  d.reason = "an approval is needed";
  d.four_eyes = evaluate(approved(facts, false), read).kind != kPermit;
  sort_unique(d.approvers);
  return d;
}

Decision PolicySet::decide(const Facts& facts) const {
  const auto encoded = encode(facts, impl_->mask);
  if (!encoded) return failed(Verdict::Kind::kTooLarge);
  if (const auto known = impl_->memo.find(*encoded)) return *known;
  auto decision =
      std::make_shared<const Decision>(impl_->judge(facts, impl_->mask, impl_->evaluate(*encoded)));
  impl_->memo.keep(*encoded, decision);
  return *decision;
}

Decision PolicySet::decide_plainly(const Facts& facts) const {
  return impl_->judge(facts, kAllFacts, impl_->evaluate(facts, kAllFacts));
}

}  // namespace stint::policy
