#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/crypto/sign.h"
#include "stint/jose/jwk.h"

// Token Status List (draft-ietf-oauth-status-list-21), as JWT.
//
// Threads: any. Ownership: values own their bytes. Blocking: never; `now` is handed in.
namespace stint::jose {

// Where a token's status stands: the claim status.status_list.
struct StatusReference {
  std::uint64_t idx = 0;
  std::string uri;
  bool operator==(const StatusReference&) const = default;
};

// Section 7.1. What else a list says is of the application, and is refused like kInvalid.
enum class TokenStatus : std::uint8_t { kValid = 0, kInvalid = 1, kSuspended = 2 };

// One status of 1, 2, 4 or 8 bits for each index, the first in the least significant bits of the
// first byte (section 4.1).
class StatusList {
 public:
  // All kValid. Errors: kMalformed "status list bits".
  static Result<StatusList> of(unsigned bits, std::size_t entries);
  // `lst` as it stands in a token: base64url of ZLIB. At most `most` bytes are unpacked. Errors:
  // kMalformed "status list bits", those of decode_base64url and zlib_inflate.
  static Result<StatusList> unpack(unsigned bits, std::string_view lst, std::size_t most);
  std::string pack() const;

  unsigned bits() const { return bits_; }
  std::size_t size() const { return bytes_.size() * 8 / bits_; }
  // Errors: kNotFound "status list index" beyond the list: such a token is to be refused.
  Result<unsigned> at(std::uint64_t idx) const;
  // Errors: as at(); kMalformed "status value" that has more bits.
  Status set(std::uint64_t idx, unsigned value);

 private:
  StatusList(unsigned bits, std::string bytes) : bits_(bits), bytes_(std::move(bytes)) {}
  unsigned bits_;
  std::string bytes_;
};

struct StatusListToken {
  std::string sub;  // the list's own URI
  WallTime iat, exp;
  std::chrono::seconds ttl{0};
  StatusList list;
};

// Errors: kMalformed "status list claims" (no sub, exp not after iat), kInternal.
Result<std::string> sign_status_list(const StatusListToken& token, std::string_view kid,
                                     const crypto::PrivateKey& key);

// Proof that a list passed every check of verify_status_list; nothing else makes one.
class VerifiedStatusList {
 public:
  const StatusListToken& token() const { return token_; }
  // The status of a token that `reference` was read from. Closed: whatever is not known is an
  // error. Errors: kWrongTarget "status list uri" (another list), kStale "status list is stale"
  // (past its exp, or ttl after its iat), kNotFound "status list index", kRevoked "status invalid",
  // kTaskPaused "status suspended", kUnsupported "status value".
  Status check(const StatusReference& reference, WallTime now) const;

 private:
  friend Result<VerifiedStatusList> verify_status_list(std::string_view, std::string_view,
                                                       const JwkSet&, WallTime, std::size_t);
  explicit VerifiedStatusList(StatusListToken token) : token_(std::move(token)) {}
  StatusListToken token_;
};

inline constexpr std::size_t kMaxStatusListToken = 1024 * 1024;

// A list that was fetched from `uri`. Checks, in order, and their errors: form and size (those of
// parse_compact); typ statuslist+jwt (kWrongType "status list typ"); signature by a key of `keys`
// (as jose::verify); sub is `uri` (kWrongTarget "status list sub"); iat, exp and status_list
// present (kMissing), ttl positive (kMalformed "status list ttl"); not expired, iat not ahead
// (check_times, no leeway back, 30 s ahead); the list itself (as StatusList::unpack, at most
// `most` bytes of it).
Result<VerifiedStatusList> verify_status_list(std::string_view compact, std::string_view uri,
                                              const JwkSet& keys, WallTime now,
                                              std::size_t most = kMaxStatusListToken);

}  // namespace stint::jose
