#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "stint/base/entropy.h"

// The text form of Stint's own secrets that are not JWTs (handles, API keys, one-time codes):
//   stint_KIND_ + 32 base62 characters of entropy (190 bits) + 6 base62 characters of the CRC-32 of
// everything before them, so that any scanner recognises one, and drops a look-alike, unaided.
// KIND is 1 to 16 of a-z0-9.
//
// Threads: any (the Entropy's own rule holds). The checksum is no authenticity: look the secret up.
namespace stint::codec {

inline constexpr std::size_t kSecretBodyChars = 32;
inline constexpr std::size_t kSecretCrcChars = 6;

// Each character is unbiased. Built in a buffer of its final size: move it straight into a Secret.
// A kind that breaks the rule above is a programming error and ends the process.
std::string make_secret_text(std::string_view kind, Entropy& entropy);

// Whether `text` is whole, of this kind, and its checksum is right.
bool is_secret_text(std::string_view kind, std::string_view text);

// The kind of a well-formed secret text, as a view into `text`; nullopt for anything else.
std::optional<std::string_view> secret_kind(std::string_view text);

}  // namespace stint::codec
