#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/store/log_publisher.h"
#include "stint/store/store.h"

// Backups of a store (docs/adr/0018): one file, the same whatever database it was taken from, that
// goes into either. It is a SQLite file with every row of one snapshot, what the backup says of
// itself, and a last line with the SHA-256 of all before it. Secrets in it are sealed as at rest.
namespace stint::store {

// What a backup says of itself.
struct BackupInfo {
  std::int64_t schema = 0;  // version of the tables
  std::string version;      // of the program that wrote it
  std::string issuer;       // "" when the configuration names none
  std::string database;     // "sqlite" or "postgresql": where it comes from
  WallTime taken;
  Seq size = 0;                             // of the log
  Hash root{};                              // of all of it
  std::optional<CheckpointRow> checkpoint;  // the last one that was signed
  std::string log_key;                      // C2SP verifier key; "" before the first start
  std::uint64_t rows = 0;
};

struct BackupOrder {
  std::string version, issuer;
};

// Takes a backup of a store that others may be writing to: reads one snapshot, row by row, and
// holds nobody up. `to` gets its name once the file was synced and read back whole; until then it
// is `to`.part, mode 0600, which a later backup writes over. No store is made or migrated.
//
// Blocking: on both. Memory: one page of rows.
// Errors:  kConflict "there is a file of this name already: a backup is never written over",
//          "another backup is writing this file"; kNotFound "there is no store to back up";
//          kUnsupported for a store of another version; kInternal "the log in the store is
//          damaged"; kStorageFull, kIo; the database's.
Result<BackupInfo> backup(const Options& from, const std::string& to, const BackupOrder& order,
                          const Clock& clock);

// A backup that was checked.
//
// Threads: one at a time.
class Archive {
 public:
  // Reads all of it: the last line, the tables against those of their version, every row against
  // the digests, each event against its leaf and all leaves against the root, the checkpoint's root
  // and signature. Writes nothing.
  // Errors: kNotFound "there is no such backup"; kMalformed "not a backup, or one that was cut
  //         short"; kInternal "the backup is damaged", "the log in the backup is damaged", "the
  //         backup's checkpoint does not fit its log"; kUnsupported "the backup is of a newer
  //         version: restore it with that version".
  static Result<Archive> open(const std::string& path);
  Archive(Archive&&) noexcept;
  ~Archive();

  const BackupInfo& info() const;

  // As Store::read(). The tables are those of info().schema.
  template <class F>
  auto read(F f) -> Result<detail::ValueOf<F, Reader>> {
    using T = detail::ValueOf<F, Reader>;
    std::optional<Result<T>> result;
    if (const Status s = with_reader([&](Reader& r) { result = detail::call<T>(f, r); }); !s)
      return fail(s.error());
    return std::move(*result);
  }

  struct State;  // the store's own

 private:
  friend class Restoring;
  explicit Archive(std::unique_ptr<State> state);
  Status with_reader(const std::function<void(Reader&)>& f);
  std::unique_ptr<State> state_;
};

// Called with the restored rows in the present schema, in the transaction that made them, again and
// again while it returns true: what it appends is written in between, so that its memory is bounded
// by its steps. An error of it restores nothing.
using RestoreStep = std::function<Result<bool>(Tx& tx)>;

// Makes a store of a backup, in a place where none is: a path without a file, a PostgreSQL database
// (the search path's first schema) without a table. One transaction, at whose end everything stands
// or nothing does; a file gets its name last. Rows are read back and compared with the backup's
// digests before `step` sees them.
//
// Errors: kConflict "there is a store already: a backup is restored into a new place", "the
//         database is not empty: a backup is restored into a new one", "another restore is writing
//         this file"; kInternal "what was written is not what the backup holds"; step's; the
//         database's.
Status restore(Archive& from, const Options& to, const Clock& clock, const RestoreStep& step);

}  // namespace stint::store
