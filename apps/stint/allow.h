#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "failure.h"
#include "stint/domain/grant.h"

namespace stint::cli {

// What `--allow` says: UPSTREAM:ACTION[,ACTION…][=RESOURCE[,RESOURCE…]], as
//   git:git.fetch,git.push=team/app.git     helpdesk:ticket.read
// Several options for one upstream with the same resources become one grant. Errors: usage, with
// what is wrong.
Outcome<std::vector<domain::Grant>> parse_allow(const std::vector<std::string>& texts);

// "90", "90s", "30m", "2h", "1d": a number of seconds, more than 0. Errors: usage.
Outcome<std::int64_t> parse_duration(std::string_view text, std::string_view option);

}  // namespace stint::cli
