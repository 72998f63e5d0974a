#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "stint/base/entropy.h"
#include "stint/base/error.h"

namespace stint {

// An id as text, in place: what is written with every call should not ask the heap for room.
class IdText {
 public:
  IdText(std::string_view prefix, const std::array<std::uint8_t, 16>& bytes);
  operator std::string_view() const { return {text_.data(), size_}; }

 private:
  std::array<char, 40> text_;
  std::size_t size_;
};

namespace detail {
Result<std::array<std::uint8_t, 16>> id_bytes(std::string_view prefix, std::string_view text);
}  // namespace detail

// 128-bit identifier; ids with different tags never convert or compare. Pass by value; safe to
// log: an id is never a secret and knowing one gives nothing.
template <class Tag>
class Id {
 public:
  explicit constexpr Id(std::array<std::uint8_t, 16> bytes) : bytes_(bytes) {}
  static Id random(Entropy& entropy) { return Id(random_bytes<16>(entropy)); }

  // Tag::kPrefix and 32 lower-case hex digits, nothing else. Errors: kMalformed.
  static Result<Id> parse(std::string_view text) {
    auto bytes = detail::id_bytes(Tag::kPrefix, text);
    if (!bytes) return std::unexpected(bytes.error());
    return Id(*bytes);
  }
  IdText text() const {
    static_assert(Tag::kPrefix.size() <= 8);
    return {Tag::kPrefix, bytes_};
  }
  std::string str() const { return std::string(std::string_view(text())); }
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  auto operator<=>(const Id&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_;
};

struct TaskTag {
  static constexpr std::string_view kPrefix = "task_";
};
struct TokenTag {
  static constexpr std::string_view kPrefix = "tok_";
};
struct DecisionTag {
  static constexpr std::string_view kPrefix = "dec_";
};
struct ApprovalTag {
  static constexpr std::string_view kPrefix = "apr_";
};
struct HandleTag {
  static constexpr std::string_view kPrefix = "hdl_";
};

using TaskId = Id<TaskTag>;
using TokenId = Id<TokenTag>;        // `jti` of an access token
using DecisionId = Id<DecisionTag>;  // also names the intent and outcome events of a request
using ApprovalId = Id<ApprovalTag>;
using HandleId = Id<HandleTag>;  // public name of a handle; the handle itself is a Secret

}  // namespace stint

template <class Tag>
struct std::hash<stint::Id<Tag>> {
  // The bytes are random: the first eight are a good hash, and cost nothing.
  std::size_t operator()(const stint::Id<Tag>& id) const noexcept {
    std::size_t h;
    std::memcpy(&h, id.bytes().data(), sizeof h);
    return h;
  }
};
