// Who asks at the token endpoint: client assertions (RFC 7523) and proofs of a key (RFC 9449, RFC
// 8705), each row an assertion of the standard that it names.
#include "oauth_for_test.h"

namespace stint::oauth {
namespace {

TEST_F(OAuthTest, AssertionIsRefusedAndNothingOpens) {
  const auto with = [this](const json::Object& changes, std::string_view typ = "JWT") {
    return [this, changes, typ](Ask& a, testkit::Edge&) {
      a.set("client_assertion", assertion_with(edge.coder, changes, typ));
    };
  };
  const std::int64_t now = unix_seconds(edge.clock.wall());
  TestAgent stranger = edge.coder;
  stranger.name = "nobody";
  TestAgent forger = edge.coder;
  forger.key = edge.make_key(crypto::Alg::kES256);
  TestAgent other_kid = edge.coder;
  other_kid.kid = "never-seen";
  const BadRow rows[] = {
      {"7523_2_aud_token_endpoint", with({{"aud", testkit::kTokenUrl}}), 401, "invalid_client",
       "assertion aud"},
      {"7523_2_aud_array", with({{"aud", json::Array{testkit::kIssuer}}}), 401, "invalid_client",
       "assertion aud array"},
      {"7523_2_aud_array_of_two",
       with({{"aud", json::Array{testkit::kIssuer, testkit::kTokenUrl}}}), 401, "invalid_client",
       "assertion aud array"},
      {"7523_2_aud_missing", with({{"aud", nullptr}}), 401, "invalid_client", "assertion aud"},
      {"7523_1_iss_is_not_sub", with({{"iss", "helper"}}), 401, "invalid_client", "assertion iss"},
      {"7523_4_exp_missing", with({{"exp", nullptr}}), 401, "invalid_client", "jwt exp"},
      {"7523_4_expired", with({{"exp", now - 31}}), 401, "invalid_client", "jwt expired"},
      {"7523_4_exp_far", with({{"exp", now + 331}}), 401, "invalid_client",
       "assertion exp too far"},
      {"7523_4_jti_missing", with({{"jti", nullptr}}), 401, "invalid_client", "assertion jti"},
      {"7523_not_yet", with({{"nbf", now + 60}}), 401, "invalid_client", "jwt nbf"},
      {"8725_typ_of_an_access_token", with({}, "at+jwt"), 401, "invalid_client", "assertion typ"},
      {"8725_typ_of_a_proof", with({}, "dpop+jwt"), 401, "invalid_client", "assertion typ"},
      {"unknown_client",
       [&](Ask& a, auto&) { a.set("client_assertion", edge.assertion(stranger)); }, 401,
       "invalid_client", "client authentication failed"},
      {"7523_5_bad_signature",
       [&](Ask& a, auto&) { a.set("client_assertion", edge.assertion(forger)); }, 401,
       "invalid_client", "client authentication failed"},
      {"unknown_key", [&](Ask& a, auto&) { a.set("client_assertion", edge.assertion(other_kid)); },
       401, "invalid_client", "client authentication failed"},
      {"7523_5_alg_none",
       [](Ask& a, auto&) {
         a.set("client_assertion", codec::encode_base64url(R"({"alg":"none"})") + "." +
                                       codec::encode_base64url(R"({"sub":"coder"})") + ".");
       },
       401, "invalid_client", "jws alg"},
      {"not_a_jwt", [](Ask& a, auto&) { a.set("client_assertion", "hello"); }, 401,
       "invalid_client", "jws parts"},
      {"suspended",
       [](Ask& a, testkit::Edge& e) { a.set("client_assertion", e.assertion(e.idler)); }, 401,
       "invalid_client", "the agent is suspended"},
      {"client_id_of_another", [](Ask& a, auto&) { a.set("client_id", "helper"); }, 401,
       "invalid_client", "client_id is not the assertion's"},
      {"other_assertion_type",
       [](Ask& a, auto&) {
         a.set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer");
       },
       401, "invalid_client", "client_assertion_type is not known here"},
      {"id_token_as_assertion",
       [](Ask& a, testkit::Edge& e) { a.set("client_assertion", e.id_token()); }, 401,
       "invalid_client", "client authentication failed", "borrowed-session"},
  };
  std::vector<std::string> expected;
  for (const BadRow& row : rows) {
    SCOPED_TRACE(row.name);
    Ask a = credentials(edge.coder);
    row.change(a, edge);
    const Told told = send(a);
    expect_refused(told, row.status, row.error, row.reason);
    EXPECT_FALSE(told.headers.has("WWW-Authenticate"));  // the client used no header
    if (row.signal != nullptr) expected.emplace_back(row.signal);
    EXPECT_EQ(edge.signals(), expected);
  }
  EXPECT_EQ(edge.count("task.opened"), 0U);
}

TEST_F(OAuthTest, AnAssertionCountsOnceAnywhere) {
  Ask a = credentials(edge.coder);
  ASSERT_EQ(send(a).status, 200);
  a.headers.set("DPoP", edge.proof(edge.coder.dpop, "POST", testkit::kTokenUrl));
  expect_refused(send(a), 401, "invalid_client", "the client assertion was used before");
  // Also at another endpoint, and after a command that failed.
  Ask i = about(edge.coder, "introspect", "x");
  for (const auto& [name, value] : a.form)
    if (name == "client_assertion") i.set(name, value);
  expect_refused(send(i), 401, "invalid_client", "the client assertion was used before");
  EXPECT_EQ(edge.count("task.opened"), 1U);
}

TEST_F(OAuthTest, ProofIsRefusedAndNothingOpens) {
  const auto proof = [](const crypto::PrivateKey& key, std::string_view method,
                        std::string_view url, std::string_view nonce) {
    return [&, method, url, nonce = std::string(nonce)](Ask& a, testkit::Edge& e) {
      a.headers.set("DPoP", e.proof_with_nonce(key, method, url, "", nonce));
    };
  };
  const std::string nonce = edge.gate.nonce(edge.clock.wall());
  const auto dated = [this, nonce](std::chrono::seconds by) {
    return [this, nonce, by](Ask& a, testkit::Edge&) {
      a.headers.set("DPoP", testkit::must_have(
                                jose::make_proof(edge.coder.dpop, {.method = "POST",
                                                                   .htu = testkit::kTokenUrl,
                                                                   .now = edge.clock.wall() + by,
                                                                   .jti = edge.fresh_id(),
                                                                   .access_token = {},
                                                                   .nonce = nonce})));
    };
  };
  const BadRow rows[] = {
      {"none_at_all", [](Ask& a, auto&) { a.headers.remove("DPoP"); }, 400, "invalid_request",
       "no DPoP proof and no client certificate"},
      {"9449_1_two",
       [](Ask& a, testkit::Edge& e) {
         a.headers.add("DPoP", e.proof(e.coder.dpop, "POST", testkit::kTokenUrl));
       },
       400, "invalid_dpop_proof", "more than one DPoP proof"},
      {"9449_6_no_nonce", proof(edge.coder.dpop, "POST", testkit::kTokenUrl, ""), 400,
       "use_dpop_nonce", "dpop nonce"},
      {"9449_6_foreign_nonce", proof(edge.coder.dpop, "POST", testkit::kTokenUrl, "made-up"), 400,
       "use_dpop_nonce", "dpop nonce"},
      {"9449_3_htm", proof(edge.coder.dpop, "GET", testkit::kTokenUrl, nonce), 400,
       "invalid_dpop_proof", "dpop htm", "proof-mismatch"},
      {"9449_3_htu_introspection",
       proof(edge.coder.dpop, "POST", "http://127.0.0.1:7443/oauth/introspect", nonce), 400,
       "invalid_dpop_proof", "dpop htu", nullptr},  // the same signal, within a second
      {"9449_5_old", dated(-61s), 400, "invalid_dpop_proof", "dpop iat too old", "proof-stale"},
      {"9449_5_future", dated(31s), 400, "invalid_dpop_proof", "dpop iat in the future"},
      {"9449_2_typ", [](Ask& a, testkit::Edge& e) { a.headers.set("DPoP", e.assertion(e.coder)); },
       400, "invalid_dpop_proof", "dpop typ"},
      {"not_a_jwt", [](Ask& a, auto&) { a.headers.set("DPoP", "x.y"); }, 400, "invalid_dpop_proof",
       "jws parts"},
  };
  std::vector<std::string> expected;
  for (const BadRow& row : rows) {
    SCOPED_TRACE(row.name);
    Ask a = credentials(edge.coder);
    row.change(a, edge);
    const Told told = send(a);
    expect_refused(told, row.status, row.error, row.reason);
    EXPECT_TRUE(told.headers.has("DPoP-Nonce"));
    if (row.signal != nullptr) expected.emplace_back(row.signal);
    EXPECT_EQ(edge.signals(), expected);
  }
  EXPECT_EQ(edge.count("task.opened"), 0U);
}

TEST_F(OAuthTest, AskingForANonceUsesNothingUp) {
  Ask a = credentials(edge.coder);
  a.headers.set("DPoP", edge.proof_with_nonce(edge.coder.dpop, "POST", testkit::kTokenUrl, "", ""));
  const Told first = send(a);
  expect_refused(first, 400, "use_dpop_nonce", "dpop nonce");
  const std::string nonce(*first.headers.one("DPoP-Nonce"));
  a.headers.set("DPoP",
                edge.proof_with_nonce(edge.coder.dpop, "POST", testkit::kTokenUrl, "", nonce));
  EXPECT_EQ(send(a).status, 200);  // the same assertion
}

TEST_F(OAuthTest, NoncesGrowOld) {
  const std::string nonce = edge.gate.nonce(edge.clock.wall());
  const auto with = [&] {
    Ask a = credentials(edge.coder);
    a.headers.set("DPoP",
                  edge.proof_with_nonce(edge.coder.dpop, "POST", testkit::kTokenUrl, "", nonce));
    return send(a);
  };
  EXPECT_EQ(with().status, 200);
  edge.clock.advance(120s);
  EXPECT_EQ(with().status, 200);  // the bucket before
  edge.clock.advance(120s);
  expect_refused(with(), 400, "use_dpop_nonce", "dpop nonce");
}

TEST_F(OAuthTest, AProofPassesOnce) {
  Ask a = credentials(edge.coder);
  ASSERT_EQ(send(a).status, 200);
  a.set("client_assertion", edge.assertion(edge.coder));
  expect_refused(send(a), 400, "invalid_dpop_proof", "proof replayed");
  EXPECT_EQ(edge.signals(), std::vector<std::string>{"proof-replayed"});
  EXPECT_EQ(edge.count("task.opened"), 1U);
}

TEST_F(OAuthTest, StrangersCannotFillTheMemoryOfProofs) {
  TestAgent stranger = edge.coder;
  stranger.name = "nobody";
  for (int i = 0; i < 20; ++i) EXPECT_EQ(send(credentials(stranger)).status, 401);
  EXPECT_EQ(edge.gate.stats().proofs, 0U);
}

TEST_F(OAuthTest, ACertificateBindsWhereNoProofIs) {
  Ask a = credentials(edge.coder);
  a.headers.remove("DPoP");
  a.peer.tls = true;
  a.peer.certificate.emplace();
  a.peer.certificate->fill(7);
  const Told told = send(a);
  ASSERT_EQ(told.status, 200) << told.body;
  EXPECT_EQ(told.text("token_type"), "Bearer");  // RFC 8705 section 3
  const json::Object claims = claims_of(told.text("access_token"));
  EXPECT_EQ(claims.at("cnf").at("x5t#S256"),
            json::Value(codec::encode_base64url(crypto::view(*a.peer.certificate))));
  EXPECT_FALSE(claims.at("cnf").as_object().contains("jkt"));

  Ask both = credentials(edge.coder);  // a proof wins
  both.peer = a.peer;
  EXPECT_EQ(send(both).text("token_type"), "DPoP");

  // The handle is bound to the certificate too.
  Ask r = refreshing(edge.coder, told.text("refresh_token"));
  expect_refused(send(r), 400, "invalid_grant", "the handle is bound to another key");
  r = refreshing(edge.coder, told.text("refresh_token"));
  r.headers.remove("DPoP");
  r.peer = a.peer;
  EXPECT_EQ(send(r).status, 200);
}

}  // namespace
}  // namespace stint::oauth
