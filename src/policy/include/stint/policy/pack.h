#pragma once

#include <vector>

#include "stint/policy/policy_set.h"

namespace stint::policy {

// The policies that Stint ships (policies/*.cedar), on until an operator replaces them; sorted by
// name. Threads: any. Lives as long as the process.
const std::vector<PolicyFile>& shipped_pack();

}  // namespace stint::policy
