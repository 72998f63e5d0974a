#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "stint/base/entropy.h"
#include "stint/base/error.h"
#include "stint/base/secret.h"

namespace stint::crypto {

// 32 secret bytes from which every sealing key is derived. Move-only, wiped, never printed.
class RootKey {
 public:
  static constexpr std::size_t kSize = 32;
  static constexpr std::size_t kSaltSize = 16;

  static RootKey generate(Entropy& entropy);
  // Exactly kSize bytes; wipes what it was given, also on error. Errors: kMalformed.
  static Result<RootKey> from_bytes(std::string&& bytes);
  // Argon2id (RFC 9106), 3 passes over 64 MiB, ~0.2 s. The salt is stored beside the sealed data.
  // Errors: kMalformed (under 12 or over 1024 bytes, salt not kSaltSize
  // bytes), kUnavailable (no memory).
  static Result<RootKey> from_passphrase(const Secret& passphrase, std::string_view salt);

  RootKey(RootKey&& other) noexcept;
  RootKey& operator=(RootKey&& other) noexcept;
  RootKey(const RootKey&) = delete;
  RootKey& operator=(const RootKey&) = delete;
  ~RootKey();

  // Public name of the key: says which root key a blob needs, and nothing about the key.
  std::uint32_t id() const;
  // The plain bytes, for writing the 0600 key file the first time. The caller wipes them.
  std::string export_plain() const;

 private:
  friend class Sealer;
  RootKey() = default;
  std::array<std::uint8_t, kSize> bytes_{};
};

}  // namespace stint::crypto
