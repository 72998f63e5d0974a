#include "log_files.h"

#include <fstream>

namespace stint::verify {

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return fail(Errc::kNotFound, "file absent");
  if (!std::filesystem::is_regular_file(status)) return fail(Errc::kIo, "file cannot be read");
  const auto size = std::filesystem::file_size(path, error);
  if (error) return fail(Errc::kIo, "file cannot be read");
  if (size > limit) return fail(Errc::kTooLarge, "file too large");
  std::ifstream in(path, std::ios::binary);
  std::string bytes(size, '\0');
  if (!in.read(bytes.data(), static_cast<std::streamsize>(size))) {
    return fail(Errc::kIo, "file cannot be read");
  }
  return bytes;
}

}  // namespace stint::verify
