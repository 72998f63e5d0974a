// Token exchange (RFC 8693): opening for a human. Delegation: delegation_test.cc.
#include "oauth_for_test.h"

namespace stint::oauth {
namespace {

constexpr std::string_view kAccessType = "urn:ietf:params:oauth:token-type:access_token";
constexpr std::string_view kJwt = "urn:ietf:params:oauth:token-type:jwt";

TEST_F(OAuthTest, AnIdTokenOpensATaskForAHuman) {
  Ask a = exchange(edge.helper);
  a.set(
      "subject_token",
      edge.id_token("alice-sub", {{"acr", "mfa"}, {"auth_time", unix_seconds(edge.clock.wall())}}));
  const Told told = send(a);
  ASSERT_EQ(told.status, 200) << told.body;
  EXPECT_EQ(told.text("issued_token_type"), kAccessType);  // 8693 1
  EXPECT_EQ(told.text("token_type"), "DPoP");
  const json::Object claims = claims_of(told.text("access_token"));
  EXPECT_EQ(claims.at("sub"), "alice@example.com");
  EXPECT_EQ(claims.at("act"), (json::Value{{"sub", "agent:helper"}}));
  EXPECT_EQ(claims.at("client_id"), "helper");
  EXPECT_EQ(claims.at("acr"), "mfa");
  EXPECT_TRUE(claims.contains("auth_time"));
  EXPECT_EQ(edge.count("task.opened"), 1U);
}

TEST_F(OAuthTest, TheActorTokenMayBeTheClientsProof) {
  Ask a = exchange(edge.helper);
  a.drop("client_assertion");
  a.drop("client_assertion_type");
  a.set("actor_token", edge.assertion(edge.helper));
  a.set("actor_token_type", std::string(kJwt));
  EXPECT_EQ(send(a).status, 200);
  // Beside a client assertion: of the same agent, also as the same text.
  Ask both = exchange(edge.helper);
  both.set("actor_token", edge.assertion(edge.helper));
  both.set("actor_token_type", std::string(kJwt));
  EXPECT_EQ(send(both).status, 200);
  Ask same = exchange(edge.helper);
  for (const auto& [name, value] : std::vector(same.form))
    if (name == "client_assertion") same.set("actor_token", value);
  same.set("actor_token_type", std::string(kJwt));
  EXPECT_EQ(send(same).status, 200);
  EXPECT_EQ(edge.count("task.opened"), 3U);
}

TEST_F(OAuthTest, AudienceMayNameAnUpstream) {
  Ask a = exchange(edge.helper);
  a.set("authorization_details", details({kTaskObject, kGitObject, kDeskObject}));
  a.set("audience", "desk");
  const Told told = send(a);
  ASSERT_EQ(told.status, 200) << told.body;
  EXPECT_EQ(claims_of(told.text("access_token")).at("aud"), json::Value(kDeskAudience));
  // 8707 5, 9396: the token carries what is for its audience; the task keeps the rest.
  EXPECT_EQ(claims_of(told.text("access_token")).at("authorization_details").as_array().size(), 1U);
  EXPECT_EQ(testkit::must_have(json::array_at(told.json, "authorization_details"))->size(), 3U);
}

TEST_F(OAuthTest, ExchangeIsRefusedAndNothingOpens) {
  const std::int64_t now = unix_seconds(edge.clock.wall());
  const auto id = [](std::string_view subject, const json::Object& extra) {
    return [subject, extra](Ask& a, testkit::Edge& e) {
      a.set("subject_token", e.id_token(subject, extra));
    };
  };
  const BadRow rows[] = {
      {"no_subject", [](Ask& a, auto&) { a.drop("subject_token"); }, 400, "invalid_request",
       "subject_token is missing"},
      {"no_subject_type", [](Ask& a, auto&) { a.drop("subject_token_type"); }, 400,
       "invalid_request", "subject_token_type is missing"},
      {"unknown_subject_type",
       [](Ask& a, auto&) { a.set("subject_token_type", "urn:ietf:params:oauth:token-type:saml2"); },
       400, "invalid_request", "subject_token_type is not known here"},
      {"8693_2_actor_without_type",
       [](Ask& a, testkit::Edge& e) { a.set("actor_token", e.assertion(e.helper)); }, 400,
       "invalid_request", "actor_token and actor_token_type go together"},
      {"8693_2_type_without_actor",
       [](Ask& a, auto&) { a.set("actor_token_type", std::string(kJwt)); }, 400, "invalid_request",
       "actor_token and actor_token_type go together"},
      {"actor_of_unknown_type",
       [](Ask& a, testkit::Edge& e) {
         a.set("actor_token", e.assertion(e.helper));
         a.set("actor_token_type", "urn:ietf:params:oauth:token-type:id_token");
       },
       400, "invalid_request", "actor_token_type is not known here"},
      {"actor_of_another_client",
       [](Ask& a, testkit::Edge& e) {
         a.set("actor_token", e.assertion(e.coder));
         a.set("actor_token_type", std::string(kJwt));
       },
       400, "invalid_request", "actor_token is another client's"},
      {"id_token_as_actor",
       [](Ask& a, testkit::Edge& e) {
         a.set("actor_token", e.id_token());
         a.set("actor_token_type", std::string(kJwt));
       },
       400, "invalid_request", "client authentication failed", "borrowed-session"},
      {"refresh_token_wanted",
       [](Ask& a, auto&) {
         a.set("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token");
       },
       400, "invalid_request", "requested_token_type is not known here"},
      {"8693_7_unknown_issuer", id("alice-sub", {{"iss", "https://other.test"}}), 400,
       "invalid_request", "id token issuer is not trusted"},
      {"wrong_audience", id("alice-sub", {{"aud", "other-client"}}), 400, "invalid_request",
       "id token aud"},
      {"expired", id("alice-sub", {{"exp", now - 61}}), 400, "invalid_request", "jwt expired"},
      {"from_the_future", id("alice-sub", {{"iat", now + 61}}), 400, "invalid_request", "jwt iat"},
      {"too_old", id("alice-sub", {{"iat", now - 301}}), 400, "invalid_request",
       "id token is too old"},
      {"unknown_human", id("mallory-sub", {}), 400, "invalid_request",
       "the human is not known here"},
      {"forged",
       [](Ask& a, testkit::Edge& e) {
         const auto key = e.make_key(crypto::Alg::kES256);
         const json::Object claims{{"iss", testkit::kIdpUrl},
                                   {"sub", "alice-sub"},
                                   {"aud", "stint"},
                                   {"iat", unix_seconds(e.clock.wall())},
                                   {"exp", unix_seconds(e.clock.wall()) + 60}};
         a.set("subject_token", testkit::must_have(jose::sign({.typ = "JWT", .kid = "idp-test"},
                                                              json::write(claims), key)));
       },
       400, "invalid_request", "signature"},
      {"8693_4_may_act", id("alice-sub", {{"may_act", json::Object{{"sub", "coder"}}}}), 400,
       "access_denied", "the human lets another client act"},
      {"8693_7_id_token_as_access_token",
       [](Ask& a, testkit::Edge& e) {
         a.set("subject_token_type", std::string(kAccessType));
         a.set("actor_token", e.actor_token(e.coder));
         a.set("actor_token_type", std::string(kJwt));
       },
       400, "invalid_request", "token typ", nullptr},  // borrowed-session again, within a second
      {"upstream_password_as_access_token",
       [](Ask& a, testkit::Edge& e) {
         a.set("subject_token_type", std::string(kAccessType));
         a.set("actor_token", e.actor_token(e.coder));
         a.set("actor_token_type", std::string(kJwt));
         a.set("subject_token", std::string(testkit::kPlantedSecret));
       },
       400, "invalid_request", "jws parts", nullptr},
      {"8693_5_target", [](Ask& a, auto&) { a.set("resource", std::string(kDeskAudience)); }, 400,
       "invalid_target", "no grant is for this resource"},
      {"audience_and_resource_disagree",
       [](Ask& a, auto&) {
         a.set("resource", std::string(kGitAudience));
         a.set("audience", "desk");
       },
       400, "invalid_target", "a token is for one resource"},
      {"unknown_audience", [](Ask& a, auto&) { a.set("audience", "nowhere"); }, 400,
       "invalid_target", "resource is not known here"},
      {"no_details", [](Ask& a, auto&) { a.drop("authorization_details"); }, 400, "invalid_request",
       "authorization_details is missing"},
  };
  std::vector<std::string> expected;
  for (const BadRow& row : rows) {
    SCOPED_TRACE(row.name);
    Ask a = exchange(edge.helper);
    row.change(a, edge);
    expect_refused(send(a), row.status, row.error, row.reason);
    if (row.signal != nullptr) expected.emplace_back(row.signal);
    EXPECT_EQ(edge.signals(), expected);
  }
  EXPECT_EQ(edge.count("task.opened"), 0U);
}

TEST_F(OAuthTest, WhatIsBorrowedIsReportedWhereverItIsOffered) {
  const std::string secret(testkit::kPlantedSecret);
  const std::string late =
      edge.id_token("alice-sub", {{"exp", unix_seconds(edge.clock.wall()) - 600}});
  struct Row {
    const char* name;
    std::string offered;
    Ask ask;
    unsigned status;
    std::string_view error, reason;
  };
  std::vector<Row> rows;
  for (const auto& [kind, offered, as_client, as_token] :
       {std::tuple{"id token", edge.id_token(), "client authentication failed", "token typ"},
        std::tuple{"expired id token", late, "client authentication failed", "token typ"},
        std::tuple{"upstream's password", secret, "jws parts", "jws parts"}}) {
    Ask assertion = credentials(edge.coder);
    assertion.set("client_assertion", offered);
    rows.push_back({kind, offered, assertion, 401, "invalid_client", as_client});
    for (const char* endpoint : {"introspect", "revoke"}) {
      Ask a = about(edge.coder, endpoint, "x");
      a.set("client_assertion", offered);
      rows.push_back({kind, offered, a, 401, "invalid_client", as_client});
    }
    Ask actor = exchange(edge.helper);
    actor.set("actor_token", offered);
    actor.set("actor_token_type", std::string(kJwt));
    rows.push_back({kind, offered, actor, 400, "invalid_request", as_client});
    rows.push_back({kind, offered, delegation(edge.helper, offered, edge.coder), 400,
                    "invalid_request", as_token});
    rows.push_back(
        {kind, offered, refreshing(edge.coder, offered), 400, "invalid_grant", "not a handle"});
  }
  for (Row& row : rows) {
    SCOPED_TRACE(std::string(row.name) + " at " + row.ask.target + ": " + row.error.data());
    edge.pass(2s);  // one signal of a name a second
    const std::size_t before = edge.signals().size();
    const Told told = send(row.ask);
    expect_refused(told, row.status, row.error, row.reason);
    EXPECT_FALSE(told.body.contains(row.offered));
    const auto now = edge.signals();
    ASSERT_EQ(now.size(), before + 1);
    EXPECT_EQ(now.back(), "borrowed-session");
  }
  edge.pass(2s);
  expect_refused(send(refreshing(edge.coder, "nonsense")), 400, "invalid_grant", "not a handle");
  EXPECT_EQ(edge.signals().size(), rows.size());  // nonsense is no signal
  EXPECT_EQ(edge.count("task.opened"), 0U);
}

}  // namespace
}  // namespace stint::oauth
