#pragma once

#include <string>
#include <vector>

#include "listing.h"

namespace stint::cli {

// `list` and `show` of one kind of declared resource: GET /v1/<plural> and /v1/<plural>/NAME.
void add_list_and_show(CLI::App& app, const char* plural, Context& ctx,
                       const std::vector<std::string>& columns);

}  // namespace stint::cli
