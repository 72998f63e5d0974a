#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/error.h"
#include "stint/policy/facts.h"

// Facts as bytes for the C ABI. What is not in the mask is not written, so the bytes are exactly
// what an evaluation can depend on: they are also the memo's key.
namespace stint::policy {

inline constexpr std::uint64_t kAllFacts = ~std::uint64_t{0};

// Paths in the order of the mask's bits; the same list as LEAVES in cedar/src/facts.rs.
const std::vector<std::string_view>& fact_paths();
std::uint64_t fact_bit(std::string_view path);  // 0: no such fact

// Errors: kTooLarge.
Result<std::string> encode(const Facts& facts, std::uint64_t mask);

// The value of one fact in words, for explanations; "" when it is absent.
std::string show(const Facts& facts, std::string_view path);

// public 0 … restricted 3; anything else is `otherwise`.
std::int64_t sensitivity_level(std::string_view sensitivity, std::int64_t otherwise);

}  // namespace stint::policy
