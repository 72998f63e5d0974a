#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/error.h"

namespace stint::domain {

// One thing that a task may do: actions on one upstream, perhaps only on some of its resources.
// Wire form: an RFC 9396 authorization_details object of type "stint_grant".
struct Grant {
  std::string upstream;
  std::vector<std::string> actions;    // sorted, unique, never empty
  std::vector<std::string> resources;  // sorted, unique; empty: every resource of the upstream.
                                       // "team/app.git" is that one; "team/*" all below "team/"
  bool exclusive = false;              // the task's reference may be bound to one open task only
  bool operator==(const Grant&) const = default;
};

struct GrantLimits {
  std::size_t grants = 32, actions = 64, resources = 64, resource_bytes = 256;
};

// Sorts, removes doubles, merges nothing; refuses empty actions, bad names, too many, and resources
// with empty, "." or ".." segments, control characters or "*" elsewhere than as last segment.
// Errors: kMalformed, kTooLarge.
Result<std::vector<Grant>> normalise(std::vector<Grant> grants, const GrantLimits& limits = {});

// Whether `pattern` (exact or "prefix/*") covers `resource` (which may itself be a pattern).
bool covers(std::string_view pattern, std::string_view resource);

// Whether any grant allows the action on the resource. An empty `resource` is covered only by a
// grant for every resource.
bool allows(std::span<const Grant> grants, std::string_view upstream, std::string_view action,
            std::string_view resource);

// Whether all that `narrow` may do, `wide` may do too: rule 3, and narrowing on refresh.
bool within(std::span<const Grant> narrow, std::span<const Grant> wide);

}  // namespace stint::domain
