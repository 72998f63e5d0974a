#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "failure.h"
#include "stint/domain/grant.h"
#include "stint/domain/task.h"

namespace stint::cli {

// What `--allow` says: UPSTREAM:ACTION[,ACTION…][=RESOURCE[,RESOURCE…]], as
//   git:git.fetch,git.push=team/app.git     helpdesk:ticket.read
// Several options for one upstream with the same resources become one grant. Errors: usage, with
// what is wrong.
Outcome<std::vector<domain::Grant>> parse_allow(const std::vector<std::string>& texts);

// "90", "90s", "30m", "2h", "1d": a number of seconds, more than 0. Errors: usage.
Outcome<std::int64_t> parse_duration(std::string_view text, std::string_view option);

// "requests=100,bytes_out=10MiB", either alone too: whole numbers more than 0, bytes with KiB, MiB
// or GiB. Errors: usage.
Outcome<domain::Budget> parse_budget(std::string_view text);

}  // namespace stint::cli
