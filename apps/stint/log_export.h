#pragma once

#include <cstdint>
#include <string>

#include "remote.h"
#include "stint/base/error.h"

namespace stint::cli {

// The size that the log's present checkpoint signs for; 0 before the first.
Outcome<std::uint64_t> checkpoint_size(const Remote& remote);

// A file of /log/ for audit::LogCheck. Errors: kNotFound, kIo.
Result<std::string> read_log_file(const Remote& remote, const std::string& path);

struct Exported {
  std::uint64_t size = 0;
  std::size_t files = 0;
};
// Writes checkpoint, tile/… and tile/entries/… of the log as the checkpoint stands now. What is
// there and never changes (full tiles) is kept, so a second export only adds.
Outcome<Exported> export_to(const Remote& remote, const std::string& directory);

// Writes directory/path, making what is above it.
Outcome<void> write_export(const std::string& directory, const std::string& path,
                           std::string_view bytes);

}  // namespace stint::cli
