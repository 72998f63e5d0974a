#pragma once

#include <memory>
#include <span>

#include "database.h"
#include "stint/store/store.h"

namespace stint::store {

// The place that a backup goes into: one transaction, from begin() to commit(). Destroyed before
// that, nothing is left of it.
//
// Threads: one. Errors: of restore(), and the database's.
class RestoreTarget {
 public:
  static Result<std::unique_ptr<RestoreTarget>> of(const Options& to, const Clock& clock);
  virtual ~RestoreTarget() = default;

  // Makes the tables of version `schema`, which hold nothing then.
  virtual Status begin(std::int64_t schema) = 0;
  // One row. Its error may come with a later call.
  virtual Status put(Sql insert, std::span<const Param> row) = 0;
  // All rows are in, and may be read.
  virtual Status rows_are_in() = 0;
  // Brings the tables from version `schema` to the present one.
  virtual Status migrate(std::int64_t schema) = 0;
  // For commands. Not its begin(), commit() and abandon().
  virtual WriteConnection& connection() = 0;
  virtual Status commit() = 0;
};

Result<std::unique_ptr<RestoreTarget>> restore_to_file(const Options& to);
Result<std::unique_ptr<RestoreTarget>> restore_to_postgres(const PostgresOptions& to,
                                                           const Clock& clock);

}  // namespace stint::store
