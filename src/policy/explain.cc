#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "encode.h"
#include "engine.h"

namespace stint::policy {
namespace {

using Out = std::back_insert_iterator<std::string>;

// "principal.owner" is the word of the language; people read "agent.owner".
std::string spoken(std::string_view path) {
  if (path.starts_with("principal.")) return fmt::format("agent.{}", path.substr(10));
  return std::string(path);
}

void facts_of(Out out, const Facts& facts, std::uint64_t mask) {
  const auto& paths = fact_paths();
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if ((mask >> i & 1) == 0) continue;
    const std::string value = show(facts, paths[i]);
    fmt::format_to(out, "    {} is {}\n", spoken(paths[i]), value.empty() ? "absent" : value);
  }
}

void policy(Out out, const PolicyInfo& info) {
  fmt::format_to(out, "  {} ({} line {})", info.id, info.file, info.line);
  if (!info.because.empty()) fmt::format_to(out, ": {}", info.because);
  fmt::format_to(out, "\n");
}

std::string subject(const Facts& facts) {
  if (facts.operation == Operation::kCall) {
    const std::string on = facts.resource.empty() ? "" : fmt::format(" on {}", facts.resource);
    return fmt::format("{} ({}) at {}{} by agent {}", facts.action, facts.action_class,
                       facts.upstream.name, on, facts.agent.name);
  }
  return fmt::format("{} by agent {}", text(facts.operation), facts.agent.name);
}

void headline(Out out, const Facts& facts, const Decision& d) {
  const char* verb = d.outcome == Outcome::kPermit ? "Permitted"
                     : d.outcome == Outcome::kAsk  ? "Held for approval"
                                                   : "Denied";
  fmt::format_to(out, "{}: {}: {}.\n", verb, subject(facts), d.reason);
}

void change(Out out, const PolicySet& set, const Facts& facts, const Decision& d) {
  fmt::format_to(out, "What would have to change:\n");
  if (d.outcome == Outcome::kAsk) {
    std::string groups;
    for (const std::string& group : d.approvers) groups += (groups.empty() ? "" : " or ") + group;
    fmt::format_to(out, "  a member of {} approves exactly this call{}\n", groups,
                   d.four_eyes ? ", who is not the task's own human" : "");
    return;
  }
  if (d.step_up) {
    fmt::format_to(out, "  the agent repeats the request with a proof that answers a new nonce\n");
    return;
  }
  if (d.policies.empty()) {
    if (facts.operation == Operation::kCall && !facts.granted) {
      fmt::format_to(out, "  the task would need a grant for {}:{}{}\n", facts.upstream.name,
                     facts.action, facts.resource.empty() ? "" : " that covers " + facts.resource);
    } else {
      fmt::format_to(out, "  an operator would have to add a policy that permits it\n");
    }
    return;
  }
  for (const std::string& id : d.policies) {
    const PolicyInfo* info = set.find(id);
    if (info == nullptr) continue;
    fmt::format_to(out, "  {}\n",
                   info->unless.empty() ? fmt::format("policy {} would have to be changed", id)
                                        : info->unless);
  }
  const bool asked = std::ranges::any_of(d.policies, [&](const std::string& id) {
    const PolicyInfo* info = set.find(id);
    return info != nullptr && !info->ask.empty();
  });
  if (asked) fmt::format_to(out, "  an approval alone would not do: it would still be denied\n");
  if (d.close)
    fmt::format_to(out, "  the task is closed for this; a person can open its successor\n");
}

}  // namespace

std::string explain(const PolicySet& set, const Facts& facts, const Decision& decision) {
  const auto& inside = Inside::of(set);
  std::string text;
  Out out(text);
  headline(out, facts, decision);
  if (decision.error) {
    // Which ones failed is not in the decision: no policy determined it.
    const Verdict verdict = inside.evaluate(facts, kAllFacts);
    if (verdict.kind == Verdict::Kind::kPolicyFailed) {
      for (const std::uint32_t i : verdict.policies) {
        policy(out, inside.infos[i]);
        facts_of(out, facts, inside.masks[i]);
      }
      fmt::format_to(out, "A policy that cannot be evaluated denies, whatever the others say.\n");
    }
    return text;
  }
  for (const std::string& id : decision.policies) {
    const auto found = std::ranges::find(inside.infos, id, &PolicyInfo::id);
    if (found == inside.infos.end()) {
      fmt::format_to(out, "  {} (no longer among the policies)\n", id);
      continue;
    }
    policy(out, *found);
    const auto index = static_cast<std::size_t>(found - inside.infos.begin());
    facts_of(out, facts, inside.masks[index]);
  }
  if (decision.outcome != Outcome::kPermit) change(out, set, facts, decision);
  return text;
}

}  // namespace stint::policy
