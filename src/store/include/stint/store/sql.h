#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "stint/base/clock.h"
#include "stint/base/id.h"

namespace stint::store {

class Cursor;
class TableShape;

// A statement. Only literals compile, so input can only be bound, as $1, $2, … (by that number, not
// by the order in which they appear); the one exception is made of our own schema's names. The
// address of the literal is its key in the statement cache.
class Sql {
 public:
  consteval Sql(const char* text) : text_(text) {}
  constexpr const char* text() const { return text_; }

 private:
  friend class TableShape;  // outlives whatever runs its statements
  struct OfSchema {};
  constexpr Sql(const char* text, OfSchema) : text_(text) {}
  const char* text_;
};

// Bytes bound as BLOB; a plain string is bound as TEXT. Borrows.
struct Blob {
  std::string_view bytes;
};

// One bound value. Borrows strings, blobs and ids until the statement has run.
// Ids and digests are BLOBs of their bytes, times are milliseconds since the epoch, bools 0 or 1.
class Param {
 public:
  enum class Kind : std::uint8_t { kNull, kInteger, kText, kBlob };

  Param(std::nullopt_t) {}
  template <class T>
    requires std::integral<T>
  Param(T v) : kind_(Kind::kInteger), integer_(static_cast<std::int64_t>(v)) {}
  Param(WallTime v) : kind_(Kind::kInteger), integer_(unix_millis(v)) {}
  Param(std::string_view v) : kind_(Kind::kText), bytes_(v) {}
  Param(const std::string& v) : kind_(Kind::kText), bytes_(v) {}
  Param(const char* v) : kind_(Kind::kText), bytes_(v) {}
  Param(Blob v) : kind_(Kind::kBlob), bytes_(v.bytes) {}
  template <std::size_t N>
  Param(const std::array<std::uint8_t, N>& v)
      : kind_(Kind::kBlob), bytes_(reinterpret_cast<const char*>(v.data()), N) {}
  template <class Tag>
  Param(const Id<Tag>& v) : Param(v.bytes()) {}
  template <class T>
  Param(const std::optional<T>& v) {
    if (v) *this = Param(*v);
  }

  Kind kind() const { return kind_; }
  std::int64_t integer() const { return integer_; }
  std::string_view bytes() const { return bytes_; }

 private:
  Kind kind_ = Kind::kNull;
  std::int64_t integer_ = 0;
  std::string_view bytes_;
};

// The columns of the row that a statement stands on. Lives inside Reader's calls only.
//
// get<T>() takes the next column; T is an integer, bool, WallTime, std::string (TEXT or BLOB), an
// Id, a std::array of bytes (BLOB of exactly that size), or std::optional of these for NULL. A
// column of another type or size is an error of the transaction (kInternal), and the value is
// empty.
class Row {
 public:
  template <class T>
  T get() {
    return Get<T>::from(*this, next_++);
  }

 private:
  friend class Reader;
  explicit Row(Cursor& cursor) : cursor_(cursor) {}

  template <class T>
  struct Get;
  bool null(int column) const;
  std::int64_t integer(int column);
  std::string_view bytes(int column);
  std::string_view blob(int column, std::size_t size);

  Cursor& cursor_;
  int next_ = 0;
  bool bad_ = false;
};

template <class T>
struct Row::Get {
  static_assert(std::integral<T>, "not a column type");
  static T from(Row& row, int column) { return static_cast<T>(row.integer(column)); }
};
template <>
struct Row::Get<WallTime> {
  static WallTime from(Row& row, int column) { return from_unix_millis(row.integer(column)); }
};
template <>
struct Row::Get<std::string> {
  static std::string from(Row& row, int column) { return std::string(row.bytes(column)); }
};
template <std::size_t N>
struct Row::Get<std::array<std::uint8_t, N>> {
  static std::array<std::uint8_t, N> from(Row& row, int column) {
    std::array<std::uint8_t, N> out{};
    const std::string_view bytes = row.blob(column, N);
    std::copy(bytes.begin(), bytes.end(), out.begin());
    return out;
  }
};
template <class Tag>
struct Row::Get<Id<Tag>> {
  static Id<Tag> from(Row& row, int column) {
    return Id<Tag>(Get<std::array<std::uint8_t, 16>>::from(row, column));
  }
};
template <class T>
struct Row::Get<std::optional<T>> {
  static std::optional<T> from(Row& row, int column) {
    if (row.null(column)) return std::nullopt;
    return Get<T>::from(row, column);
  }
};

namespace detail {
template <class T>
struct ReadRow {  // one column
  static T from(Row& row) { return row.get<T>(); }
};
template <class... T>
struct ReadRow<std::tuple<T...>> {
  static std::tuple<T...> from(Row& row) { return std::tuple<T...>{row.get<T>()...}; }
};
template <class T>
  requires requires(Row& row) {
    { T::from_row(row) } -> std::same_as<T>;
  }
struct ReadRow<T> {
  static T from(Row& row) { return T::from_row(row); }
};
}  // namespace detail

}  // namespace stint::store
