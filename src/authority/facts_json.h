#pragma once

#include "stint/audit/canonical.h"
#include "stint/policy/facts.h"

namespace stint::authority {

// The facts of a decision as they stand in its event, and back: `stint why` explains with the facts
// of then. What the event says in members of its own (action, resource, upstream, agent, …) is said
// here too, so that the object is whole.
audit::Canonical facts_to_json(const policy::Facts& facts);
Result<policy::Facts> facts_from_json(std::string_view text);

}  // namespace stint::authority
