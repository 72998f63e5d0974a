#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/codec/base64url.h"
#include "stint/codec/json.h"
#include "stint/crypto/sign.h"
#include "stint/jose/jwk.h"
#include "stint/testkit/seeded_entropy.h"

namespace stint::jose::testing_util {

inline const WallTime kNow = from_unix_seconds(1'790'000'000);

inline std::string_view reason(const auto& result) {
  return result.has_value() ? "" : result.error().reason.text();
}

inline crypto::PrivateKey test_key(crypto::Alg alg = crypto::Alg::kES256, std::uint64_t seed = 1) {
  testkit::SeededEntropy entropy(seed);
  auto key = crypto::PrivateKey::generate(alg, entropy);
  EXPECT_TRUE(key.has_value());
  return std::move(*key);
}

// Signs whatever header and payload text is given: the forger's side.
inline std::string forge(std::string_view header, std::string_view payload,
                         const crypto::PrivateKey& key) {
  std::string out = codec::encode_base64url(header) + "." + codec::encode_base64url(payload);
  const auto signature = key.sign(out);
  EXPECT_TRUE(signature.has_value());
  return out + "." + codec::encode_base64url(*signature);
}

inline JwkSet set_of(const crypto::PrivateKey& key, std::string kid) {
  auto set = JwkSet::of({Jwk{key.public_key(), key.alg(), std::move(kid)}});
  EXPECT_TRUE(set.has_value());
  return std::move(*set);
}

// The object's text with one member replaced; `value` is JSON, and empty removes the member.
inline std::string with(std::string_view object, std::string_view member, std::string_view value) {
  json::Object o = *json::parse_object(object);
  o.erase(member);
  if (!value.empty()) o[member] = *json::parse(value);
  return json::write(o);
}

}  // namespace stint::jose::testing_util
