#pragma once

#include <libpq-fe.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "database.h"

namespace stint::store {

class PgSession;

struct PgFree {
  void operator()(PGresult* r) const { PQclear(r); }
  void operator()(PGconn* c) const { PQfinish(c); }
};
using PgResult = std::unique_ptr<PGresult, PgFree>;

// A prepared statement of one session, and the rows of its last run.
class PgStatement final : public Cursor {
 public:
  // What the text says: a command may read anything, and change rows of every table but the log's.
  enum class Does : std::uint8_t { kReads, kChangesBookkeeping, kChangesState, kWritesLog, kOther };
  static Does does(std::string_view sql);
  // The table that it changes; "" of one that changes none, or of kOther.
  static std::string_view changes(std::string_view sql);

  Result<bool> next() override;
  ColumnType type(int column) const override;
  std::int64_t integer(int column) const override;
  std::string_view bytes(int column) const override;

 private:
  friend class PgSession;
  std::string name;
  Does doing = Does::kOther;
  std::string_view changing;  // the table of changes()
  std::vector<Oid> types;     // of its parameters, as the server inferred them
  PgResult rows;              // null: not under way
  int at = -1, count = 0;
};

// A parameter in the form that the server takes for its type. Borrows text and bytes.
struct PgBound {
  // Errors: kInternal "statement parameters", a value that the type does not take; kTooLarge.
  Status bind(Oid type, const Param& p);

  std::array<char, 8> number{};
  const char* data = nullptr;  // null: NULL
  int size = 0;
};

}  // namespace stint::store
