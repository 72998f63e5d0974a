// What a revoked signing key means at the gateway.
#include "gateway_for_test.h"

namespace stint::gateway::testing {
namespace {

using RevokedKey = GatewayTest;

// The token was verified here before, and is in the cache: it must not be believed from there.
TEST_F(RevokedKey, ItsTokensAreRefusedAtOnceWithTheirReason) {
  EXPECT_EQ(send({}).status, 200U);
  const std::string kid = testkit::must_have(edge->keys->signing_key(crypto::Alg::kES256)).kid;
  testkit::must_have(
      rt::block_on(edge->authority->revoke_key(kid, authority::Actor::local_operator(0))));
  const Answer got = send({});
  EXPECT_EQ(got.status, 401U);
  EXPECT_EQ(got.reason(), "the key that signed the token is revoked");
  EXPECT_NE(got.header("WWW-Authenticate").find("error=\"invalid_token\""), std::string::npos);
  EXPECT_EQ(upstream.calls(), 1) << "it saw the first one alone";
}

TEST_F(RevokedKey, RotatingRefusesNothing) {
  EXPECT_EQ(send({}).status, 200U);
  testkit::must_have(rt::block_on(edge->authority->rotate_keys(
      crypto::Alg::kES256, true, authority::Actor::local_operator(0))));
  EXPECT_EQ(send({}).status, 200U) << "signed by the former key";
}

}  // namespace
}  // namespace stint::gateway::testing
