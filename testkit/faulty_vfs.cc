#include "stint/testkit/faulty_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "stint/testkit/seeded_entropy.h"

namespace stint::testkit {
namespace {

constexpr std::size_t kSector = 512;

// A write or, with no bytes, a truncation to `offset`, that was not synced yet.
struct Pending {
  std::size_t offset;
  std::optional<std::string> bytes;
};

void apply(std::string& image, std::size_t offset, std::string_view bytes) {
  if (image.size() < offset + bytes.size()) image.resize(offset + bytes.size());
  image.replace(offset, bytes.size(), bytes);
}

struct Image {
  FaultyVfs::Where where;
  std::string durable;
  std::vector<Pending> pending;

  void sync() {
    for (const Pending& p : pending) {
      if (p.bytes)
        apply(durable, p.offset, *p.bytes);
      else
        durable.resize(p.offset);
    }
    pending.clear();
  }

  // Each thing not synced may or may not have reached the disk, in any order, sector by sector.
  std::string survivor(SeededEntropy& dice) const {
    std::string image = durable;
    const unsigned chance = random_bytes<1>(dice)[0] % 5;  // of 4: nothing … everything
    const auto roll = [&] { return random_bytes<1>(dice)[0] % 4 < chance; };
    for (const Pending& p : pending) {
      if (!p.bytes) {
        if (roll()) image.resize(p.offset);
        continue;
      }
      for (std::size_t at = 0; at < p.bytes->size(); at += kSector) {
        if (roll()) apply(image, p.offset + at, std::string_view(*p.bytes).substr(at, kSector));
      }
    }
    return image;
  }
};

}  // namespace

struct FaultyVfs::Impl {
  struct Plan {
    Op op;
    Fault fault;
    Where where;
    std::uint64_t after, times;
  };

  std::string name;
  sqlite3_vfs vfs{};
  sqlite3_vfs* real = nullptr;
  std::recursive_mutex mutex;
  std::optional<Plan> plan;
  std::uint64_t injected = 0, syncs = 0, calls = 0, countdown = 0;
  std::function<void()> then;
  std::map<std::string, Image> images;

