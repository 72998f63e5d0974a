#include "postgres_statement.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

namespace stint::store {
namespace {

// Types of PostgreSQL's catalogue that our schema uses; their numbers are fixed.
constexpr Oid kBool = 16, kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kText = 25;

template <class T>
T big_endian(T v) {
  return std::byteswap(v);
}
static_assert(std::endian::native == std::endian::little);

std::string_view word(std::string_view& text) {
  const auto start = text.find_first_not_of(" \n(");
  if (start == std::string_view::npos) return {};
  text.remove_prefix(start);
  const auto end = std::min(text.find_first_of(" \n("), text.size());
  const auto out = text.substr(0, end);
  text.remove_prefix(end);
  return out;
}

template <class T>
bool bind_number(PgBound& out, std::int64_t value) {
  if (!std::in_range<T>(value)) return false;
  const auto wire = big_endian(static_cast<std::make_unsigned_t<T>>(value));
  std::memcpy(out.number.data(), &wire, sizeof wire);
  out.size = sizeof wire;
  return true;
}

bool bind_integer(PgBound& out, Oid type, std::int64_t value) {
  out.data = out.number.data();
  switch (type) {
    case kInt8:
      return bind_number<std::int64_t>(out, value);
    case kInt4:
      return bind_number<std::int32_t>(out, value);
    case kInt2:
      return bind_number<std::int16_t>(out, value);
    default:
      return false;
  }
}

}  // namespace

Status PgBound::bind(Oid type, const Param& p) {
  constexpr Error kWrong{Errc::kInternal, "statement parameters"};
  switch (p.kind()) {
    case Param::Kind::kNull:
      return {};
    case Param::Kind::kInteger:
      if (!bind_integer(*this, type, p.integer())) return fail(kWrong);
      return {};
    case Param::Kind::kText:
    case Param::Kind::kBlob: {
      if (type != (p.kind() == Param::Kind::kText ? kText : kBytea)) return fail(kWrong);
      if (p.bytes().size() > std::size_t{1} << 29)
        return fail(Errc::kTooLarge, "statement parameter");
      data = p.bytes().empty() ? "" : p.bytes().data();
      size = static_cast<int>(p.bytes().size());
      return {};
    }
  }
  __builtin_trap();
}

std::string_view PgStatement::changes(std::string_view sql) {
  const auto verb = word(sql);
  if (verb == "INSERT" || verb == "DELETE") {
    (void)word(sql);  // INTO, FROM
  } else if (verb != "UPDATE") {
    return {};
  }
  return word(sql);
}

PgStatement::Does PgStatement::does(std::string_view sql) {
  const std::string_view all = sql;
  const auto verb = word(sql);
  if (verb == "SELECT") return Does::kReads;
  if (verb == "WITH") {  // a query, also a recursive one; what it changes could not be told
    const auto has = [&](std::string_view other) { return sql.contains(other); };
    const bool changes = has("INSERT") || has("UPDATE") || has("DELETE") || has("MERGE");
    return changes ? Does::kOther : Does::kReads;
  }
  const auto table = changes(all);
  if (table.empty()) return Does::kOther;
  const bool removes = verb == "DELETE";
  if (is_log(table)) return Does::kWritesLog;
  const bool quiet = is_bookkeeping(table) || (removes && (table == "token" || table == "handle"));
  return quiet ? Does::kChangesBookkeeping : Does::kChangesState;
}

Result<bool> PgStatement::next() { return ++at < count; }

ColumnType PgStatement::type(int column) const {
  if (PQgetisnull(rows.get(), at, column) != 0) return ColumnType::kNull;
  switch (PQftype(rows.get(), column)) {
    case kBool:
    case kInt2:
    case kInt4:
    case kInt8:
      return ColumnType::kInteger;
    case kBytea:
      return ColumnType::kBlob;
    case kText:
      return ColumnType::kText;
    default:
      return ColumnType::kNull;  // no column of ours; whoever asks for it is refused
  }
}

std::int64_t PgStatement::integer(int column) const {
  const char* data = PQgetvalue(rows.get(), at, column);
  const auto as = [&]<class T>(T) {
    std::make_unsigned_t<T> wire;
    std::memcpy(&wire, data, sizeof wire);
    return static_cast<T>(big_endian(wire));
  };
  switch (PQgetlength(rows.get(), at, column)) {
    case 1:
      return *data != 0 ? 1 : 0;
    case 2:
      return as(std::int16_t{});
    case 4:
      return as(std::int32_t{});
    default:
      return as(std::int64_t{});
  }
}

std::string_view PgStatement::bytes(int column) const {
  return {PQgetvalue(rows.get(), at, column),
          static_cast<std::size_t>(PQgetlength(rows.get(), at, column))};
}

}  // namespace stint::store
