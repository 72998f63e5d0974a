// The handle as refresh_token; introspection (RFC 7662); revocation (RFC 7009); metadata (RFC
// 8414).
#include <functional>
#include <set>

#include "oauth_for_test.h"

namespace stint::oauth {
namespace {

class HandleTest : public OAuthTest {
 protected:
  void SetUp() override {
    Ask a = exchange(edge.coder);
    a.set("authorization_details", details({kTaskObject, kGitObject, kDeskObject}));
    a.set("resource", std::string(kGitAudience));
    first = send(a);
    ASSERT_EQ(first.status, 200) << first.body;
    handle = first.text("refresh_token");
  }
  Told first;
  std::string handle;
};

TEST_F(HandleTest, MintsForAnyGrantedAudience) {
  for (const std::string_view audience : {kGitAudience, kDeskAudience, testkit::kIssuer}) {
    Ask a = refreshing(edge.coder, handle);
    a.set("resource", std::string(audience));
    const Told told = send(a);
    ASSERT_EQ(told.status, 200) << told.body;
    EXPECT_EQ(claims_of(told.text("access_token")).at("aud"), json::Value(audience));
    EXPECT_FALSE(told.json.contains("refresh_token"));  // not rotated: it is bound
    EXPECT_FALSE(told.json.contains("issued_token_type"));
    EXPECT_TRUE(told.json.contains("authorization_details"));
    EXPECT_TRUE(told.headers.has("DPoP-Nonce"));
  }
  EXPECT_EQ(edge.count("token.minted"), 4U);
  EXPECT_EQ(edge.count("handle.used"), 3U);
}

// The operator says it of the upstream; RS256 is what RFC 9068 section 4 lets everybody verify.
TEST_F(HandleTest, AnUpstreamChoosesTheAlgorithmOfItsTokens) {
  const auto header_of = [&](std::string_view audience) {
    Ask a = refreshing(edge.coder, handle);
    a.set("resource", std::string(audience));
    const std::string token = send(a).text("access_token");
    return std::string(testkit::must_have(json::string_at(
        testkit::must_have(json::parse_object(
            testkit::must_have(codec::decode_base64url(token.substr(0, token.find('.')))))),
        "alg")));
  };
  EXPECT_EQ(header_of(kDeskAudience), "ES256");
  for (const crypto::Alg alg : {crypto::Alg::kRS256, crypto::Alg::kEdDSA, crypto::Alg::kES256}) {
    auto changed = edge.declared();
    for (auto& u : changed.upstreams)
      if (u.name == "desk") u.token_alg = alg;
    edge.apply(changed);
    EXPECT_EQ(header_of(kDeskAudience), crypto::text(alg));
    EXPECT_EQ(header_of(kGitAudience), "ES256");
    EXPECT_EQ(header_of(testkit::kIssuer), "ES256");
  }
}

TEST_F(HandleTest, NarrowsOnly) {
  constexpr std::string_view kFetchOnly =
      R"({"type":"stint_grant","upstream":"git","actions":["git.fetch"],"resources":["demo/readme.git"]})";
  Ask a = refreshing(edge.coder, handle);
  a.set("resource", std::string(kGitAudience));
  a.set("authorization_details", details({kFetchOnly}));
  const Told told = send(a);
  ASSERT_EQ(told.status, 200) << told.body;
  const auto granted = claims_of(told.text("access_token")).at("authorization_details").as_array();
  ASSERT_EQ(granted.size(), 1U);
  EXPECT_EQ(granted[0].at("actions"), (json::Value{"git.fetch"}));
  const auto* shown = testkit::must_have(json::array_at(told.json, "authorization_details"));
  ASSERT_EQ(shown->size(), 2U);
  EXPECT_EQ(shown->at(1), granted[0]);
  // Later ones are not narrowed by it.
  a = refreshing(edge.coder, handle);
  a.set("resource", std::string(kGitAudience));
  EXPECT_EQ(claims_of(send(a).text("access_token"))
                .at("authorization_details")
                .as_array()[0]
                .at("actions")
                .as_array()
                .size(),
            2U);
}

struct BadRow {
  const char* name;
  std::function<void(Ask&, testkit::Edge&)> change;
  unsigned status;
  std::string_view error, reason;
  const char* signal = nullptr;
};

TEST_F(HandleTest, RefusedRefreshMintsNothing) {
  const BadRow rows[] = {
      {"missing", [](Ask& a, auto&) { a.drop("refresh_token"); }, 400, "invalid_request",
       "refresh_token is missing"},
      {"nonsense", [](Ask& a, auto&) { a.set("refresh_token", "abc"); }, 400, "invalid_grant",
       "not a handle"},
      {"access_token_as_handle",
       [&](Ask& a, auto&) { a.set("refresh_token", first.text("access_token")); }, 400,
       "invalid_grant", "not a handle"},
      {"9449_9_other_key",
       [](Ask& a, testkit::Edge& e) {
         a.headers.set("DPoP", e.proof(e.helper.dpop, "POST", testkit::kTokenUrl));
       },
       400, "invalid_grant", "the handle is bound to another key", "key-mismatch"},
      {"other_client",
       [](Ask& a, testkit::Edge& e) { a.set("client_assertion", e.assertion(e.helper)); }, 400,
       "invalid_grant", "the handle belongs to another client", nullptr},  // within a second
      {"no_client", [](Ask& a, auto&) { a.drop("client_assertion"); }, 401, "invalid_client",
       "client authentication is missing"},
      {"no_proof", [](Ask& a, auto&) { a.headers.remove("DPoP"); }, 400, "invalid_request",
       "no DPoP proof and no client certificate"},
      {"id_token_as_handle", [](Ask& a, testkit::Edge& e) { a.set("refresh_token", e.id_token()); },
       400, "invalid_grant", "not a handle", "borrowed-session"},
      {"8707_5_choice", [](Ask& a, auto&) { a.drop("resource"); }, 400, "invalid_target",
       "several upstreams are granted: name one as resource"},
      {"8707_4_unknown", [](Ask& a, auto&) { a.set("resource", "https://x.test/"); }, 400,
       "invalid_target", "resource is not known here"},
      {"9396_6_wider",
       [](Ask& a, auto&) {
         a.set("authorization_details",
               details({R"({"type":"stint_grant","upstream":"git","actions":["git.fetch"]})"}));
       },
       400, "invalid_authorization_details", "more than the task was granted"},
      {"9396_6_a_new_task",
       [](Ask& a, auto&) { a.set("authorization_details", details({kTaskObject})); }, 400,
       "invalid_authorization_details", "a refresh takes stint_grant objects alone"},
      {"9396_empty", [](Ask& a, auto&) { a.set("authorization_details", "[]"); }, 400,
       "invalid_authorization_details", "authorization_details is empty"},
  };
  std::vector<std::string> expected;
  for (const BadRow& row : rows) {
    SCOPED_TRACE(row.name);
    Ask a = refreshing(edge.coder, handle);
    a.set("resource", std::string(kGitAudience));
    row.change(a, edge);
    expect_refused(send(a), row.status, row.error, row.reason);
    if (row.signal != nullptr) expected.emplace_back(row.signal);
    EXPECT_EQ(edge.signals(), expected);
  }
  EXPECT_EQ(edge.count("token.minted"), 1U);
  EXPECT_EQ(edge.count("handle.used"), 0U);
}

TEST_F(HandleTest, AfterTheEndNothingIsMinted) {
  ASSERT_EQ(send(about(edge.coder, "revoke", handle)).status, 200);
  EXPECT_EQ(edge.count("task.closed"), 1U);
  Ask a = refreshing(edge.coder, handle);
  a.set("resource", std::string(kGitAudience));
  expect_refused(send(a), 400, "invalid_grant", "the task is closed");
  EXPECT_EQ(edge.signals(), std::vector<std::string>{"handle-after-end"});
  EXPECT_EQ(edge.count("token.minted"), 1U);
}

// Not invalid_grant: a client would throw the handle away, and the task may go on.
TEST_F(HandleTest, WhilePausedNothingIsMinted) {
  const TaskId task = testkit::must_have(edge.authority->task_of_handle(handle)).id;
  const auto op = authority::Actor::local_operator(0);
  ASSERT_TRUE(rt::block_on(edge.authority->pause(task, domain::Why::kOperator, op)));
  Ask a = refreshing(edge.coder, handle);
  a.set("resource", std::string(kGitAudience));
  const Told told = send(a);
  expect_refused(told, 503, "temporarily_unavailable", "the task is paused");
  EXPECT_TRUE(told.headers.has("Retry-After"));
  expect_refused(send(delegation(edge.coder, first.text("access_token"), edge.helper)), 503,
                 "temporarily_unavailable", "the task is paused");
  EXPECT_EQ(edge.count("token.minted"), 1U);
  EXPECT_EQ(edge.count("task.opened"), 1U);
}

TEST_F(HandleTest, PastTheDeadlineNothingIsMinted) {
  edge.pass(600s);
  Ask a = refreshing(edge.coder, handle);
  a.set("resource", std::string(kGitAudience));
  expect_refused(send(a), 400, "invalid_grant", "the task is past its deadline");
  EXPECT_EQ(edge.count("token.minted"), 1U);
}

// --- introspection ---

TEST_F(HandleTest, IntrospectionTellsOwnersAboutLiveTokens) {
  const std::string token = first.text("access_token");
  const Told told = send(about(edge.coder, "introspect", token));
  ASSERT_EQ(told.status, 200) << told.body;
  EXPECT_EQ(told.json.at("active"), true);
  EXPECT_EQ(told.text("token_type"), "DPoP");  // 7662 5
  EXPECT_EQ(told.json.at("cnf").at("jkt"), json::Value(edge.coder.jkt()));
  EXPECT_EQ(told.text("client_id"), "coder");
  EXPECT_EQ(told.text("sub"), "alice@example.com");
  EXPECT_EQ(told.text("aud"), kGitAudience);
  EXPECT_EQ(told.json.at("authorization_details").as_array().size(), 1U);  // 9396 3
  EXPECT_EQ(told.json.at("act"), (json::Value{{"sub", "agent:coder"}}));
  EXPECT_EQ(told.json.at("task").at("id"), claims_of(token).at("task").at("id"));
  EXPECT_EQ(told.json.at("exp"), claims_of(token).at("exp"));
  EXPECT_EQ(told.headers.one("Cache-Control"), "no-store");
  // 7662 6: an unknown or wrong hint is ignored.
  for (const char* hint : {"made-up", "refresh_token", "access_token"}) {
    Ask a = about(edge.coder, "introspect", token);
    a.set("token_type_hint", hint);
    EXPECT_EQ(send(a).json.at("active"), true) << hint;
  }
}

TEST_F(HandleTest, IntrospectionSaysInactiveAndNothingElse) {
  const std::string token = first.text("access_token");
  const auto inactive = [&](const Ask& a) {
    const Told told = send(a);
    EXPECT_EQ(told.status, 200);
    EXPECT_EQ(told.body, R"({"active":false})");
  };
  inactive(about(edge.coder, "introspect", "nonsense"));
  inactive(about(edge.helper, "introspect", token));           // 7662 4: not the caller's
  inactive(about(edge.coder, "introspect", edge.id_token()));  // 7662 7
  inactive(about(edge.coder, "introspect", handle));           // 7662 7: no access token
  inactive(about(edge.coder, "introspect", edge.assertion(edge.coder)));
  inactive(about(edge.coder, "introspect", token.substr(0, token.size() - 4) + "AAAA"));
  const auto about_handle = [&] {
    Ask a = about(edge.coder, "introspect", handle);
    a.set("token_type_hint", "refresh_token");
    return a;
  };
  const Told told = send(about_handle());
  EXPECT_EQ(told.json.at("active"), true);
  EXPECT_FALSE(told.json.contains("token_type"));
  // Revoked, expired, of a closed task.
  ASSERT_EQ(send(about(edge.coder, "revoke", token)).status, 200);
  inactive(about(edge.coder, "introspect", token));
  const auto minted = [&] {
    Ask a = refreshing(edge.coder, handle);
    a.set("resource", std::string(kGitAudience));
    return a;
  };
  const std::string second = send(minted()).text("access_token");
  EXPECT_EQ(send(about(edge.coder, "introspect", second)).json.at("active"), true);
  edge.pass(301s);
  inactive(about(edge.coder, "introspect", second));
  const std::string third = send(minted()).text("access_token");
  EXPECT_EQ(send(about(edge.coder, "introspect", third)).json.at("active"), true);
  edge.clock.step_wall(-60s);  // from the future
  inactive(about(edge.coder, "introspect", third));
  edge.clock.step_wall(60s);
  const TaskId task = testkit::must_have(TaskId::parse(
      testkit::must_have(json::string_at(claims_of(third).at("task").as_object(), "id"))));
  ASSERT_TRUE(rt::block_on(
      edge.authority->pause(task, domain::Why::kOperator, authority::Actor::local_operator(0))));
  inactive(about(edge.coder, "introspect", third));
  ASSERT_TRUE(rt::block_on(
      edge.authority->resume(task, domain::Why::kOperator, authority::Actor::local_operator(0))));
  ASSERT_EQ(send(about(edge.coder, "revoke", handle)).status, 200);
  inactive(about(edge.coder, "introspect", third));
  inactive(about_handle());
}

TEST_F(HandleTest, IntrospectionAndRevocationNeedAClient) {
  for (const char* endpoint : {"introspect", "revoke"}) {
    Ask a = about(edge.coder, endpoint, first.text("access_token"));
    a.drop("client_assertion");
    expect_refused(send(a), 401, "invalid_client", "client authentication is missing");  // 7662 3
    a = about(edge.coder, endpoint, "");
    expect_refused(send(a), 400, "invalid_request", "token is missing");
    a = about(edge.coder, endpoint, first.text("access_token"));
    a.method = "GET";
    expect_refused(send(a), 405, "invalid_request", "this endpoint takes POST");
    a = about(edge.coder, endpoint, first.text("access_token"));
    a.set("client_assertion", edge.id_token());
    expect_refused(send(a), 401, "invalid_client", "client authentication failed");
  }
  EXPECT_EQ(edge.count("token.revoked"), 0U);
  EXPECT_EQ(edge.signals(), std::vector<std::string>{"borrowed-session"});  // once a second
}

// --- revocation ---

TEST_F(HandleTest, RevocationIsOnlyForOnesOwn) {
  const std::string token = first.text("access_token");
  const auto ok = [&](const Ask& a) {
    const Told told = send(a);
    EXPECT_EQ(told.status, 200) << told.body;
    EXPECT_EQ(told.body, "");
    EXPECT_EQ(told.headers.one("Cache-Control"), "no-store");
  };
  ok(about(edge.coder, "revoke", "nonsense"));  // 7009 1
  ok(about(edge.helper, "revoke", token));      // 7009 2: and nothing happens
  ok(about(edge.helper, "revoke", handle));
  EXPECT_EQ(edge.count("token.revoked"), 0U);
  EXPECT_EQ(edge.count("task.closed"), 0U);
  Ask hinted = about(edge.coder, "revoke", token);  // 7009 4
  hinted.set("token_type_hint", "refresh_token");
  ok(hinted);
  EXPECT_EQ(edge.count("token.revoked"), 1U);
  EXPECT_EQ(edge.count("task.closed"), 0U);
  ok(about(edge.coder, "revoke", token));  // twice is the same
  EXPECT_EQ(edge.count("token.revoked"), 1U);
  hinted = about(edge.coder, "revoke", handle);
  hinted.set("token_type_hint", "access_token");
  ok(hinted);
  EXPECT_EQ(edge.count("task.closed"), 1U);  // 7009 3, 3-interfaces
  EXPECT_EQ(edge.count("handle.revoked"), 1U);
}

TEST_F(HandleTest, RevocationThatCannotBeRecordedSaysSo) {
  edge.store->stop();
  Ask a = about(edge.coder, "revoke", first.text("access_token"));
  const Told told = send(a);  // 7009 6
  expect_refused(told, 503, "temporarily_unavailable", "store is stopping");
  EXPECT_TRUE(told.headers.has("Retry-After"));
}

// --- metadata ---

TEST_F(OAuthTest, MetadataNamesWhatWorks) {
  Ask a;
  a.method = "GET";
  a.headers = {};
  a.target = "/.well-known/oauth-authorization-server";
  const Told told = send(a);
  ASSERT_EQ(told.status, 200);
  EXPECT_EQ(told.headers.one("Content-Type"), "application/json");  // 8414 6
  EXPECT_EQ(told.text("issuer"), testkit::kIssuer);                 // 8414 2
  std::set<std::string> members;
  for (const auto& [key, value] : told.json) {
    members.emplace(key);
    EXPECT_FALSE(value.is_array() && value.get_array().empty()) << key;  // 8414 3
  }
  EXPECT_EQ(
      members,
      (std::set<std::string>{
          "issuer", "token_endpoint", "jwks_uri", "introspection_endpoint", "revocation_endpoint",
          "status_list_aggregation_endpoint", "response_types_supported", "grant_types_supported",
          "token_endpoint_auth_methods_supported",
          "token_endpoint_auth_signing_alg_values_supported",
          "introspection_endpoint_auth_methods_supported",
          "introspection_endpoint_auth_signing_alg_values_supported",
          "revocation_endpoint_auth_methods_supported",
          "revocation_endpoint_auth_signing_alg_values_supported",
          "dpop_signing_alg_values_supported", "authorization_details_types_supported",
          "tls_client_certificate_bound_access_tokens"}));
  EXPECT_EQ(told.json.at("response_types_supported"), (json::Value(json::Array{"none"})));
  EXPECT_EQ(told.json.at("token_endpoint_auth_methods_supported"),
            (json::Value(json::Array{"private_key_jwt"})));
  const auto algs = testkit::must_have(
      json::strings(told.json.at("token_endpoint_auth_signing_alg_values_supported").as_array()));
  EXPECT_EQ(std::ranges::count(algs, "none"), 0);  // 8414 4
  EXPECT_EQ(std::ranges::count(algs, "RS256"), 1);

  a.target = "/.well-known/openid-configuration";
  const Told openid = send(a);
  EXPECT_EQ(openid.text("issuer"), testkit::kIssuer);
  EXPECT_EQ(openid.json.at("subject_types_supported"), (json::Value(json::Array{"public"})));
  const auto signing = testkit::must_have(
      json::strings(openid.json.at("id_token_signing_alg_values_supported").as_array()));
  EXPECT_EQ(std::ranges::count(signing, "RS256"), 1);  // 9068 3

  a.target = "/oauth/jwks";
  const Told keys = send(a);
  EXPECT_EQ(keys.json.at("keys").as_array().size(), 3U);
  for (const auto& key : keys.json.at("keys").as_array())
    EXPECT_FALSE(key.as_object().contains("d"));

  for (const char* target : {"/.well-known/oauth-authorization-server",
                             "/.well-known/openid-configuration", "/oauth/jwks"}) {
    a.target = target;
    a.method = "HEAD";
    EXPECT_EQ(send(a).status, 200);
    a.method = "POST";
    const Told refused = send(a);
    expect_refused(refused, 405, "invalid_request", "this document is read with GET");
    EXPECT_EQ(refused.headers.one("Allow"), "GET, HEAD");
  }
}

TEST_F(OAuthTest, ServesNothingElse) {
  Ask a = credentials(edge.coder);
  for (const char* target :
       {"/oauth", "/oauth/", "/oauth/authorize", "/oauth/token/", "/", "//oauth/token",
        "/OAuth/token", "/.well-known/oauth-authorization-server/x", "/.well-known/",
        "/oauth/%74oken"}) {
    a.target = target;
    const Told told = send(a);
    EXPECT_EQ(told.status, 404) << target;
    EXPECT_EQ(told.headers.one("Content-Type"), "application/problem+json");
    EXPECT_EQ(told.text("reason"), "no such endpoint");
    EXPECT_FALSE(endpoints.serves(target));
  }
  EXPECT_EQ(edge.count("task.opened"), 0U);
}

}  // namespace
}  // namespace stint::oauth
