// Wycheproof's json_web_signature rows, with how many ran and why each refused one was refused.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>

#include "jose_test_util.h"
#include "stint/jose/jws.h"

namespace stint::jose {
namespace {

namespace bj = boost::json;

// The reason of the first step that refuses; "" when the row verifies.
std::string outcome(const bj::object& group, std::string_view compact) {
  bj::object key =
      (group.contains("public") ? group.at("public") : group.at("private")).as_object();
  if (!group.contains("public"))
    for (const auto name : {"d", "p", "q", "dp", "dq", "qi"}) key.erase(name);
  const auto jwk = parse_public_jwk(key);
  if (!jwk) return "key: " + std::string(jwk.error().reason.text());
  const auto jws = parse_compact(compact);
  if (!jws) return std::string(jws.error().reason.text());
  const crypto::Alg allowed[] = {jwk->alg};  // pinned by the key
  const auto good = verify(*jws, jwk->key, allowed);
  return good ? "" : std::string(good.error().reason.text());
}

TEST(Wycheproof, JsonWebSignature) {
  std::ifstream in(std::string(STINT_VECTORS) + "/wycheproof/json_web_signature_test.json");
  if (!in) {
    std::printf("SKIPPED: all rows of wycheproof/json_web_signature_test.json\n");
    GTEST_SKIP() << "the vectors folder is absent";
  }
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  std::size_t rows = 0, accepted = 0, valid_refused = 0;
  std::map<std::string, std::size_t> reasons;
  const bj::value doc = bj::parse(bytes);
  for (const auto& g : doc.as_object().at("testGroups").as_array())
    for (const auto& t : g.as_object().at("tests").as_array()) {
      const bj::object& group = g.as_object();
      const bj::object& test = t.as_object();
      SCOPED_TRACE("tcId " + std::to_string(test.at("tcId").as_int64()) + ": " +
                   std::string(test.at("comment").as_string()));
      ++rows;
      const std::string why = outcome(group, std::string(test.at("jws").as_string()));
      ++reasons[why];
      const bool valid = test.at("result").as_string() == "valid";
      if (why.empty()) {
        EXPECT_TRUE(valid);
        ++accepted;
      } else if (valid) {
        // We verify ES256, RS256, PS256 and EdDSA alone: valid rows of other algorithms, and of
        // MACs, are refused for their key or algorithm and for nothing else.
        EXPECT_TRUE(why == "key: jwk alg" || why == "key: jwk crv" || why == "key: jwk kty" ||
                    why == "key: jwk private member" || why == "jws alg")
            << why;
        ++valid_refused;
      }
    }
  std::printf("ran %zu rows of wycheproof/json_web_signature_test.json\n", rows);
  EXPECT_EQ(rows, 401u);
  EXPECT_EQ(accepted, 16u);
  EXPECT_EQ(valid_refused, 30u);
  const std::map<std::string, std::size_t> want = {{"", 16},
                                                   {"json incomplete", 4},
                                                   {"jws alg", 3},
                                                   {"jws parts", 10},
                                                   {"key: jwk alg", 33},
                                                   {"key: jwk crv", 2},
                                                   {"key: jwk key_ops", 2},
                                                   {"key: jwk private member", 40},
                                                   {"key: jwk use", 2},
                                                   {"signature", 289}};
  EXPECT_EQ(reasons, want);
}

}  // namespace
}  // namespace stint::jose
