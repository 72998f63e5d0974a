#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace stint::testkit {

// A SQLite VFS over the default one that fails on demand and knows what a loss of power would
// leave. Registered under its own name for its lifetime; open databases with that name, and close
// them first.
//
// Threads: any. Not to be used for shared memory faults: those calls go through untouched.
class FaultyVfs {
 public:
  enum class Op : std::uint8_t { kRead, kWrite, kSync, kTruncate, kOpen };
  enum class Fault : std::uint8_t { kDiskFull, kInputOutput, kReadOnly };
  // Which files: the database itself, its write-ahead log, or both.
  enum class Where : std::uint8_t { kDatabase, kLog, kAny };

  explicit FaultyVfs(std::string name);
  ~FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  const std::string& name() const;

  // Lets `after` such calls pass, then fails `times` of them (default: until clear()).
  void fail(Op op, Fault fault, Where where = Where::kAny, std::uint64_t after = 0,
            std::uint64_t times = ~std::uint64_t{0});
  void clear();
  std::uint64_t injected() const;  // failures that were given: a test asserts that it met one
  std::uint64_t syncs() const;     // of the log
  std::uint64_t calls() const;     // writes, syncs and truncates seen

  // Runs `then` once, before the `n`th write, sync or truncate from now on, while every other call
  // waits: what is acknowledged then must outlive the power.
  void at_call(std::uint64_t n, std::function<void()> then);

  // What the disk may hold if the power goes now: of each file all that was synced, and of what was
  // not, a part that `seed` picks, whole or torn at 512 bytes. Copies database and log to `target`
  // (and `target`-wal). May be called inside at_call()'s function.
  void lose_power_into(const std::string& target, std::uint64_t seed);

  // Forgets the files: call it between databases, when all are closed.
  void forget();

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace stint::testkit
