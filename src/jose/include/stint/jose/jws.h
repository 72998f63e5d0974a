#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "stint/codec/json.h"
#include "stint/crypto/digest.h"
#include "stint/crypto/sign.h"
#include "stint/jose/jwk.h"

// JWS compact serialization (RFC 7515), under RFC 8725.
//
// Threads:   any. Ownership: values own their bytes. Blocking: never.
// Closed:    "crit" and "b64" (nothing is understood that could be critical), "zip", "jku" and
//            "x5u" (keys by reference) refuse the token; "x5c", "x5t" are ignored and never give
//            trust; "jwk" refuses it everywhere but in a DPoP proof. "none", HMAC and every
//            algorithm that is not in crypto::Alg are kUnsupported.
namespace stint::jose {

struct Limits {
  std::size_t bytes = 8 * 1024;         // whole text
  std::size_t header_bytes = 4 * 1024;  // of the base64url header part
};

struct Header {
  crypto::Alg alg;
  std::string kid;  // empty when absent
  std::string typ;  // lower case, without "application/" (RFC 7515 section 4.1.9); empty: absent
  std::shared_ptr<const json::Object> jwk;  // null when absent; not looked into
};

class Verified;

// Read, not checked.
class Unverified {
 public:
  const Header& header() const { return *header_; }
  std::string_view payload() const { return payload_; }
  std::string_view signing_input() const { return std::string_view(text_).substr(0, signed_); }
  std::string_view header_part() const { return std::string_view(text_).substr(0, header_end_); }
  std::string_view signature() const { return signature_; }

 private:
  friend struct CompactReader;  // private to this module
  friend Result<Verified> verify(const Unverified&, const crypto::PublicKey&,
                                 std::span<const crypto::Alg>);
  Unverified() = default;
  std::string text_, payload_, signature_;
  std::size_t header_end_ = 0, signed_ = 0;
  std::shared_ptr<const Header> header_;
};

// Errors: kTooLarge "jws too large", "jws header too large"; kMalformed "jws parts", "jws header
// member", those of base64url and of json::parse_object; kMissing "jws alg"; kUnsupported "jws
// alg", "jws crit", "jws b64", "jws zip", "jws key by reference".
Result<Unverified> parse_compact(std::string_view compact, Limits limits = {});

// Header and payload whose signature was good under a key that the caller trusts.
class Verified {
 public:
  const Header& header() const { return *header_; }
  std::string_view payload() const { return payload_; }

 private:
  friend Result<Verified> verify(const Unverified&, const crypto::PublicKey&,
                                 std::span<const crypto::Alg>);
  Verified() = default;
  std::shared_ptr<const Header> header_;
  std::string payload_;
};

// Errors: kUnsupported "jws alg not allowed", kWrongKey "jws alg does not fit the key",
// kBadSignature "signature".
Result<Verified> verify(const Unverified& jws, const crypto::PublicKey& key,
                        std::span<const crypto::Alg> allowed);
// The same with the key of the set that kid and alg name; the header must carry no key of its own.
// Errors: the above, kWrongKey "jws embedded key", "jws unknown key", "jws alg is not the key's"
// (the kid is known, for another algorithm).
Result<Verified> verify(const Unverified& jws, const JwkSet& keys,
                        std::span<const crypto::Alg> allowed);

// Every algorithm that we verify.
std::span<const crypto::Alg> all_algs();
// The values of "alg" under which they are read: theirs, and RFC 9864's second name for EdDSA. What
// metadata and challenges list.
std::span<const std::string_view> alg_names();

struct SignHeader {
  std::string_view typ;           // left out when empty
  std::string_view kid;           // left out when empty
  bool embed_public_key = false;  // "jwk": DPoP proofs alone
};
// Errors: kInternal.
Result<std::string> sign(const SignHeader& header, std::string_view payload,
                         const crypto::PrivateKey& key);

}  // namespace stint::jose
