#include "work_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

namespace stint::store {
namespace {

std::unexpected<Error> failed() {
  if (errno == ENOSPC || errno == EDQUOT) return fail(Errc::kStorageFull, "disk full");
  if (errno == EROFS || errno == EACCES)
    return fail(Errc::kReadOnly, "the directory may not be written");
  return fail(Errc::kIo, "the file cannot be written");
}

bool sync_directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  if (fd >= 0) ::close(fd);
  return synced;
}

}  // namespace

Result<WorkFile> WorkFile::make(std::string name, const std::string& suffix) {
  std::string path = name + suffix;
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return failed();
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return fail(Errc::kConflict, "another process is writing this file");
  }
  WorkFile file(std::move(name), std::move(path), fd);
  // What stood there is another's no more: it is ours, whatever its mode was.
  if (::fchmod(fd, 0600) != 0 || ::ftruncate(fd, 0) != 0) return failed();
  return file;
}

WorkFile::WorkFile(WorkFile&& o) noexcept
    : name_(std::move(o.name_)), path_(std::move(o.path_)), fd_(std::exchange(o.fd_, -1)) {}

WorkFile::~WorkFile() {
  if (fd_ < 0) return;
  if (!path_.empty()) ::unlink(path_.c_str());
  ::close(fd_);
}

Status WorkFile::append(std::string_view bytes) {
  if (::lseek(fd_, 0, SEEK_END) < 0) return failed();
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return failed();
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Status WorkFile::finish() {
  if (::fsync(fd_) != 0) return failed();
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, name_.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) return fail(Errc::kConflict, "there is a file of this name already");
    return failed();
  }
  path_.clear();  // it is not ours to remove any more
  if (!sync_directory_of(name_)) return failed();
  return {};
}

}  // namespace stint::store
