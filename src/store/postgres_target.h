#pragma once

#include <libpq-fe.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "stint/base/error.h"
#include "stint/store/store.h"

namespace stint::store {

// Where a PostgreSQL database is, and how it is reached, checked. Any thread; but for which host
// was well, immutable.
class PostgresTarget {
 public:
  // Errors: kMalformed (not a URL of this kind; a password in it), kUnsupported (a connection to
  // another machine that is not verified). The environment counts (PGHOST, PGSERVICE and so on),
  // as it does for libpq: what is checked is where the connection goes.
  static Result<PostgresTarget> parse(const PostgresOptions& options);

  // Of the URL, in its order: at least one.
  std::size_t hosts() const { return hosts_.size(); }
  // The one that was well last, which is asked before the others.
  std::size_t preferred() const { return *preferred_; }
  void prefer(std::size_t host) const { *preferred_ = host; }
  // Begins to connect to one of them: PQconnectStartParams. Null: out of memory.
  PGconn* start(std::size_t host) const;

 private:
  struct Host {
    std::string name, address, port;  // as libpq's host, hostaddr and port; empty: its default
  };
  PostgresTarget() = default;
  std::vector<Host> hosts_;
  std::shared_ptr<std::atomic<std::size_t>> preferred_ =
      std::make_shared<std::atomic<std::size_t>>(0);
  std::vector<std::pair<std::string, std::string>> words_;  // libpq's, of every host
  std::shared_ptr<const Secret> password_;
};

}  // namespace stint::store
