#include "files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

namespace stint::cli {
namespace {

constexpr std::size_t kHeap = 64;  // more than a string keeps in itself

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ > STDERR_FILENO) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

Result<std::string> read_all(int fd, std::size_t limit, std::size_t expected) {
  std::string out;
  // In one piece, since growth leaves copies behind; and on the heap, since moving a text that is
  // not leaves one too.
  out.reserve(std::max(kHeap, std::min(limit, expected) + 1));
  char buffer[16 * 1024];
  std::optional<Error> error;
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) break;
    if (n < 0) {
      error = Error{Errc::kIo, "file cannot be read"};
    } else if (out.size() + static_cast<std::size_t>(n) > limit) {
      error = Error{Errc::kTooLarge, "file is too large"};
    } else {
      out.append(buffer, static_cast<std::size_t>(n));
    }
    if (error) break;
  }
  ::explicit_bzero(buffer, sizeof buffer);
  if (!error) return out;
  wipe(out);
  return fail(*error);
}

Result<std::string> read_checked(const std::string& path, std::size_t limit, bool secret) {
  if (path == "-") return read_all(STDIN_FILENO, limit, limit);
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (file.fd() < 0)
    return errno == ENOENT ? Result<std::string>(fail(Errc::kNotFound, "there is no such file"))
                           : Result<std::string>(fail(Errc::kIo, "file cannot be opened"));
  struct stat s{};
  if (::fstat(file.fd(), &s) != 0) return fail(Errc::kIo, "file cannot be read");
  if (S_ISDIR(s.st_mode)) return fail(Errc::kWrongType, "it is a directory");
  if (secret && S_ISREG(s.st_mode) && (s.st_mode & 077) != 0)
    return fail(Errc::kDenied, "others may read the file: chmod 600");
  return read_all(file.fd(), limit, static_cast<std::size_t>(std::max<off_t>(s.st_size, 0)));
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  return read_checked(path, limit, false);
}

Result<std::string> read_private_file(const std::string& path, std::size_t limit) {
  return read_checked(path, limit, true);
}

Result<Secret> read_secret_line(const std::string& path, bool loaded, std::size_t limit) {
  auto text = read_checked(path, limit, !loaded);
  if (!text) return fail(text.error());
  while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
  return Secret(*std::move(text));
}

Result<Secret> read_secret_line_of_stdin(std::size_t limit) {
  std::string out;
  out.reserve(limit + 1);  // in one piece: growth leaves copies behind
  const WipeAtEnd wiped(out);
  for (;;) {
    char c = 0;
    const ssize_t n = ::read(STDIN_FILENO, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Errc::kIo, "file cannot be read");
    if (n == 0 && out.empty()) return fail(Errc::kMissing, "nothing was given");
    if (n == 0 || c == '\n') return Secret(std::move(out));
    if (out.size() == limit) return fail(Errc::kTooLarge, "file is too large");
    out.push_back(c);
  }
}

Status write_file(const std::string& path, std::string_view bytes, unsigned mode) {
  const std::string beside = path + ".new";
  {
    const File file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                           static_cast<mode_t>(mode)));
    if (file.fd() < 0) return fail(Errc::kIo, "file cannot be created");
    while (!bytes.empty()) {
      const ssize_t n = ::write(file.fd(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail(Errc::kIo, "file cannot be written");
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  if (::rename(beside.c_str(), path.c_str()) != 0) return fail(Errc::kIo, "file cannot be moved");
  return {};
}

void wipe(std::string& text) {
  text.resize(text.capacity());
  ::explicit_bzero(text.data(), text.size());
  text.clear();
}

std::string environment(const char* name, std::string_view otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::string(otherwise) : std::string(value);
}

std::string join_path(std::string_view directory, std::string_view name) {
  std::string out(directory);
  if (!out.empty() && out.back() != '/') out.push_back('/');
  return out.append(name);
}

}  // namespace stint::cli
