#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "database.h"
#include "sqlite_connection.h"
#include "stint/crypto/digest.h"

namespace stint::store {

// One table of the schema of some version, and the statements that carry its rows elsewhere: the
// same in both databases, and ordered in both by the bytes of the primary key. Names come from our
// own migrations, run in memory: a table that a migration adds is carried without a word here.
//
// Threads: any. Outlives every connection that ran one of its statements.
class TableShape {
 public:
  // In the order of their names. `version`: 1 to that of migrations().
  static Result<std::vector<std::unique_ptr<TableShape>>> all(std::int64_t version);
  TableShape(const TableShape&) = delete;

  const std::string& name() const { return name_; }
  std::size_t columns() const { return columns_; }
  const std::vector<std::size_t>& key() const { return key_; }  // columns of the primary key

  // Rows a page: bounds what PostgreSQL gives at once.
  static constexpr std::int64_t kPage = 128;
  Sql first_page() const { return {first_page_.c_str(), Sql::OfSchema{}}; }  // $1: how many
  Sql next_page() const {
    return {next_page_.c_str(), Sql::OfSchema{}};
  }  // $1, then the last row's key
  Sql insert() const { return {insert_.c_str(), Sql::OfSchema{}}; }  // all columns

 private:
  TableShape(std::string name, std::vector<std::string> columns, std::vector<std::size_t> key);
  std::string name_, first_page_, next_page_, insert_;
  std::size_t columns_;
  std::vector<std::size_t> key_;
};
using Shapes = std::vector<std::unique_ptr<TableShape>>;

// What a schema is made of, as SQLite keeps it: tables, indexes and triggers, each a line.
Result<std::string> schema_text(SqliteSession& session);
// A database in memory with the tables of a version.
Result<std::unique_ptr<SqliteSession>> schema_in_memory(std::int64_t version);

// How many rows, and SHA-256 over them in the order of their keys, whatever database holds them.
struct RowsDigest {
  std::uint64_t rows = 0;
  crypto::Digest digest{};
  bool operator==(const RowsDigest&) const = default;
};

// Every row of the table in the order of its key, page by page; `take` borrows them for the call.
// Errors: the connection's, take's.
using TakeRow = std::function<Status(std::span<const Param>)>;
Result<RowsDigest> carry_rows(Connection& from, const TableShape& table, const TakeRow& take);

}  // namespace stint::store
