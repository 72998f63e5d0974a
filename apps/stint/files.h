#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "failure.h"
#include "stint/base/error.h"
#include "stint/base/secret.h"

namespace stint::cli {

// The whole of a regular file or, for "-", of stdin. Errors: kNotFound, kTooLarge, kIo,
// kWrongType (a directory).
Result<std::string> read_file(const std::string& path, std::size_t limit);

// The same for a file with a secret: refused when others than its owner may read it.
// Errors: also kDenied.
Result<std::string> read_private_file(const std::string& path, std::size_t limit);

// One line of standard input without its line feed, byte by byte: what follows is somebody else's.
// Errors: kMissing "nothing was given", kTooLarge, kIo.
Result<Secret> read_secret_line_of_stdin(std::size_t limit);

// A file as one line, without the line feeds at its end. Errors: of read_private_file(); of
// read_file() when `loaded`: by a service manager, for us alone, whatever its mode says.
Result<Secret> read_secret_line(const std::string& path, bool loaded, std::size_t limit);

// Written beside and moved over, so that a reader sees the old or the new. Errors: kIo.
Status write_file(const std::string& path, std::string_view bytes, unsigned mode);

// Overwrites what the text holds, its whole capacity, and empties it.
void wipe(std::string& text);

// Wipes a text when its scope ends.
class WipeAtEnd {
 public:
  explicit WipeAtEnd(std::string& text) : text_(text) {}
  ~WipeAtEnd() { wipe(text_); }
  WipeAtEnd(const WipeAtEnd&) = delete;
  WipeAtEnd& operator=(const WipeAtEnd&) = delete;

 private:
  std::string& text_;
};

std::string environment(const char* name, std::string_view otherwise = "");
std::string join_path(std::string_view directory, std::string_view name);

}  // namespace stint::cli
