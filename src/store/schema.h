#pragma once

#include <span>

namespace stint::store {

// "Stin" in ASCII: PRAGMA application_id of every Stint database.
inline constexpr int kApplicationId = 0x5374696e;

// Migration n takes a database of version n to n+1. A released one is never edited: append.
std::span<const char* const> migrations();

}  // namespace stint::store