  // Zero, or the SQLite code to give instead of doing it.
  int before(Op op, Where where) {
    if (op == Op::kWrite || op == Op::kSync || op == Op::kTruncate) {
      ++calls;
      if (countdown > 0 && --countdown == 0) std::exchange(then, nullptr)();
    }
    if (!plan || plan->op != op) return SQLITE_OK;
    if (plan->where != Where::kAny && plan->where != where) return SQLITE_OK;
    if (plan->after > 0) {
      --plan->after;
      return SQLITE_OK;
    }
    if (plan->times == 0) return SQLITE_OK;
    --plan->times;
    ++injected;
    switch (plan->fault) {
      case Fault::kDiskFull:
        return SQLITE_FULL;
      case Fault::kReadOnly:
        return SQLITE_READONLY;
      case Fault::kInputOutput:
        break;
    }
    switch (op) {
      case Op::kRead:
        return SQLITE_IOERR_READ;
      case Op::kWrite:
        return SQLITE_IOERR_WRITE;
      case Op::kSync:
        return SQLITE_IOERR_FSYNC;
      case Op::kTruncate:
        return SQLITE_IOERR_TRUNCATE;
      case Op::kOpen:
        return SQLITE_CANTOPEN;
    }
    return SQLITE_IOERR;
  }
};

namespace {

// SQLite gives the memory; the real file stands behind it.
struct File {
  sqlite3_file base;
  FaultyVfs::Impl* owner;
  Image* image;  // null: not followed (temporary files)
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

File& as_file(sqlite3_file* f) { return *reinterpret_cast<File*>(f); }
FaultyVfs::Impl& as_impl(sqlite3_vfs* v) { return *static_cast<FaultyVfs::Impl*>(v->pAppData); }
FaultyVfs::Where where(const File& f) {
  return f.image == nullptr ? FaultyVfs::Where::kAny : f.image->where;
}

int close_file(sqlite3_file* f) { return as_file(f).real()->pMethods->xClose(as_file(f).real()); }

int read_file(sqlite3_file* f, void* to, int size, sqlite3_int64 offset) {
  File& file = as_file(f);
  const std::lock_guard lock(file.owner->mutex);
  if (const int code = file.owner->before(FaultyVfs::Op::kRead, where(file)); code != SQLITE_OK) {
    return code;
  }
  return file.real()->pMethods->xRead(file.real(), to, size, offset);
}

int write_file(sqlite3_file* f, const void* from, int size, sqlite3_int64 offset) {
  File& file = as_file(f);
  const std::lock_guard lock(file.owner->mutex);
  if (const int code = file.owner->before(FaultyVfs::Op::kWrite, where(file)); code != SQLITE_OK) {
    return code;
  }
  if (file.image != nullptr) {
    file.image->pending.push_back(
        {static_cast<std::size_t>(offset),
         std::string(static_cast<const char*>(from), static_cast<std::size_t>(size))});
  }
  return file.real()->pMethods->xWrite(file.real(), from, size, offset);
}

int truncate_file(sqlite3_file* f, sqlite3_int64 size) {
  File& file = as_file(f);
  const std::lock_guard lock(file.owner->mutex);
  if (const int code = file.owner->before(FaultyVfs::Op::kTruncate, where(file));
      code != SQLITE_OK) {
    return code;
  }
  if (file.image != nullptr) {
    file.image->pending.push_back({static_cast<std::size_t>(size), std::nullopt});
  }
  return file.real()->pMethods->xTruncate(file.real(), size);
}

// The real sync is left out: the image is what the tests call durable, and they run faster.
int sync_file(sqlite3_file* f, int) {
  File& file = as_file(f);
  const std::lock_guard lock(file.owner->mutex);
  if (const int code = file.owner->before(FaultyVfs::Op::kSync, where(file)); code != SQLITE_OK) {
    // A failed fsync leaves its pages clean in the kernel's eyes: a later fsync reports success and
    // does not write them. They reach this disk only by being written again.
    if (file.image != nullptr) file.image->pending.clear();
    return code;
  }
  if (file.image != nullptr) {
    file.image->sync();
    if (file.image->where == FaultyVfs::Where::kLog) ++file.owner->syncs;
  }
  return SQLITE_OK;
}

int file_size(sqlite3_file* f, sqlite3_int64* size) {
  return as_file(f).real()->pMethods->xFileSize(as_file(f).real(), size);
}
int lock_file(sqlite3_file* f, int level) {
  return as_file(f).real()->pMethods->xLock(as_file(f).real(), level);
}
int unlock_file(sqlite3_file* f, int level) {
  return as_file(f).real()->pMethods->xUnlock(as_file(f).real(), level);
}
int check_reserved(sqlite3_file* f, int* out) {
  return as_file(f).real()->pMethods->xCheckReservedLock(as_file(f).real(), out);
}
int file_control(sqlite3_file* f, int op, void* arg) {
  return as_file(f).real()->pMethods->xFileControl(as_file(f).real(), op, arg);
}
int sector_size(sqlite3_file*) { return kSector; }
// As the default VFS: no promise of order or atomicity, but a write damages no byte beside it.
// Without that SQLite pads a commit to the sector after its fsync, and a later fsync that fails may
// then take acknowledged frames along.
int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }
int shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return as_file(f).real()->pMethods->xShmMap(as_file(f).real(), page, size, extend, out);
}
int shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  return as_file(f).real()->pMethods->xShmLock(as_file(f).real(), offset, n, flags);
}
void shm_barrier(sqlite3_file* f) { as_file(f).real()->pMethods->xShmBarrier(as_file(f).real()); }
int shm_unmap(sqlite3_file* f, int remove) {
  return as_file(f).real()->pMethods->xShmUnmap(as_file(f).real(), remove);
}

constexpr sqlite3_io_methods kMethods = {
    2,         close_file,  read_file,      write_file,   truncate_file, sync_file,       file_size,
    lock_file, unlock_file, check_reserved, file_control, sector_size,   characteristics, shm_map,
    shm_lock,  shm_barrier, shm_unmap,      nullptr,      nullptr};

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

