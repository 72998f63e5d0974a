#include "table_shape.h"

#include <algorithm>
#include <array>
#include <utility>

#include "schema.h"

namespace stint::store {
namespace {

constexpr Sql kTables =
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' "
    "AND name NOT LIKE 'backup!_%' ESCAPE '!' ORDER BY name";
// Of SQLite's own indexes the text is null. Those of a backup itself are not the schema's.
constexpr Sql kText =
    "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema "
    "WHERE tbl_name NOT LIKE 'backup!_%' ESCAPE '!' ORDER BY type, name";
constexpr Sql kColumns = "SELECT name, pk FROM pragma_table_info($1) ORDER BY cid";

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::string numbered(std::size_t from, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += (i == 0 ? "$" : ", $") + std::to_string(from + i);
  return out;
}

Param value(const Cursor& cursor, int column) {
  switch (cursor.type(column)) {
    case ColumnType::kNull:
      return std::nullopt;
    case ColumnType::kInteger:
      return cursor.integer(column);
    case ColumnType::kText:
      return cursor.bytes(column);
    case ColumnType::kBlob:
      return Blob{cursor.bytes(column)};
  }
  __builtin_trap();
}

// A value that outlives its row.
struct Owned {
  Param::Kind kind = Param::Kind::kNull;
  std::int64_t integer = 0;
  std::string bytes;

  explicit Owned(const Param& p) : kind(p.kind()), integer(p.integer()), bytes(p.bytes()) {}
  Param param() const {
    switch (kind) {
      case Param::Kind::kNull:
        return std::nullopt;
      case Param::Kind::kInteger:
        return integer;
      case Param::Kind::kText:
        return bytes;
      case Param::Kind::kBlob:
        return Blob{bytes};
    }
    __builtin_trap();
  }
};

// Kind, then a number or a length of 8 bytes, big-endian, then the bytes: no two rows give the
// same.
void hash_value(crypto::Sha256& hash, const Param& p) {
  const bool sized = p.kind() == Param::Kind::kText || p.kind() == Param::Kind::kBlob;
  const auto number = sized ? static_cast<std::uint64_t>(p.bytes().size())
                            : static_cast<std::uint64_t>(p.integer());
  std::array<char, 9> head{static_cast<char>(p.kind())};
  for (std::size_t i = 0; i < 8; ++i) head[i + 1] = static_cast<char>(number >> (56 - 8 * i));
  hash.update({head.data(), head.size()});
  if (sized) hash.update(p.bytes());
}

}  // namespace

TableShape::TableShape(std::string name, std::vector<std::string> columns,
                       std::vector<std::size_t> key)
    : name_(std::move(name)), columns_(columns.size()), key_(std::move(key)) {
  std::vector<std::string> keys;
  keys.reserve(key_.size());
  for (const std::size_t at : key_) keys.push_back(columns[at]);
  const std::string select = "SELECT " + joined(columns) + " FROM " + name_;
  const std::string order = " ORDER BY " + joined(keys) + " LIMIT $1";
  first_page_ = select + order;
  next_page_ =
      select + " WHERE (" + joined(keys) + ") > (" + numbered(2, key_.size()) + ")" + order;
  insert_ =
      "INSERT INTO " + name_ + " (" + joined(columns) + ") VALUES (" + numbered(1, columns_) + ")";
}

Result<std::unique_ptr<SqliteSession>> schema_in_memory(std::int64_t version) {
  auto session = STINT_TRY(SqliteSession::open(":memory:", "", SqliteSession::Use::kBuild));
  for (std::int64_t v = 0; v < version; ++v)
    STINT_TRY(session->exec(migrations()[static_cast<std::size_t>(v)]));
  return session;
}

Result<std::string> schema_text(SqliteSession& session) {
  SqliteStatement* const lines = STINT_TRY(session.prepare(kText));
  std::string out;
  Result<bool> more = lines->next();
  for (; more && *more; more = lines->next()) out.append(lines->bytes(0)).push_back('\n');
  lines->reset();
  if (!more) return fail(more.error());
  return out;
}

Result<Shapes> TableShape::all(std::int64_t version) {
  const auto session = STINT_TRY(schema_in_memory(version));
  std::vector<std::string> names;
  SqliteStatement* const tables = STINT_TRY(session->prepare(kTables));
  while (STINT_TRY(tables->next())) names.emplace_back(tables->bytes(0));
  tables->reset();
  Shapes out;
  for (std::string& name : names) {
    SqliteStatement* const rows = STINT_TRY(session->prepare(kColumns));
    STINT_TRY(rows->bind(std::array{Param(name)}));
    std::vector<std::string> columns;
    std::vector<std::pair<std::int64_t, std::size_t>> key;
    while (STINT_TRY(rows->next())) {
      if (rows->integer(1) > 0) key.emplace_back(rows->integer(1), columns.size());
      columns.emplace_back(rows->bytes(0));
    }
    rows->reset();
    std::ranges::sort(key);
    std::vector<std::size_t> at;
    for (const auto& [place, column] : key) at.push_back(column);
    if (at.empty()) return fail(Errc::kInternal, "a table of the schema has no key");
    out.emplace_back(new TableShape(std::move(name), std::move(columns), std::move(at)));
  }
  return out;
}

namespace {

// One page; the key of its last row is left in `last`. Returns its rows.
Result<std::int64_t> carry_page(Cursor& cursor, const TableShape& table, crypto::Sha256& hash,
                                std::vector<Owned>& last, const TakeRow& take) {
  std::vector<Param> row;
  for (std::int64_t rows = 0;; ++rows) {
    if (!STINT_TRY(cursor.next())) return rows;
    row.clear();
    for (std::size_t i = 0; i < table.columns(); ++i)
      row.push_back(value(cursor, static_cast<int>(i)));
    for (const Param& p : row) hash_value(hash, p);
    STINT_TRY(take(row));
    if (rows + 1 < TableShape::kPage) continue;
    last.clear();
    for (const std::size_t at : table.key()) last.emplace_back(row[at]);
  }
}

}  // namespace

Result<RowsDigest> carry_rows(Connection& from, const TableShape& table, const TakeRow& take) {
  RowsDigest out;
  crypto::Sha256 hash;
  std::vector<Owned> last;
  for (;;) {
    std::vector<Param> parameters{TableShape::kPage};
    for (const Owned& part : last) parameters.push_back(part.param());
    Cursor* const cursor =
        STINT_TRY(from.start(last.empty() ? table.first_page() : table.next_page(), parameters));
    const auto rows = carry_page(*cursor, table, hash, last, take);
    const auto finished = from.finish(*cursor);
    if (!rows) return fail(rows.error());
    if (!finished) return fail(finished.error());
    out.rows += static_cast<std::uint64_t>(*rows);
    if (*rows < TableShape::kPage) break;
  }
  out.digest = hash.finish();
  return out;
}

}  // namespace stint::store
