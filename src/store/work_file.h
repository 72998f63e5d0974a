#pragma once

#include <string>

#include "stint/base/error.h"

namespace stint::store {

// A file in the making: under a name of its own until it is whole, and gone when that never comes.
// A name that a killed process left behind is taken over; one that is being written is not.
//
// Threads: one. Blocking: on the disk.
class WorkFile {
 public:
  // `name`: of the finished file; `suffix`: beside it until then. Mode 0600.
  // Errors: kConflict "another process is writing this file"; kStorageFull, kReadOnly, kIo.
  static Result<WorkFile> make(std::string name, const std::string& suffix);
  WorkFile(WorkFile&& o) noexcept;
  ~WorkFile();

  const std::string& path() const { return path_; }  // of the unfinished one
  // At the end of what is there.
  Status append(std::string_view bytes);
  // Onto the disk, file and name; never over another. Errors: kConflict "there is a file of this
  // name already"; kStorageFull, kIo.
  Status finish();

 private:
  WorkFile(std::string name, std::string path, int fd)
      : name_(std::move(name)), path_(std::move(path)), fd_(fd) {}
  std::string name_, path_;
  int fd_;
};

}  // namespace stint::store
