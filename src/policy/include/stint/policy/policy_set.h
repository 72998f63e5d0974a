#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stint/policy/decision.h"
#include "stint/policy/facts.h"

namespace stint::policy {

struct PolicyFile {
  std::string name;  // shown in problems: a path as the operator wrote it
  std::string text;
};

// One thing wrong with a policy file. `message` quotes what the operator wrote: it goes back to who
// sent the file, not into the log.
struct PolicyProblem {
  std::string file;
  std::size_t line = 0, column = 0;  // from 1; 0: the file as a whole
  std::string message;               // with "did you mean …" where a known name is near
  bool operator==(const PolicyProblem&) const = default;
};

// Names that exist where the policies will run. A list that is given is complete: a policy that
// compares with any other name is refused, since it could never match.
struct Vocabulary {
  std::vector<std::string> actions;    // of upstreams: `context.action == "git.push"`
  std::vector<std::string> upstreams;  // Upstream::"…"
  std::vector<std::string> agents;     // Agent::"…"
  bool has_actions = false, has_upstreams = false, has_agents = false;
};

// What a policy says about itself, for lists and explanations.
struct PolicyInfo {
  std::string id;  // @id, or "<file>:<n>"
  bool forbids = false;
  std::string file;
  std::size_t line = 0;
  std::string ask;      // @ask group; "" without the annotation
  std::string because;  // @because: the rule in words
  std::string unless;   // @unless_text: what would have to change, in words
  bool for_task = false, step_up = false, close = false;
  bool operator==(const PolicyInfo&) const = default;
};

// Compiled Cedar policies. Immutable; decide() is a pure function of the facts.
//
// Threads:   any, for const methods. Copies share the compiled policies.
// Blocking:  never; no I/O, no clock. A short lock guards the memo of repeated facts.
// Limits:    256 KiB a file, 4 MiB and 10,000 policies in all.
// Errors:    compile returns every problem found, at least one. decide cannot fail: it denies.
// Closed:    no policies: everything is denied. A policy that fails to evaluate, permit or forbid,
//            makes the decision a deny with `error`, also where Cedar alone would skip it.
//
// Annotations: @id("kebab-name") unique over all files; on forbid only: @ask("group") (a deny that
// an approval can lift; the policy must read context.approval), @for_task("allowed") with it,
// @step_up (a fresh proof lifts it; must read context.request.fresh_proof), @close (the task has to
// be closed); on both: @because("…"), @unless_text("…"). Any other name is a problem.
class PolicySet {
 public:
  using Compiled = std::expected<PolicySet, std::vector<PolicyProblem>>;
  static Compiled compile(const std::vector<PolicyFile>& files, const Vocabulary& known = {});

  Decision decide(const Facts& facts) const;
  // The same without the memo and with every fact handed over: the slow truth that tests compare.
  Decision decide_plainly(const Facts& facts) const;

  // In the order of the files.
  const std::vector<PolicyInfo>& policies() const;
  const PolicyInfo* find(std::string_view id) const;  // nullptr: none
  // The facts that some policy can read, as paths: "approval.granted", "task.environment", …
  std::vector<std::string> reads() const;

 private:
  friend struct Inside;
  struct Impl;
  explicit PolicySet(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

// The decision in plain words for `stint why`: outcome, each policy with its @because, the facts
// that it read with their values, and what would have to change. Several lines, ends with '\n'.
std::string explain(const PolicySet& set, const Facts& facts, const Decision& decision);

// The schema that policies are checked against: the text of schema/stint.cedarschema.
std::string_view schema_text();

}  // namespace stint::policy
