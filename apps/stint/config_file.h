#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "context.h"
#include "stint/resource/config.h"

namespace stint::cli {

// Which of this process's STINT_SECTION__KEY variables count.
enum class Variables : std::uint8_t { kAll, kNotOfTheRootKey };

// The service's configuration: `path` ("": none), and over it the variables. Problems are said,
// each on its line (--json: as one object); returned is how the verb ends: kUsage, or kRefused for
// a file that cannot be read.
std::expected<resource::Config, Exit> load_config(const Context& ctx, const std::string& path,
                                                  Variables variables, bool as_json);

}  // namespace stint::cli
