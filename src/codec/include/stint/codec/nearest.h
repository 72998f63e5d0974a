#pragma once

#include <span>
#include <string_view>

namespace stint::codec {

// The known name that a person most likely meant: the smallest edit distance (insertion, deletion,
// substitution, transposition of neighbours), at most a third of the longer name; the first of
// equals. "" when none is near or the word is over 64 bytes. For messages only.
// Threads: any. Ownership: the result views one of `known`.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);

}  // namespace stint::codec
