#pragma once

#include "../jose/jose_test_util.h"
#include "oauth_for_test.h"

// Hostile bytes at OAuth's endpoints: each row has the exact refusal, in OAuth's form, and nothing
// is opened, minted, revoked or told. A row's number is that of the standards reference.
namespace stint::oauth {

using jose::testing_util::forge;
using jose::testing_util::with;

class HostileTest : public OAuthTest {
 protected:
  static std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  }
  static std::string in(std::string text, std::string_view from, std::string_view to) {
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos);
    return text.replace(at, from.size(), to);
  }
  // The same JWT with its header or payload changed, signed again.
  struct Jwt {
    std::string header, payload;
    const crypto::PrivateKey* key;
    std::string headed(std::string_view member, std::string_view value) const {
      return forge(with(header, member, value), payload, *key);
    }
    std::string claiming(std::string_view member, std::string_view value) const {
      return forge(header, with(payload, member, value), *key);
    }
    std::string whole() const { return forge(header, payload, *key); }
    // HS256 keyed with the public key that everybody may read.
    std::string hmac() const {
      const std::string signing = codec::encode_base64url(with(header, "alg", "\"HS256\"")) + "." +
                                  codec::encode_base64url(payload);
      const std::string secret = json::write(jose::bare_json(key->public_key()));
      return signing + "." +
             codec::encode_base64url(crypto::view(crypto::hmac_sha256(secret, signing)));
    }
  };
  static Jwt apart(const std::string& compact, const crypto::PrivateKey& key) {
    const auto first = compact.find('.'), second = compact.rfind('.');
    return {.header = testkit::must_have(codec::decode_base64url(compact.substr(0, first))),
            .payload = testkit::must_have(
                codec::decode_base64url(compact.substr(first + 1, second - first - 1))),
            .key = &key};
  }

  struct Row {
    const char* name;
    std::string text;
    std::string_view reason;
  };
  // What is wrong with any JWT, whatever it is for.
  static std::vector<Row> shapes(const Jwt& good, const crypto::PrivateKey& thief) {
    const std::string text = good.whole();
    const auto dot = text.rfind('.');
    return {
        {"no_jwt", "hello", "jws parts"},
        {"cut", text.substr(0, dot), "jws parts"},
        {"five_parts", text + ".AAAA.AAAA", "jws parts"},
        {"json_serialisation", R"({"payload":"AA","signatures":[]})", "jws parts"},
        {"8725_padding", text + "==", "base64url alphabet"},
        {"payload_of_one_letter", text.substr(0, text.find('.')) + ".A" + text.substr(dot),
         "base64url length"},
        {"header_of_4097_bytes", std::string(4097, 'a') + ".AA.AA", "jws header too large"},
        {"8725_none", good.headed("alg", "\"none\""), "jws alg"},
        {"8725_hmac_with_the_public_key", good.hmac(), "jws alg"},
        {"8725_unknown_alg", good.headed("alg", "\"ES512\""), "jws alg"},
        {"alg_missing", good.headed("alg", ""), "jws alg"},
        {"8725_crit", good.headed("crit", "[\"exp\"]"), "jws crit"},
        {"8725_b64", good.headed("b64", "false"), "jws b64"},
        {"8725_zip", good.headed("zip", "\"DEF\""), "jws zip"},
        {"8725_jku", good.headed("jku", "\"http://127.0.0.1:9/\""), "jws key by reference"},
        {"8725_x5u", good.headed("x5u", "\"http://127.0.0.1:9/\""), "jws key by reference"},
        {"header_duplicate_key",
         forge(in(good.header, R"("alg")", R"("alg":"none","alg")"), good.payload, *good.key),
         "json duplicate key"},
        {"header_deep", good.headed("x", nested(9)), "json too deep"},
        {"header_no_object", forge("[]", good.payload, *good.key), "json not an object"},
        {"header_no_json", forge("alg: ES256", good.payload, *good.key), "json syntax"},
        {"signed_by_another", forge(good.header, good.payload, thief), "signature"},
        {"signature_of_zeros",
         text.substr(0, dot + 1) + codec::encode_base64url(std::string(64, '\0')), "signature"},
    };
  }
  // And with the claims of one, though the right key signed them.
  static std::vector<Row> claims(const Jwt& good) {
    const auto signed_with = [&](const std::string& payload) {
      return forge(good.header, payload, *good.key);
    };
    return {
        {"payload_no_object", signed_with("[]"), "json not an object"},
        {"payload_no_json", signed_with("hello"), "json syntax"},
        {"payload_cut", signed_with(good.payload.substr(0, good.payload.size() - 1)),
         "json incomplete"},
        {"payload_duplicate_key", signed_with(in(good.payload, R"("iat")", R"("iat":1,"iat")")),
         "json duplicate key"},
        {"payload_deep", good.claiming("x", nested(32)), "json too deep"},
        {"payload_not_utf8", signed_with(in(good.payload, R"("iat")", "\"\xff\":1,\"iat\"")),
         "json utf-8"},
        {"number_over_int64",
         signed_with(in(good.payload, R"("iat")", R"("x":9223372036854775808,"iat")")),
         "json integer range"},
    };
  }

  void TearDown() override {
    EXPECT_EQ(edge.count("task.opened"), opened);
    EXPECT_EQ(edge.count("token.minted"), opened);
    EXPECT_EQ(edge.count("token.revoked"), 0U);
    EXPECT_EQ(edge.count("task.closed"), 0U);
  }
  std::size_t opened = 0;
};

}  // namespace stint::oauth
