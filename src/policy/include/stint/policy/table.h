#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "stint/policy/decision.h"
#include "stint/policy/facts.h"
#include "stint/policy/policy_set.h"

// Tables that say what policies must decide: `policies/*_test.yaml`, `stint policy test`.
//
//   base: {action: git.fetch, class: read, granted: true}
//   rows:
//     - {name: fetch, want: permit, by: [within-grants]}
//     - {name: gone, want: deny, by: [], error: true, set: {approval: null}}
//
// A row changes `base` member by member; keys are those that policies read below `context`, with
// `agent` (principal) and `upstream` (resource) beside them; null removes human or approval.
namespace stint::policy {

struct Row {
  std::string name;
  std::size_t line = 0;
  Facts facts;
  Outcome want = Outcome::kDeny;
  std::vector<std::string> by;  // sorted
  bool error = false;
  // Checked when given.
  std::vector<std::string> approvers;
  bool check_approvers = false;
  bool check_four_eyes = false, four_eyes = false;
  bool check_step_up = false, step_up = false;
  bool check_close = false, close = false;
};

// Errors: problems with line and column, and the nearest known key.
using Table = std::expected<std::vector<Row>, std::vector<PolicyProblem>>;
Table parse_table(std::string_view file, std::string_view text);

struct RowResult {
  std::string name;
  std::size_t line = 0;
  bool passed = false;
  std::string difference;  // what was wanted and what came, in words; "" when passed
};
std::vector<RowResult> run_table(const PolicySet& set, const std::vector<Row>& rows);

}  // namespace stint::policy
