#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "stint/base/error.h"

// AES-256-GCM (NIST SP 800-38D) with 96-bit nonces and 128-bit tags. Sealer is what to use; this is
// its engine, apart so that vectors can reach it. The caller never repeats a nonce under a key.
//
// Threads: any. Blocking: never.
namespace stint::crypto {

inline constexpr std::size_t kAeadKey = 32;
inline constexpr std::size_t kAeadNonce = 12;
inline constexpr std::size_t kAeadTag = 16;

// Ciphertext followed by the tag. Errors: kMalformed (key or nonce size).
Result<std::string> aead_seal(std::string_view key, std::string_view nonce, std::string_view aad,
                              std::string_view plain);
// Errors: kMalformed (key, nonce or text size), kBadSignature. No byte of an altered text comes
// out.
Result<std::string> aead_open(std::string_view key, std::string_view nonce, std::string_view aad,
                              std::string_view sealed);

}  // namespace stint::crypto