int open_file(sqlite3_vfs* vfs, const char* path, sqlite3_file* f, int flags, int* out_flags) {
  FaultyVfs::Impl& impl = as_impl(vfs);
  File* file = new (f) File{};
  const std::lock_guard lock(impl.mutex);
  const bool log = (flags & SQLITE_OPEN_WAL) != 0;
  const bool followed = path != nullptr && (log || (flags & SQLITE_OPEN_MAIN_DB) != 0);
  const auto kind = log ? FaultyVfs::Where::kLog : FaultyVfs::Where::kDatabase;
  if (followed) {
    if (const int code = impl.before(FaultyVfs::Op::kOpen, kind); code != SQLITE_OK) return code;
  }
  const int code = impl.real->xOpen(impl.real, path, file->real(), flags, out_flags);
  if (code != SQLITE_OK) return code;
  file->owner = &impl;
  if (followed) {
    const auto [at, fresh] = impl.images.try_emplace(path, Image{kind, {}, {}});
    if (fresh) at->second.durable = contents(path);  // what was there before us is on the disk
    file->image = &at->second;
  }
  file->base.pMethods = &kMethods;
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs* vfs, const char* path, int sync) {
  FaultyVfs::Impl& impl = as_impl(vfs);
  const std::lock_guard lock(impl.mutex);
  if (const auto at = impl.images.find(path); at != impl.images.end()) {
    at->second.durable.clear();
    at->second.pending.clear();
  }
  return impl.real->xDelete(impl.real, path, sync);
}

template <auto Method>
struct Forward;
template <class... A, int (*sqlite3_vfs::*Method)(sqlite3_vfs*, A...)>
struct Forward<Method> {
  static int call(sqlite3_vfs* vfs, A... a) {
    sqlite3_vfs* real = as_impl(vfs).real;
    return (real->*Method)(real, a...);
  }
};

}  // namespace

FaultyVfs::FaultyVfs(std::string name) : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
  impl_->real = sqlite3_vfs_find(nullptr);
  sqlite3_vfs& v = impl_->vfs;
  v.iVersion = 2;
  v.szOsFile = static_cast<int>(sizeof(File)) + impl_->real->szOsFile;
  v.mxPathname = impl_->real->mxPathname;
  v.zName = impl_->name.c_str();
  v.pAppData = impl_.get();
  v.xOpen = open_file;
  v.xDelete = delete_file;
  v.xAccess = Forward<&sqlite3_vfs::xAccess>::call;
  v.xFullPathname = Forward<&sqlite3_vfs::xFullPathname>::call;
  v.xRandomness = Forward<&sqlite3_vfs::xRandomness>::call;
  v.xSleep = Forward<&sqlite3_vfs::xSleep>::call;
  v.xCurrentTime = Forward<&sqlite3_vfs::xCurrentTime>::call;
  v.xGetLastError = Forward<&sqlite3_vfs::xGetLastError>::call;
  v.xCurrentTimeInt64 = Forward<&sqlite3_vfs::xCurrentTimeInt64>::call;
  sqlite3_vfs_register(&v, 0);
}

FaultyVfs::~FaultyVfs() { sqlite3_vfs_unregister(&impl_->vfs); }

const std::string& FaultyVfs::name() const { return impl_->name; }

void FaultyVfs::fail(Op op, Fault fault, Where where, std::uint64_t after, std::uint64_t times) {
  const std::lock_guard lock(impl_->mutex);
  impl_->plan = Impl::Plan{op, fault, where, after, times};
}

void FaultyVfs::clear() {
  const std::lock_guard lock(impl_->mutex);
  impl_->plan.reset();
}

std::uint64_t FaultyVfs::injected() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->injected;
}

std::uint64_t FaultyVfs::syncs() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->syncs;
}

std::uint64_t FaultyVfs::calls() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->calls;
}

void FaultyVfs::at_call(std::uint64_t n, std::function<void()> then) {
  const std::lock_guard lock(impl_->mutex);
  impl_->countdown = n;
  impl_->then = std::move(then);
}

void FaultyVfs::lose_power_into(const std::string& target, std::uint64_t seed) {
  const std::lock_guard lock(impl_->mutex);
  SeededEntropy dice(seed);
  for (const auto& [path, image] : impl_->images) {
    const std::string to = image.where == Where::kLog ? target + "-wal" : target;
    const std::string bytes = image.survivor(dice);
    std::ofstream(to, std::ios::binary | std::ios::trunc)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
}

void FaultyVfs::forget() {
  const std::lock_guard lock(impl_->mutex);
  impl_->images.clear();
}

}  // namespace stint::testkit
