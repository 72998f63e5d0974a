#pragma once

#include <libpq-fe.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "stint/base/error.h"
#include "stint/store/store.h"

namespace stint::store {

// Where a PostgreSQL database is, and how it is reached, checked. Immutable; any thread.
class PostgresTarget {
 public:
  // Errors: kMalformed (not a URL of this kind; a password in it), kUnsupported (a connection to
  // another machine that is not verified).
  static Result<PostgresTarget> parse(const PostgresOptions& options);

  // Begins to connect: PQconnectStartParams. Null: out of memory.
  PGconn* start() const;

 private:
  PostgresTarget() = default;
  std::vector<std::pair<std::string, std::string>> words_;  // libpq's, the URL first
  std::shared_ptr<const Secret> password_;
};

}  // namespace stint::store
