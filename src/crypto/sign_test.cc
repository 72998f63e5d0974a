#include "stint/crypto/sign.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <thread>

#include "stint/crypto/hot_keys.h"
#include "stint/crypto/system_entropy.h"
#include "stint/testkit/reveal.h"
#include "stint/testkit/seeded_entropy.h"
#include "vectors_test_util.h"

namespace stint::crypto {
namespace {

using testkit::SeededEntropy;
using vectors::unhex;

constexpr Alg kAll[] = {Alg::kES256, Alg::kRS256, Alg::kEdDSA, Alg::kPS256};

PrivateKey test_key(Alg alg, std::uint64_t seed = 1) {
  SeededEntropy entropy(seed);
  auto key = PrivateKey::generate(alg, entropy);
  EXPECT_TRUE(key.has_value());
  return std::move(*key);
}

std::string_view reason(const auto& result) {
  return result.has_value() ? "" : result.error().reason.text();
}

TEST(Alg, TextRoundTripsAndNothingElseParses) {
  for (const Alg alg : kAll) EXPECT_EQ(parse_alg(text(alg)), alg);
  for (const auto name : {"none", "None", "HS256", "es256", "ES256 ", "", "RS384", "ES384"})
    EXPECT_EQ(parse_alg(name), std::nullopt) << name;
}

TEST(Sign, VerifiesAndRefusesEveryAlteration) {
  for (const Alg alg : kAll) {
    SCOPED_TRACE(text(alg));
    const PrivateKey key = test_key(alg);
    EXPECT_EQ(key.alg(), alg);
    const auto sig = key.sign("message");
    ASSERT_TRUE(sig.has_value());
    EXPECT_TRUE(key.public_key().verify(alg, "message", *sig).has_value());
    EXPECT_EQ(reason(key.public_key().verify(alg, "messagf", *sig)), "signature");
    EXPECT_EQ(reason(key.public_key().verify(alg, "", *sig)), "signature");
    EXPECT_EQ(reason(key.public_key().verify(alg, "message", "")), "signature");
    EXPECT_EQ(reason(key.public_key().verify(alg, "message", *sig + '\0')), "signature");
    for (std::size_t i = 0; i < sig->size(); i += 7) {
      std::string bad = *sig;
      bad[i] = static_cast<char>(bad[i] ^ 1);
      EXPECT_EQ(reason(key.public_key().verify(alg, "message", bad)), "signature");
    }
  }
}

TEST(Sign, AnAlgorithmOfAnotherKindIsRefused) {
  for (const Alg alg : kAll) {
    const PrivateKey key = test_key(alg);
    const auto sig = key.sign("m");
    for (const Alg other : kAll) {
      if (other == alg) continue;
      const auto got = key.public_key().verify(other, "m", *sig);
      // RS256 and PS256 share a kind of key; the signature itself then fails.
      EXPECT_EQ(reason(got),
                fits(other, key.public_key().kind()) ? "signature" : "alg does not fit the key");
    }
  }
}

TEST(Sign, SameEntropySameKey) {
  EXPECT_EQ(test_key(Alg::kES256, 5).public_key(), test_key(Alg::kES256, 5).public_key());
  EXPECT_FALSE(test_key(Alg::kES256, 5).public_key() == test_key(Alg::kES256, 6).public_key());
  EXPECT_EQ(test_key(Alg::kEdDSA, 5).public_key(), test_key(Alg::kEdDSA, 5).public_key());
}

TEST(PrivateKeyText, RoundTripsThroughPkcs8AndPem) {
  for (const Alg alg : kAll) {
    SCOPED_TRACE(text(alg));
    const PrivateKey key = test_key(alg);
    const Secret secret = key.to_pkcs8();
    const std::string der(RevealKeyForTest::reveal(secret));
    const auto again = PrivateKey::from_pkcs8(der, alg);
    ASSERT_TRUE(again.has_value()) << reason(again);
    EXPECT_EQ(again->public_key(), key.public_key());
    EXPECT_TRUE(key.public_key().verify(alg, "m", *again->sign("m")).has_value());
    const auto pem = PrivateKey::from_pem(key.export_plain_pem(), alg);
    ASSERT_TRUE(pem.has_value()) << reason(pem);
    EXPECT_EQ(pem->public_key(), key.public_key());

    EXPECT_EQ(reason(PrivateKey::from_pkcs8(der + "x", alg)), "pkcs8");
    EXPECT_EQ(reason(PrivateKey::from_pkcs8(der.substr(0, der.size() - 1), alg)), "pkcs8");
    const Alg other = alg == Alg::kES256 ? Alg::kEdDSA : Alg::kES256;
    EXPECT_EQ(reason(PrivateKey::from_pkcs8(der, other)), "alg does not fit the key");
  }
  EXPECT_EQ(reason(PrivateKey::from_pkcs8(std::string(17000, 'x'), Alg::kES256)),
            "private key too large");
  EXPECT_EQ(reason(PrivateKey::from_pkcs8("", Alg::kES256)), "pkcs8");
  EXPECT_EQ(reason(PrivateKey::from_pem("no key", Alg::kES256)), "pem");
  EXPECT_EQ(reason(PrivateKey::from_pem("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC "
                                        "PRIVATE KEY-----\n",
                                        Alg::kES256)),
            "pem is not PRIVATE KEY");
}

TEST(PrivateKeyText, RawScalarsHaveTheirRange) {
  const std::string n = unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
  std::string n_minus_1 = n;
  n_minus_1.back() = '\x50';
  EXPECT_TRUE(PrivateKey::from_raw(n_minus_1, Alg::kES256).has_value());
  EXPECT_EQ(reason(PrivateKey::from_raw(n, Alg::kES256)), "private key");
  EXPECT_EQ(reason(PrivateKey::from_raw(std::string(32, '\0'), Alg::kES256)), "private key");
  EXPECT_EQ(reason(PrivateKey::from_raw("short", Alg::kES256)), "private key size");
  EXPECT_EQ(reason(PrivateKey::from_raw(n, Alg::kRS256)), "raw private key of this alg");
}

// RFC 8032 section 7.1, test 1: deterministic, so the signature itself is known.
TEST(Ed25519, Rfc8032) {
  const auto key = PrivateKey::from_raw(
      unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"), Alg::kEdDSA);
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(key->public_key().first(),
            unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"));
  EXPECT_EQ(*key->sign(""),
            unhex("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33b"
                  "acc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"));
}

TEST(PublicKey, RefusesWhatIsNoKey) {
  const PrivateKey p256 = test_key(Alg::kES256);
  const PublicKey& pub = p256.public_key();
  std::string y(pub.second());
  y[31] = static_cast<char>(y[31] ^ 1);
  EXPECT_EQ(reason(PublicKey::from_p256(pub.first(), y)), "p-256 point");
  EXPECT_EQ(reason(PublicKey::from_p256(std::string(32, '\0'), std::string(32, '\0'))),
            "p-256 point");
  EXPECT_EQ(reason(PublicKey::from_p256(std::string(32, '\xff'), pub.second())), "p-256 point");
  EXPECT_EQ(reason(PublicKey::from_p256(pub.first().substr(1), pub.second())),
            "p-256 coordinate size");

  const std::string e = unhex("010001");
  std::string n(256, '\xff');
  EXPECT_TRUE(PublicKey::from_rsa(n, e).has_value());
  EXPECT_TRUE(PublicKey::from_rsa(std::string(512, '\xff'), "\x03").has_value());
  EXPECT_EQ(reason(PublicKey::from_rsa(std::string(513, '\xff'), e)), "rsa modulus over 4096 bits");
  EXPECT_EQ(reason(PublicKey::from_rsa(n.substr(1), e)), "rsa modulus under 2048 bits");
  EXPECT_EQ(reason(PublicKey::from_rsa("\x7f" + n.substr(1), e)), "rsa modulus under 2048 bits");
  EXPECT_EQ(reason(PublicKey::from_rsa(std::string(1, '\0') + n, e)), "rsa leading zero");
  EXPECT_EQ(reason(PublicKey::from_rsa(n, std::string("\0\3", 2))), "rsa leading zero");
  EXPECT_EQ(reason(PublicKey::from_rsa(n, "")), "rsa leading zero");
  EXPECT_EQ(reason(PublicKey::from_rsa(n, "\x01")), "rsa exponent");
  EXPECT_EQ(reason(PublicKey::from_rsa(n, "\x04")), "rsa exponent");
  EXPECT_EQ(reason(PublicKey::from_rsa(n, unhex("0100000001"))), "rsa exponent over 32 bits");
  n.back() = '\xfe';
  EXPECT_EQ(reason(PublicKey::from_rsa(n, e)), "rsa modulus even");

  EXPECT_EQ(reason(PublicKey::from_ed25519(std::string(31, 'x'))), "ed25519 key size");
  // Small order: the identity, and the point of order 2. Any signature of zeros would "verify".
  EXPECT_EQ(reason(PublicKey::from_ed25519("\x01" + std::string(31, '\0'))), "ed25519 point");
  EXPECT_EQ(reason(PublicKey::from_ed25519(
                unhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"))),
            "ed25519 point");
}

// Valid, altered, range-edge and other-key signatures: a table never disagrees with EVP.
TEST(HotKeys, TableAndEvpAgree) {
  if (!HotKeys::available()) GTEST_SKIP() << "built without tables";
  const std::string n = unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
  HotKeys hot;
  std::size_t good = 0, bad = 0;
  const auto compare = [&](const PrivateKey& key, const std::vector<PublicKey>& strangers) {
    const PublicKey& with = key.public_key();
    const auto without = PublicKey::from_p256(with.first(), with.second());
    ASSERT_TRUE(hot.build(with).has_value());
    ASSERT_TRUE(HotKeys::has_table(with));
    ASSERT_FALSE(HotKeys::has_table(*without));
    std::string n_minus_1 = n;
    n_minus_1.back() = '\x50';
    const std::string zero(32, '\0'), one = std::string(31, '\0') + '\x01';
    for (int i = 0; i < 40; ++i) {
      const std::string message = "message " + std::to_string(i);
      const std::string sig = *key.sign(message);
      std::vector<std::string> candidates{sig, sig.substr(32) + sig.substr(0, 32)};
      for (const auto& part : {zero, one, n, n_minus_1, std::string(32, '\xff')}) {
        candidates.push_back(part + sig.substr(32));
        candidates.push_back(sig.substr(0, 32) + part);
        candidates.push_back(part + part);
      }
      std::string flipped = sig;
      flipped[static_cast<std::size_t>(i)] =
          static_cast<char>(flipped[static_cast<std::size_t>(i)] ^ 4);
      candidates.push_back(flipped);
      candidates.push_back(sig.substr(1));
      for (const auto& c : candidates) {
        const bool got = with.verify(Alg::kES256, message, c).has_value();
        ASSERT_EQ(got, without->verify(Alg::kES256, message, c).has_value());
        ++(got ? good : bad);
      }
      for (const auto& stranger : strangers)
        EXPECT_FALSE(stranger.verify(Alg::kES256, message, sig).has_value());
    }
  };
  // Q = G and Q = -G, where the sum of the two halves can double or vanish.
  std::string n_minus_1 = n;
  n_minus_1.back() = '\x50';
  std::vector<PublicKey> seen;
  for (const std::string& d : {std::string(31, '\0') + '\x01', n_minus_1}) {
    const auto key = PrivateKey::from_raw(d, Alg::kES256);
    compare(*key, seen);
    seen.push_back(key->public_key());
  }
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const PrivateKey key = test_key(Alg::kES256, seed);
    compare(key, seen);
    seen.push_back(key.public_key());
  }
  EXPECT_GE(good, 6u * 40);
  EXPECT_GE(bad, 6u * 40 * 17);
}

TEST(HotKeys, OnlyKeysThatProvedThemselvesAndOnlyOnce) {
  if (!HotKeys::available()) GTEST_SKIP() << "built without tables";
  const PrivateKey key = test_key(Alg::kES256);
  const std::string sig = *key.sign("m");
  PublicKey pub = *PublicKey::from_p256(key.public_key().first(), key.public_key().second());
  for (std::uint64_t i = 0; i < 2 * HotKeys::kWorthIt; ++i)
    ASSERT_FALSE(pub.verify(Alg::kES256, "other", sig).has_value());
  EXPECT_FALSE(HotKeys::deserves_table(pub));  // bad signatures earn nothing
  for (std::uint64_t i = 1; i < HotKeys::kWorthIt; ++i)
    ASSERT_TRUE(pub.verify(Alg::kES256, "m", sig).has_value());
  EXPECT_FALSE(HotKeys::deserves_table(pub));
  ASSERT_TRUE(pub.verify(Alg::kES256, "m", sig).has_value());
  EXPECT_TRUE(HotKeys::deserves_table(pub));
  EXPECT_FALSE(HotKeys::deserves_table(pub));  // one builder is told
  EXPECT_FALSE(HotKeys::deserves_table(test_key(Alg::kEdDSA).public_key()));
}

TEST(HotKeys, TheLeastUsedLeavesAndPinnedStay) {
  if (!HotKeys::available()) GTEST_SKIP() << "built without tables";
  HotKeys hot(3);
  const PrivateKey a = test_key(Alg::kES256, 1), b = test_key(Alg::kES256, 2),
                   c = test_key(Alg::kES256, 3), d = test_key(Alg::kES256, 4);
  const auto use = [](const PrivateKey& k) {
    ASSERT_TRUE(k.public_key().verify(Alg::kES256, "m", *k.sign("m")).has_value());
  };
  ASSERT_TRUE(hot.build_pinned(a.public_key()).has_value());
  ASSERT_TRUE(hot.build(b.public_key()).has_value());
  ASSERT_TRUE(hot.build(c.public_key()).has_value());
  ASSERT_TRUE(hot.build(c.public_key()).has_value());  // twice is harmless
  EXPECT_EQ(hot.size(), 3u);
  use(c);
  ASSERT_TRUE(hot.build(d.public_key()).has_value());
  EXPECT_EQ(hot.size(), 3u);
  EXPECT_TRUE(HotKeys::has_table(a.public_key()));
  EXPECT_FALSE(HotKeys::has_table(b.public_key()));
  EXPECT_TRUE(HotKeys::has_table(c.public_key()));
  EXPECT_TRUE(HotKeys::has_table(d.public_key()));
  ASSERT_TRUE(hot.build_pinned(c.public_key()).has_value());
  ASSERT_TRUE(hot.build_pinned(d.public_key()).has_value());
  EXPECT_EQ(reason(hot.build(b.public_key())), "all tables are pinned");
  EXPECT_EQ(reason(hot.build(test_key(Alg::kRS256).public_key())), "table for this kind of key");
  use(b);  // without a table all still verifies
}

TEST(Threads, ManyVerifyAndSignWhileTablesComeAndGo) {
  const PrivateKey key = test_key(Alg::kES256), ed = test_key(Alg::kEdDSA),
                   rsa = test_key(Alg::kPS256);
  HotKeys hot(1);
  std::atomic<int> failures{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i)
          for (const PrivateKey* k : {&key, &ed, &rsa}) {
            const auto sig = k->sign("m");
            if (!sig || !k->public_key().verify(k->alg(), "m", *sig)) ++failures;
          }
      });
    threads.emplace_back([&] {
      if (!HotKeys::available()) return;
      const PrivateKey other = test_key(Alg::kES256, 9);
      for (int i = 0; i < 5; ++i)
        if (!hot.build(key.public_key()) || !hot.build(other.public_key())) ++failures;
    });
  }
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace stint::crypto
