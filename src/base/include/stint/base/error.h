#pragma once

#include <cstdint>
#include <expected>
#include <source_location>
#include <string_view>
#include <utility>

namespace stint {

// Stable numbers: they go into events and metrics. Append, never reuse.
enum class Errc : std::uint16_t {
  kMalformed = 1,
  kTooLarge = 2,
  kBadSignature = 3,
  kExpired = 4,
  kWrongAudience = 5,
  kDenied = 6,
  kStale = 7,
  kUnavailable = 8,
  kNotFound = 9,
  kConflict = 10,
  kUnsupported = 11,
  kReplayed = 12,
  kNotYetValid = 13,
  kWrongIssuer = 14,
  kWrongKey = 15,
  kWrongType = 16,
  kLimit = 17,  // a quota or bound of ours is reached; later may work
  kTaskClosed = 18,
  kTaskPaused = 19,
  kTimeout = 20,
  kCancelled = 21,
  kIo = 22,
  kStorageFull = 23,
  kReadOnly = 24,
  kInternal = 25,  // a bug of ours; deny and say so
  kUnauthenticated = 26,
  kNonceRequired = 27,
  kMissing = 28,     // something required is absent
  kUnknownKey = 29,  // a name that the schema does not have
  kWrongMethod = 30,
  kWrongTarget = 31,
  kRevoked = 32,
  kApprovalRequired = 33,
  kPreconditionFailed = 34,
  kGone = 35,  // was there once, and is not kept any more
};

// Stable kebab-case name of a code, for events, metrics and problem documents.
std::string_view name(Errc code);

// A literal and where it was written. Only constants compile, so no error carries a caller's
// bytes, and with them a token, into a log.
class Reason {
 public:
  consteval Reason(const char* text, std::source_location at = std::source_location::current())
      : text_(text), at_(at) {}
  std::string_view text() const { return text_; }
  std::source_location at() const { return at_; }

 private:
  const char* text_;
  std::source_location at_;
};

struct Error {
  Errc code;
  Reason reason;
};

// std::expected, made [[nodiscard]]: libstdc++ 12's is not, and a dropped `co_await f();` would
// go unseen.
template <class T>
struct [[nodiscard]] Result : std::expected<T, Error> {
  using std::expected<T, Error>::expected;
};
using Status = Result<void>;

inline std::unexpected<Error> fail(Errc code, Reason reason) {
  return std::unexpected(Error{code, reason});
}
inline std::unexpected<Error> fail(const Error& error) { return std::unexpected(error); }

}  // namespace stint

// Yields the value of a Result, or returns its error from the enclosing function.
#define STINT_TRY(expression)                                      \
  ({                                                               \
    auto stint_try_result = (expression);                          \
    if (!stint_try_result) [[unlikely]]                            \
      return std::unexpected(std::move(stint_try_result).error()); \
    *std::move(stint_try_result);                                  \
  })

// The same inside a coroutine.
#define STINT_CO_TRY(expression)                                      \
  ({                                                                  \
    auto stint_try_result = (expression);                             \
    if (!stint_try_result) [[unlikely]]                               \
      co_return std::unexpected(std::move(stint_try_result).error()); \
    *std::move(stint_try_result);                                     \
  })
