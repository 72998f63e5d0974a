// The token endpoint: its form, what may be wanted, and opening an autonomous task. Each row names
// the standard that it is an assertion of (the numbers are of the standards reference).
#include "oauth_for_test.h"

namespace stint::oauth {
namespace {

TEST_F(OAuthTest, ClientCredentialsOpenAnAutonomousTask) {
  const Told told = send(credentials(edge.coder));
  ASSERT_EQ(told.status, 200) << told.body;
  EXPECT_EQ(told.text("token_type"), "DPoP");  // RFC 9449 8
  EXPECT_EQ(testkit::must_have(json::int_at(told.json, "expires_in")), 300);
  EXPECT_TRUE(told.text("refresh_token").starts_with("stint_handle_"));
  EXPECT_FALSE(told.json.contains("issued_token_type"));
  EXPECT_FALSE(told.json.contains("scope"));
  EXPECT_EQ(told.headers.one("Cache-Control"), "no-store");  // RFC 6749 6
  EXPECT_EQ(told.headers.one("Content-Type"), "application/json");
  EXPECT_TRUE(told.headers.has("DPoP-Nonce"));  // RFC 9449 6: also on 2xx

  // RFC 9068 2, 6; RFC 8707 5: one audience, the resource's.
  const json::Object claims = claims_of(told.text("access_token"));
  EXPECT_EQ(claims.at("sub"), "agent:coder");
  EXPECT_EQ(claims.at("client_id"), "coder");
  EXPECT_EQ(claims.at("aud"), json::Value(kGitAudience));
  EXPECT_EQ(claims.at("iss"), json::Value(testkit::kIssuer));
  EXPECT_EQ(claims.at("cnf").at("jkt"), json::Value(edge.coder.jkt()));

  // RFC 9396 3: what was granted, with the task's id and end.
  const auto* granted = testkit::must_have(json::array_at(told.json, "authorization_details"));
  ASSERT_EQ(granted->size(), 2U);
  EXPECT_EQ(granted->at(0).at("type"), "stint_task");
  EXPECT_EQ(granted->at(0).at("id"), claims.at("task").at("id"));
  EXPECT_EQ(granted->at(0).at("reference"), "T-1");
  EXPECT_EQ(testkit::must_have(opening::parse_rfc3339(
                std::string_view(granted->at(0).at("deadline").as_string()))),
            std::chrono::floor<std::chrono::seconds>(edge.clock.wall()) + 600s);
  EXPECT_EQ(granted->at(1).at("type"), "stint_grant");
  EXPECT_EQ(edge.count("task.opened"), 1U);
  EXPECT_EQ(edge.count("token.minted"), 1U);
  EXPECT_EQ(edge.count("handle.issued"), 1U);
  EXPECT_TRUE(edge.signals().empty());
}

struct GoodRow {
  const char* name;
  std::function<void(Ask&, testkit::Edge&)> change;
};
TEST_F(OAuthTest, WhatMustBeAcceptedIs) {
  const GoodRow rows[] = {
      {"6749_4_unknown_parameter", [](Ask& a, auto&) { a.set("colour", "blue"); }},
      {"6749_4_empty_is_omitted", [](Ask& a, auto&) { a.set("resource", ""); }},
      {"8707_1_only_upstream_is_the_default", [](Ask& a, auto&) { a.drop("resource"); }},
      {"6749_charset_parameter",
       [](Ask& a, auto&) {
         a.headers.set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8");
       }},
      {"7523_client_id_beside", [](Ask& a, auto&) { a.set("client_id", "coder"); }},
      {"9449_3_htu_upper_case_and_default_spelling",
       [](Ask& a, testkit::Edge& e) {
         a.headers.set("DPoP", e.proof(e.coder.dpop, "POST", "HTTP://127.0.0.1:7443/oauth/token"));
       }},
      {"9449_3_htu_query_ignored",
       [](Ask& a, testkit::Edge& e) {
         a.headers.set("DPoP",
                       e.proof(e.coder.dpop, "POST", "http://127.0.0.1:7443/oauth/token?x=1#y"));
       }},
      {"8707_own_api_as_resource",
       [](Ask& a, auto&) { a.set("resource", std::string(testkit::kIssuer)); }},
      {"same_resource_twice",
       [](Ask& a, auto&) { a.form.emplace_back("resource", std::string(kGitAudience)); }},
  };
  std::size_t opened = 0;
  for (const GoodRow& row : rows) {
    SCOPED_TRACE(row.name);
    Ask a = credentials(edge.coder);
    row.change(a, edge);
    const Told told = send(a);
    EXPECT_EQ(told.status, 200) << told.body;
    EXPECT_EQ(edge.count("task.opened"), ++opened);
  }
  // 7523bis 3: the new typ is taken, not asked for.
  for (const char* typ : {"", "JWT", "client-authentication+jwt"}) {
    Ask a = credentials(edge.coder);
    a.set("client_assertion", assertion_with(edge.coder, {}, typ));
    EXPECT_EQ(send(a).status, 200) << typ;
  }
  EXPECT_TRUE(edge.signals().empty());
}

void set_details(Ask& a, std::initializer_list<std::string_view> objects) {
  a.set("authorization_details", details(objects));
}

TEST_F(OAuthTest, FormIsRefusedAndNothingOpens) {
  const BadRow rows[] = {
      {"6749_3_repeated",
       [](Ask& a, auto&) {
         a.form.emplace_back("client_id", "a");
         a.form.emplace_back("client_id", "a");
       },
       400, "invalid_request", "form parameter repeated"},
      {"6749_3_repeated_details",
       [](Ask& a, auto&) { a.form.emplace_back("authorization_details", "[]"); }, 400,
       "invalid_request", "form parameter repeated"},
      {"6749_2_basic_and_assertion",
       [](Ask& a, auto&) { a.headers.set("Authorization", "Basic Y29kZXI6eA=="); }, 400,
       "invalid_request", "two ways of client authentication"},
      {"6749_2_secret_and_assertion", [](Ask& a, auto&) { a.set("client_secret", "x"); }, 400,
       "invalid_request", "two ways of client authentication"},
      {"6749_7_basic_alone",
       [](Ask& a, auto&) {
         a.drop("client_assertion");
         a.drop("client_assertion_type");
         a.headers.set("Authorization", "Basic Y29kZXI6eA==");
       },
       401, "invalid_client", "clients do not authenticate with shared secrets here"},
      {"secret_alone",
       [](Ask& a, auto&) {
         a.drop("client_assertion");
         a.set("client_secret", "x");
       },
       401, "invalid_client", "clients do not authenticate with shared secrets here"},
      {"no_authentication", [](Ask& a, auto&) { a.drop("client_assertion"); }, 401,
       "invalid_client", "client authentication is missing"},
      {"no_assertion_type", [](Ask& a, auto&) { a.drop("client_assertion_type"); }, 400,
       "invalid_request", "client_assertion_type is missing"},
      {"2.1_4_token_in_query", [](Ask& a, auto&) { a.target += "?client_assertion=x"; }, 400,
       "invalid_request", "parameters belong into the body"},
      {"get", [](Ask& a, auto&) { a.method = "GET"; }, 405, "invalid_request",
       "this endpoint takes POST"},
      {"json_body", [](Ask& a, auto&) { a.headers.set("Content-Type", "application/json"); }, 400,
       "invalid_request", "the body is not application/x-www-form-urlencoded"},
      {"no_content_type", [](Ask& a, auto&) { a.headers.remove("Content-Type"); }, 400,
       "invalid_request", "the body is not application/x-www-form-urlencoded"},
      {"escape", [](Ask& a, auto&) { a.raw = "grant_type=%zz"; }, 400, "invalid_request",
       "form escape"},
      {"too_large", [](Ask& a, auto&) { a.raw = "a=" + std::string(64 * 1024, 'x'); }, 413,
       "invalid_request", "form too large"},
      {"too_many",
       [](Ask& a, auto&) {
         std::string s;
         for (int i = 0; i < 65; ++i) s += "a" + std::to_string(i) + "=1&";
         s.pop_back();
         a.raw = s;
       },
       413, "invalid_request", "form too many parameters"},
      {"no_grant_type", [](Ask& a, auto&) { a.drop("grant_type"); }, 400, "invalid_request",
       "grant_type is missing"},
      {"password_grant", [](Ask& a, auto&) { a.set("grant_type", "password"); }, 400,
       "unsupported_grant_type", "grant_type is not known here"},
      {"code_grant", [](Ask& a, auto&) { a.set("grant_type", "authorization_code"); }, 400,
       "unsupported_grant_type", "grant_type is not known here"},
      {"scope", [](Ask& a, auto&) { a.set("scope", "everything"); }, 400, "invalid_scope",
       "scope is not known here"},
  };
  for (const BadRow& row : rows) {
    SCOPED_TRACE(row.name);
    Ask a = credentials(edge.coder);
    row.change(a, edge);
    const Told told = send(a);
    expect_refused(told, row.status, row.error, row.reason);
    EXPECT_TRUE(told.headers.has("DPoP-Nonce"));
    EXPECT_EQ(told.headers.has("WWW-Authenticate"),
              a.headers.has("Authorization") && row.status == 401);
    EXPECT_EQ(told.headers.has("Allow"), row.status == 405);
  }
  EXPECT_EQ(edge.count("task.opened"), 0U);
  EXPECT_EQ(edge.count("token.minted"), 0U);
  EXPECT_TRUE(edge.signals().empty());
}

TEST_F(OAuthTest, WhatIsWantedIsRefusedAndNothingOpens) {
  const std::string past = opening::rfc3339(edge.clock.wall() - 1s);
  const std::string past_task =
      R"({"type":"stint_task","purpose":"x","deadline":")" + past + R"("})";
  const BadRow rows[] = {
      {"missing", [](Ask& a, auto&) { a.drop("authorization_details"); }, 400, "invalid_request",
       "authorization_details is missing"},
      {"9396_1_object",
       [](Ask& a, auto&) { a.set("authorization_details", std::string(kTaskObject)); }, 400,
       "invalid_authorization_details", "authorization_details is not an array"},
      {"9396_1_no_type",
       [](Ask& a, auto&) { set_details(a, {kTaskObject, R"({"upstream":"git"})"}); }, 400,
       "invalid_authorization_details", "json member missing"},
      {"9396_2_unknown_type",
       [](Ask& a, auto&) { set_details(a, {kTaskObject, kGitObject, R"({"type":"payment"})"}); },
       400, "invalid_authorization_details", "authorization_details type is not known here"},
      {"9396_2_unknown_field_task",
       [](Ask& a, auto&) {
         set_details(a, {R"({"type":"stint_task","purpose":"x","colour":"y"})", kGitObject});
       },
       400, "invalid_authorization_details", "json unknown member"},
      {"9396_2_unknown_field_grant",
       [](Ask& a, auto&) {
         set_details(a,
                     {kTaskObject,
                      R"({"type":"stint_grant","upstream":"git","actions":["git.fetch"],"x":1})"});
       },
       400, "invalid_authorization_details", "json unknown member"},
      {"9396_2_duplicate_key",
       [](Ask& a, auto&) {
         set_details(a, {R"({"type":"stint_task","type":"stint_task","purpose":"x"})", kGitObject});
       },
       400, "invalid_authorization_details", "json duplicate key"},
      {"9396_2_unknown_upstream",
       [](Ask& a, auto&) {
         set_details(a, {kTaskObject, kGitObject,
                         R"({"type":"stint_grant","upstream":"nope","actions":["a"]})"});
       },
       400, "invalid_authorization_details", "a grant names an unknown upstream"},
      {"9396_2_unknown_action",
       [](Ask& a, auto&) {
         set_details(a, {kTaskObject,
                         R"({"type":"stint_grant","upstream":"git","actions":["git.erase"]})"});
       },
       400, "invalid_authorization_details", "a grant names an unknown action"},
      {"no_task", [](Ask& a, auto&) { set_details(a, {kGitObject}); }, 400,
       "invalid_authorization_details", "authorization_details needs a stint_task object"},
      {"two_tasks", [](Ask& a, auto&) { set_details(a, {kTaskObject, kTaskObject, kGitObject}); },
       400, "invalid_authorization_details", "authorization_details holds two stint_task objects"},
      {"no_grant", [](Ask& a, auto&) { set_details(a, {kTaskObject}); }, 400,
       "invalid_authorization_details", "authorization_details needs a stint_grant object"},
      {"no_purpose",
       [](Ask& a, auto&) { set_details(a, {R"({"type":"stint_task"})", kGitObject}); }, 400,
       "invalid_authorization_details", "json member missing"},
      {"deadline_past", [&](Ask& a, auto&) { set_details(a, {past_task, kGitObject}); }, 400,
       "invalid_authorization_details", "the deadline has passed"},
      {"too_long",
       [](Ask& a, auto&) {
         set_details(a, {R"({"type":"stint_task","purpose":"x","ttl":90000})", kGitObject});
       },
       400, "invalid_authorization_details", "deadline is past the longest allowed"},
      {"8707_2_unknown", [](Ask& a, auto&) { a.set("resource", "http://127.0.0.1:7444/u/nope"); },
       400, "invalid_target", "resource is not known here"},
      {"8707_1_fragment",
       [](Ask& a, auto&) { a.set("resource", std::string(kGitAudience) + "#x"); }, 400,
       "invalid_target", "resource is not an absolute URI without fragment"},
      {"8707_1_relative", [](Ask& a, auto&) { a.set("resource", "/u/git"); }, 400, "invalid_target",
       "resource is not an absolute URI without fragment"},
      {"8707_3_two",
       [](Ask& a, auto&) { a.form.emplace_back("resource", std::string(kDeskAudience)); }, 400,
       "invalid_target", "a token is for one resource"},
      {"8707_3_not_granted", [](Ask& a, auto&) { a.set("resource", std::string(kDeskAudience)); },
       400, "invalid_target", "no grant is for this resource"},
      {"8707_5_no_audience_for_all",
       [](Ask& a, auto&) {
         a.drop("resource");
         set_details(a, {kTaskObject, kGitObject, kDeskObject});
       },
       400, "invalid_target", "several upstreams are wanted: name one as resource"},
      {"policy_says_no",  // only coder may work alone
       [](Ask& a, testkit::Edge& e) {
         a.set("client_assertion", e.assertion(e.helper));
         a.headers.set("DPoP", e.proof(e.helper.dpop, "POST", testkit::kTokenUrl));
       },
       400, "access_denied", "policy does not permit this task"},
  };
  for (const BadRow& row : rows) {
    SCOPED_TRACE(row.name);
    Ask a = credentials(edge.coder);
    row.change(a, edge);
    expect_refused(send(a), row.status, row.error, row.reason);
  }
  EXPECT_EQ(edge.count("task.opened"), 0U);
  EXPECT_EQ(edge.count("token.minted"), 0U);
  EXPECT_TRUE(edge.signals().empty());
}

TEST_F(OAuthTest, AStoreThatCannotWriteDeniesAndSaysSo) {
  edge.store->stop();
  const Told told = send(credentials(edge.coder));
  expect_refused(told, 503, "temporarily_unavailable", "store is stopping");
  EXPECT_TRUE(told.headers.has("Retry-After"));
  EXPECT_FALSE(told.json.contains("refresh_token"));
}

}  // namespace
}  // namespace stint::oauth
