#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "client.h"

namespace stint::cli {

// STINT_TASK, STINT_URL_<UPSTREAM> for each, and for git upstreams what makes plain `git clone
// <upstream's URL>` go to the relay: GIT_CONFIG_COUNT/KEY/VALUE (after those inherited) with
// url.<relay>.insteadOf, and GIT_TERMINAL_PROMPT=0. Also NO_PROXY, since the relay is on loopback.
using RelayUrl = std::function<std::string(std::string_view upstream)>;
std::vector<std::string> child_variables(std::string_view task,
                                         const std::vector<UpstreamAddress>& upstreams,
                                         const RelayUrl& relay,
                                         const std::vector<std::string>& inherited);

// "help-desk.eu" -> "HELP_DESK_EU".
std::string variable_name(std::string_view upstream);

}  // namespace stint::cli
