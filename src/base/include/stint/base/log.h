#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <type_traits>

#include "stint/base/error.h"
#include "stint/base/id.h"

namespace stint::log {

// Operational messages, one JSON object a line on stderr: {"time","level","message",fields…}.
// The audit log is another thing (see store and audit).
//
// Messages are literals; field values are numbers, booleans, ids, literals and Errors. Text that a
// stranger sent has no conversion to Value, so it cannot be logged by accident; `label` is the
// named verb for configured names (an agent, an upstream), cut at 64 bytes and escaped.
//
// Threads: any; one write(2) a line. Never throws. Blocking: as stderr is.
enum class Level : std::uint8_t { kDebug, kInfo, kWarning, kError };

class Literal {
 public:
  consteval Literal(const char* text) : text_(text) {}
  constexpr std::string_view text() const { return text_; }

 private:
  const char* text_;
};

class Value {
 public:
  Value(bool v) : kind_(Kind::kBool), number_(v) {}
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  Value(T v) : kind_(Kind::kNumber), number_(static_cast<std::int64_t>(v)) {}
  Value(Literal v) : kind_(Kind::kText), text_(v.text()) {}
  Value(Errc v) : kind_(Kind::kText), text_(name(v)) {}
  Value(Reason v) : kind_(Kind::kText), text_(v.text()) {}
  template <class Tag>
  Value(const Id<Tag>& id) : kind_(Kind::kText), owned_(id.str()), text_(owned_) {}

 private:
  friend Value label(std::string_view configured_name);
  friend struct Writer;
  enum class Kind : std::uint8_t { kBool, kNumber, kText };
  explicit Value(std::string&& owned)
      : kind_(Kind::kText), owned_(std::move(owned)), text_(owned_) {}
  Value(const Value&) = delete;

  Kind kind_;
  std::int64_t number_ = 0;
  std::string owned_;
  std::string_view text_;
};

// A name that an operator configured. Never for what a request carried.
Value label(std::string_view configured_name);

struct Field {
  Literal key;
  Value value;
};

// Lines below the threshold are dropped. Default kInfo. Thread-safe.
void set_threshold(Level level);
void write(Level level, Literal message, std::initializer_list<Field> fields = {});

inline void debug(Literal m, std::initializer_list<Field> f = {}) { write(Level::kDebug, m, f); }
inline void info(Literal m, std::initializer_list<Field> f = {}) { write(Level::kInfo, m, f); }
inline void warning(Literal m, std::initializer_list<Field> f = {}) {
  write(Level::kWarning, m, f);
}
inline void error(Literal m, std::initializer_list<Field> f = {}) { write(Level::kError, m, f); }

}  // namespace stint::log
