// Wycheproof's rows, each with the exact reason of a refusal, and how many ran.
#include <map>

#include "stint/crypto/aead.h"
#include "stint/crypto/digest.h"
#include "stint/crypto/hot_keys.h"
#include "stint/crypto/sign.h"
#include "vectors_test_util.h"

namespace stint::crypto {
namespace {

using vectors::bin;
using vectors::str;
using vectors::bj::object;

struct Counts {
  std::size_t valid = 0, refused = 0;
  bool operator==(const Counts&) const = default;
};

// Verifies a row and checks that a refusal is of the signature, never of something else.
void expect_row(const PublicKey& key, Alg alg, const object& test, Counts& counts) {
  const auto got = key.verify(alg, bin(test, "msg"), bin(test, "sig"));
  const bool want = str(test, "result") == "valid";
  ASSERT_EQ(got.has_value(), want);
  if (want) {
    ++counts.valid;
  } else {
    EXPECT_EQ(got.error().code, Errc::kBadSignature);
    EXPECT_EQ(got.error().reason.text(), "signature");
    ++counts.refused;
  }
}

PublicKey p256_key(const object& group) {
  const std::string point = bin(group.at("publicKey").as_object(), "uncompressed");
  auto key = PublicKey::from_p256(std::string_view(point).substr(1, 32),
                                  std::string_view(point).substr(33));
  EXPECT_TRUE(key.has_value());
  return std::move(*key);
}

TEST(Wycheproof, Es256P1363) {
  Counts counts;
  const auto rows = vectors::each("ecdsa_secp256r1_sha256_p1363_test.json",
                                  [&](const object& group, const object& test) {
                                    expect_row(p256_key(group), Alg::kES256, test, counts);
                                  });
  if (!rows) GTEST_SKIP() << "vectors folder absent";
  EXPECT_EQ(*rows, 262u);
  EXPECT_EQ(counts, (Counts{173, 89}));
}

// The same rows through a table: it must never disagree with EVP.
TEST(Wycheproof, Es256P1363WithTable) {
  if (!HotKeys::available()) GTEST_SKIP() << "built without tables";
  Counts counts;
  HotKeys hot;
  const object* last = nullptr;
  std::optional<PublicKey> key;
  const auto rows = vectors::each("ecdsa_secp256r1_sha256_p1363_test.json",
                                  [&](const object& group, const object& test) {
                                    if (&group != last) {
                                      key = p256_key(group);
                                      ASSERT_TRUE(hot.build(*key).has_value());
                                      last = &group;
                                    }
                                    ASSERT_TRUE(HotKeys::has_table(*key));
                                    expect_row(*key, Alg::kES256, test, counts);
                                  });
  if (!rows) GTEST_SKIP() << "vectors folder absent";
  EXPECT_EQ(*rows, 262u);
  EXPECT_EQ(counts, (Counts{173, 89}));
}

TEST(Wycheproof, Ed25519) {
  Counts counts;
  const auto rows =
      vectors::each("ed25519_test.json", [&](const object& group, const object& test) {
        const auto key = PublicKey::from_ed25519(bin(group.at("publicKey").as_object(), "pk"));
        ASSERT_TRUE(key.has_value());
        expect_row(*key, Alg::kEdDSA, test, counts);
      });
  if (!rows) GTEST_SKIP() << "vectors folder absent";
  EXPECT_EQ(*rows, 151u);
  EXPECT_EQ(counts, (Counts{88, 63}));
}

std::string trimmed(std::string n) {
  n.erase(0, n.find_first_not_of('\0'));
  return n;
}

PublicKey rsa_key(const object& group) {
  const object& pub = group.at("publicKey").as_object();
  auto key = PublicKey::from_rsa(trimmed(bin(pub, "modulus")), trimmed(bin(pub, "publicExponent")));
  EXPECT_TRUE(key.has_value());
  return std::move(*key);
}

TEST(Wycheproof, Rs256) {
  Counts counts;
  std::size_t acceptable = 0;
  const auto rows = vectors::each("rsa_signature_2048_sha256_test.json",
                                  [&](const object& group, const object& test) {
                                    // The one "acceptable" row lacks the NULL of the
                                    // AlgorithmIdentifier (RFC 8017 appendix A.2.4 wants it).
                                    // Decision: refused; no peer of ours writes such signatures.
                                    acceptable += str(test, "result") == "acceptable";
                                    expect_row(rsa_key(group), Alg::kRS256, test, counts);
                                  });
  if (!rows) GTEST_SKIP() << "vectors folder absent";
  EXPECT_EQ(*rows, 259u);
  EXPECT_EQ(acceptable, 1u);
  EXPECT_EQ(counts, (Counts{9, 250}));
}

TEST(Wycheproof, Ps256) {
  Counts counts;
  const auto rows = vectors::each("rsa_pss_2048_sha256_mgf1_32_test.json",
                                  [&](const object& group, const object& test) {
                                    expect_row(rsa_key(group), Alg::kPS256, test, counts);
                                  });
  if (!rows) GTEST_SKIP() << "vectors folder absent";
  EXPECT_EQ(*rows, 108u);
  EXPECT_EQ(counts, (Counts{63, 45}));
}

TEST(Wycheproof, HmacSha256) {
  Counts counts;
  const auto rows =
      vectors::each("hmac_sha256_test.json", [&](const object& group, const object& test) {
        const Digest full = hmac_sha256(bin(test, "key"), bin(test, "msg"));
        const auto size = static_cast<std::size_t>(group.at("tagSize").as_int64()) / 8;
        const bool good = equal(view(full).substr(0, size), bin(test, "tag"));
        ASSERT_EQ(good, str(test, "result") == "valid");
        ++(good ? counts.valid : counts.refused);
      });
  if (!rows) GTEST_SKIP() << "vectors folder absent";
  EXPECT_EQ(*rows, 174u);
  EXPECT_EQ(counts, (Counts{66, 108}));
}

TEST(Wycheproof, HkdfSha256) {
  Counts counts;
  const auto rows = vectors::each("hkdf_sha256_test.json", [&](const object&, const object& test) {
    const auto got = hkdf_sha256(bin(test, "ikm"), bin(test, "salt"), bin(test, "info"),
                                 static_cast<std::size_t>(test.at("size").as_int64()));
    if (str(test, "result") == "valid") {
      ASSERT_TRUE(got.has_value());
      EXPECT_EQ(*got, bin(test, "okm"));
      ++counts.valid;
    } else {
      ASSERT_FALSE(got.has_value());
      EXPECT_EQ(got.error().code, Errc::kTooLarge);
      ++counts.refused;
    }
  });
  if (!rows) GTEST_SKIP() << "vectors folder absent";
  EXPECT_EQ(*rows, 86u);
  EXPECT_EQ(counts, (Counts{83, 3}));
}

TEST(Wycheproof, Aes256Gcm) {
  Counts counts;
  std::size_t other_sizes = 0;
  const auto rows = vectors::each("aes_gcm_test.json", [&](const object&, const object& test) {
    const std::string key = bin(test, "key"), iv = bin(test, "iv"), aad = bin(test, "aad");
    const std::string sealed = bin(test, "ct") + bin(test, "tag");
    const auto opened = aead_open(key, iv, aad, sealed);
    if (key.size() != kAeadKey || iv.size() != kAeadNonce) {
      // We take 256-bit keys and 96-bit nonces alone: valid rows of other sizes are refused too.
      ASSERT_FALSE(opened.has_value());
      EXPECT_EQ(opened.error().reason.text(), "aead sizes");
      ++other_sizes;
    } else if (str(test, "result") == "valid") {
      ASSERT_TRUE(opened.has_value());
      EXPECT_EQ(*opened, bin(test, "msg"));
      const auto again = aead_seal(key, iv, aad, *opened);
      ASSERT_TRUE(again.has_value());
      EXPECT_EQ(*again, sealed);
      ++counts.valid;
    } else {
      ASSERT_FALSE(opened.has_value());
      EXPECT_EQ(opened.error().reason.text(), "aead tag");
      ++counts.refused;
    }
  });
  if (!rows) GTEST_SKIP() << "vectors folder absent";
  EXPECT_EQ(*rows, 316u);
  EXPECT_EQ(other_sizes, 250u);
  EXPECT_EQ(counts.valid + counts.refused, 66u);
  EXPECT_GT(counts.refused, 20u);
}

}  // namespace
}  // namespace stint::crypto
