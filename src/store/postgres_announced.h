#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "postgres_statement.h"

namespace stint::store {

// The reads of one command that were sent before anybody wanted their rows (Tx::announce), in the
// order in which their answers come.
//
// An answer is as old as the announcement: a change of a table that the read names, in between,
// takes it away, and the read is then made when it is wanted. Threads: the session's.
class PgAnnounced {
 public:
  void sent(const PgStatement& statement, std::string_view sql, std::span<const Param> parameters);
  // Of the first that has no answer yet. `rows` null: it failed.
  void answered(PgResult rows);

  // Whether this read was announced, and still counts.
  bool has(const PgStatement& statement, std::span<const Param> parameters) {
    return find(statement, parameters) != nullptr;
  }
  // Its rows; null: they did not come yet, or it failed. Once taken it is not announced any more.
  PgResult take(const PgStatement& statement, std::span<const Param> parameters);

  void changed(std::string_view table);
  void forget();  // all of them: the command is over

  // Whether `sql` reads the table: it stands behind FROM, JOIN or a comma.
  static bool reads(std::string_view sql, std::string_view table);

 private:
  struct Read {
    const PgStatement* statement;
    std::string_view sql;
    std::string parameters;
    bool counts = true, came = false;
    PgResult rows;
  };
  Read* find(const PgStatement& statement, std::span<const Param> parameters);

  std::deque<Read> reads_;
};

}  // namespace stint::store
