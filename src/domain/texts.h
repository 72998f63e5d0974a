#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "stint/base/error.h"

namespace stint::domain {

// An enum and its words, in one table read both ways.
template <class E, std::size_t N>
using Texts = std::array<std::pair<E, std::string_view>, N>;

template <class E, std::size_t N>
constexpr std::string_view text_of(const Texts<E, N>& texts, E value) {
  for (const auto& [v, t] : texts)
    if (v == value) return t;
  __builtin_trap();
}

template <class E, std::size_t N>
Result<E> value_of(const Texts<E, N>& texts, std::string_view text, Reason unknown) {
  for (const auto& [v, t] : texts)
    if (t == text) return v;
  return fail(Errc::kMalformed, unknown);
}

}  // namespace stint::domain
