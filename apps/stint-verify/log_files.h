#pragma once

#include <filesystem>
#include <string>

#include "stint/base/error.h"

namespace stint::verify {

// A whole file of at most `limit` bytes. Errors: kNotFound "file absent", kTooLarge "file too
// large", kIo "file cannot be read" (also when it is not a regular file).
Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit);

// The largest file of a log: a full bundle of the longest entries.
inline constexpr std::size_t kMaxLogFile = 256 * (2 + 65'535);

}  // namespace stint::verify
