// Hostile tokens, JSON and declared states at the API: each with the exact refusal as a problem
// document, and nothing in the log. And a disk that cannot be written.
#include <gmock/gmock.h>

#include <thread>

#include "edge_for_test.h"
#include "stint/codec/base64url.h"
#include "stint/testkit/faulty_vfs.h"

namespace stint::api {
namespace {

class HostileApi : public ApiTest {
 protected:
  void refused(const Answer& got, unsigned status, std::string_view reason) {
    EXPECT_EQ(got.raw.status, status) << got.raw.body;
    EXPECT_EQ(got.reason(), reason);
    EXPECT_EQ(got.header("Content-Type"), "application/problem+json");
    EXPECT_EQ(got.header("Cache-Control"), "no-store");
    EXPECT_EQ(got.header("WWW-Authenticate").empty(), status != 401);
    for (const char* member : {"type", "title", "status", "detail", "reason", "task", "decision",
                               "retryable", "next_steps"})
      EXPECT_TRUE(got.body.contains(member)) << member;
  }
  // With this token and a proof for it by the key that it should be bound to.
  Answer with_token(const std::string& token, std::string_view scheme = "DPoP ") {
    const std::string url = std::string(testkit::kIssuer) + "/v1/whoami";
    return call(tcp(), "GET", "/v1/whoami",
                {{"Authorization", std::string(scheme) + token},
                 {"DPoP", edge.proof(edge.coder.dpop, "GET", url, token)}});
  }
};

TEST_F(HostileApi, TokensAreRefusedWithTheirReason) {
  const auto own = own_task();
  const std::string token = own.token->token;
  EXPECT_EQ(with_token(token).raw.status, 200U);
  const auto wrong = edge.open(edge.coder);
  refused(with_token(wrong.token->token), 401, "token aud");
  const auto helpers =
      edge.open(edge.helper, testkit::Edge::git_grants(), std::string(testkit::kIssuer));
  refused(with_token(helpers.token->token), 401, "dpop key");  // another task's
  refused(with_token(token.substr(0, token.size() - 4) + "AAAA"), 401, "signature");
  refused(with_token(token.substr(0, token.rfind('.'))), 401, "jws parts");
  refused(with_token(codec::encode_base64url(R"({"typ":"at+jwt","alg":"none"})") +
                     token.substr(token.find('.'), token.rfind('.') - token.find('.') + 1)),
          401, "jws alg");
  refused(with_token(edge.assertion(edge.coder)), 401, "token typ");
  refused(with_token(std::string(8193, 'a')), 401, "token too large");
  refused(with_token(token, "Basic "), 401, "authorization is neither DPoP nor Bearer");
  refused(call(tcp(), "GET", "/v1/whoami", {{"Authorization", "DPoP " + token}}), 401,
          "no DPoP proof");
  refused(call(tcp(), "GET", "/v1/whoami?access_token=" + token, {}), 401, "no access token");

  edge.clock.step_wall(std::chrono::seconds(-60));
  edge.gate.forget_tokens();
  refused(with_token(token), 401, "jwt iat");
  edge.clock.step_wall(std::chrono::seconds(60));
  ASSERT_TRUE(rt::block_on(edge.authority->revoke(token, "coder")).value_or(false));
  refused(with_token(token), 401, "the token is revoked");
  const auto second = own_task();
  ASSERT_TRUE(rt::block_on(edge.authority->close(second.task.id, domain::How::kCompleted,
                                                 authority::Actor::local_operator(0))));
  refused(with_token(second.token->token), 401, "the task is closed");
  edge.pass(std::chrono::seconds(301));
  refused(with_token(token), 401, "token expired");
  EXPECT_THAT(edge.signals(), testing::ElementsAre("wrong-audience", "key-mismatch",
                                                   "proof-missing", "used-after-end"));
}

TEST_F(HostileApi, AStaleViewIsNotBelieved) {
  const auto own = own_task();
  edge.clock.advance(std::chrono::seconds(3));
  refused(with_token(own.token->token), 503, "the view of live tasks is stale");
}

TEST_F(HostileApi, JsonIsRefusedWithItsReason) {
  const auto task = own_task();
  struct Row {
    const char* name;
    std::string body, reason;
    unsigned status = 400;
  };
  const Row rows[] = {
      {"cut", R"({"how":"completed")", "json incomplete"},
      {"no_json", "how=completed", "json syntax"},
      {"no_object", R"(["completed"])", "json not an object"},
      {"more_behind", R"({} {})", "json trailing data"},
      {"duplicate_key", R"({"how":"completed","how":"revoked"})", "json duplicate key"},
      {"duplicate_key_escaped", R"({"how":"completed","\u0068ow":"revoked"})",
       "json duplicate key"},
      {"unknown_member", R"({"why":"x"})", "json unknown member"},
      {"deep", R"({"how":)" + std::string(32, '[') + std::string(32, ']') + "}", "json too deep",
       413},
      {"over_int64", R"({"how":9223372036854775808})", "json integer range"},
      {"infinite", R"({"how":1e999})", "json number range"},
      {"number_for_text", R"({"how":7})", "json member type"},
      {"not_utf8", "{\"how\":\"\xff\"}", "json utf-8"},
      {"lone_surrogate", R"({"how":"\udc00"})", "json surrogate"},
      {"byte_order_mark", "\xef\xbb\xbf{}", "json syntax"},
      {"65537_bytes", std::string(65537, ' '), "the body is too large", 413},
  };
  const auto before = edge.log().size();
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    refused(as_operator("POST", path(task, "/end"), row.body), row.status, row.reason);
  }
  // A stranger's, before anything of the stranger is known.
  for (const Row& row : rows) {
    if (std::string_view(row.name) == "unknown_member") continue;
    SCOPED_TRACE(row.name);
    const auto got = call(tcp(), "POST", "/v1/tasks", {}, row.body);
    // What parses is refused for want of a proof.
    const bool parses = row.reason == "json member type";
    refused(got, parses ? 401 : row.status,
            parses ? "no DPoP proof and no client certificate" : row.reason);
  }
  refused(call(socket(kUid), "POST", path(task, "/end"), {{"Content-Type", "text/plain"}},
               R"({"how":"revoked"})"),
          400, "the content type is not application/json");
  EXPECT_EQ(edge.log().size(), before);
}

TEST_F(HostileApi, ADeclaredStateIsRefusedWithItsReason) {
  const auto policy = [](std::string text) {
    return json::write(json::Object{
        {"resources",
         json::Array{json::Object{{"kind", "policy"},
                                  {"body", json::Object{{"name", "a.cedar"}, {"text", text}}}}}}});
  };
  const auto agent = [](std::string jwks) {
    return R"({"resources":[{"kind":"group","body":{"name":"g","description":""}},)"
           R"({"kind":"agent","body":{"name":"a","owner":"g","description":"","status":"active",)"
           R"("environment":"","labels":[],"trust":[{"kind":"private_key_jwt","jwks":)" +
           json::write(json::Value(jwks)) + "}]}}]}";
  };
  // The present state, with one member of one resource changed.
  const auto declared = as_operator("GET", "/v1/resources").body;
  const auto changed = [&](std::string_view kind, std::string_view name, std::string_view member,
                           std::string_view value) {
    json::Array list = declared.at("resources").as_array();
    for (auto& item : list) {
      auto& body = item.as_object().at("body").as_object();
      if (item.as_object().at("kind").as_string() == kind && body.at("name").as_string() == name)
        body[member] = testkit::must_have(json::parse(value));
    }
    return json::write(json::Object{{"resources", std::move(list)}});
  };
  constexpr std::string_view kNoLimits =
      R"({"request_bytes":1,"response_bytes":1,"connect_timeout":0,"response_timeout":1,"idle_timeout":1,"concurrent":1})";
  constexpr std::string_view kVastLimits =
      R"({"request_bytes":1125899906842625,"response_bytes":1,"connect_timeout":1,"response_timeout":1,"idle_timeout":1,"concurrent":1})";
  const auto pem = [](std::string_view kind) {
    const std::string text = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    return json::write(json::Value(text + "-----BEGIN " + std::string(kind) + "-----\nAA==\n"));
  };
  const std::string ec =
      R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")";
  struct Row {
    const char* name;
    std::string body, reason;
    unsigned status = 400;
  };
  const Row rows[] = {
      {"cedar_syntax", policy("permit(principal, action, resource"), "a policy does not validate"},
      {"cedar_unknown_attribute",
       policy("permit(principal, action, resource) when { context.grantd };"),
       "a policy does not validate"},
      {"cedar_deep",
       policy("permit(principal, action, resource) when { " + std::string(1000, '(') + "true" +
              std::string(1000, ')') + " };"),
       "a policy does not validate"},
      {"jwk_private", agent(R"({"keys":[)" + ec + R"(,"d":"AA"}]})"), "jwk private member"},
      {"jwk_duplicate_key", agent(R"({"keys":[)" + ec + R"(,"x":"AA"}]})"), "json duplicate key"},
      {"jwk_symmetric", agent(R"({"keys":[{"kty":"oct","k":"AAAA"}]})"), "jwk private member"},
      {"jwks_cut", agent(R"({"keys":[)"), "json incomplete"},
      {"jwks_no_keys", agent("{}"), "jwks keys"},
      {"resource_duplicate_key",
       R"({"resources":[{"kind":"group","body":{"name":"a","name":"b","description":""}}]})",
       "json duplicate key"},
      {"resource_unknown_member",
       R"({"resources":[{"kind":"group","body":{"name":"a","description":"","x":1}}]})",
       "stored resource member unknown"},
      {"resource_missing_member", R"({"resources":[{"kind":"group","body":{"name":"a"}}]})",
       "stored resource member missing"},
      {"9068_6_human_named_as_an_agent",
       changed("human", "alice@example.com", "name", "\"agent:coder\""), "name of a resource"},
      {"human_of_no_issuer", changed("human", "alice@example.com", "issuer", "\"other\""),
       "a human of an unknown issuer"},
      {"human_of_no_group", changed("human", "bob@example.com", "groups", "[\"other\"]"),
       "a human of an unknown group"},
      {"human_without_subject", changed("human", "bob@example.com", "subject", "\"\""),
       "a human without subject"},
      {"two_humans_of_one_subject", changed("human", "bob@example.com", "subject", "\"alice-sub\""),
       "two humans of one issuer and subject"},
      {"agent_without_trust", changed("agent", "coder", "trust", "[]"), "an agent without trust"},
      {"agent_of_nobody", changed("agent", "coder", "owner", "\"nobody\""),
       "an agent of an unknown owner"},
      {"name_with_a_slash", changed("upstream", "desk", "name", "\"desk/../git\""),
       "name of a resource"},
      {"upstream_alg_of_no_token", changed("upstream", "desk", "token_alg", "\"PS256\""),
       "stored resource"},
      {"upstream_plain_http", changed("upstream", "desk", "url", "\"http://desk.test\""),
       "url of an upstream"},
      {"upstream_dots", changed("upstream", "desk", "url", "\"https://desk.test/a/../b\""),
       "url of an upstream"},
      {"upstream_routes_collide",
       changed("upstream", "desk", "actions",
               R"([{"action":"a","class":"read","match":"GET /{a}/b"},)"
               R"({"action":"b","class":"read","match":"GET /a/{b}"}])"),
       "route ambiguous", 409},
      {"upstream_action_of_two_classes",
       changed("upstream", "desk", "actions",
               R"([{"action":"a","class":"read","match":"GET /a"},)"
               R"({"action":"a","class":"write","match":"POST /a"}])"),
       "an action of two classes"},
      {"upstream_limits", changed("upstream", "desk", "limits", kNoLimits),
       "limits of an upstream"},
      {"upstream_bytes_over_the_ceiling", changed("upstream", "desk", "limits", kVastLimits),
       "limits of an upstream"},
      {"upstream_action_unclassified",
       changed("upstream", "desk", "actions",
               R"([{"action":"a","class":"unclassified","match":"GET /a"}])"),
       "class of an action"},
      {"roots_with_a_private_key", changed("upstream", "desk", "tls_ca", pem("PRIVATE KEY")),
       "tls_ca holds a private key"},
      {"roots_that_are_none", changed("upstream", "desk", "tls_ca", "\"x\""),
       "tls_ca is no PEM certificate"},
      {"roots_for_plain_http", changed("upstream", "desk", "tls_ca", pem("CERTIFICATE")),
       "tls_ca needs an https url"},
      {"text_of_two_lines", changed("upstream", "desk", "description", R"("a\nb")"),
       "a text is not one line of 4096 bytes"},
      {"text_long", changed("agent", "coder", "description", "\"" + std::string(4097, 'a') + "\""),
       "a text is not one line of 4096 bytes"},
      {"list_long",
       changed("agent", "coder", "labels",
               json::write(json::Value(json::Array(1001, json::Value("a"))))),
       "a list of more than 1000"},
      {"credential_path_without_file", changed("credential", "git-password", "path", "\"p\""),
       "a path goes with source file"},
      {"credential_file_without_path", changed("credential", "git-password", "source", "\"file\""),
       "a path goes with source file"},
      {"injected_line_feed",
       changed("upstream", "git", "inject",
               R"({"as":"header","credential":"git-password","format":"{secret}\r\nX: y",)"
               R"("header":"Authorization","username":""})"),
       "format of an injection"},
      {"injected_host",
       changed("upstream", "git", "inject",
               R"({"as":"header","credential":"git-password","format":"{secret}",)"
               R"("header":"Host","username":""})"),
       "a header that cannot be injected"},
      {"injected_unknown_credential",
       changed("upstream", "git", "inject",
               R"({"as":"basic","credential":"other","format":"","header":"","username":"u"})"),
       "an upstream injects an unknown credential"},
      {"issuer_plain_http", changed("issuer", "idp", "url", "\"http://idp.test\""),
       "url of an issuer"},
      {"issuer_without_audiences", changed("issuer", "idp", "audiences", "[]"),
       "an issuer without audiences"},
  };
  const auto before = edge.log().size();
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    refused(as_operator("PUT", "/v1/resources", row.body, {{"If-Match", "*"}}), row.status,
            row.reason);
  }
  EXPECT_EQ(edge.log().size(), before);
  // What PUT refuses is no plan.
  refused(as_operator("POST", "/v1/resources/plan",
                      changed("upstream", "desk", "url", "\"http://desk.test\"")),
          400, "url of an upstream");
}

// --- a disk that cannot be written

using Disk = testkit::FaultyVfs;
struct HasDisk {  // made before the store, and there until it is closed
  Disk disk{"api-test"};
};
class DiskApi : public HasDisk, public ApiTest {
 protected:
  DiskApi() : ApiTest(disk.name()) {}
};

TEST_F(DiskApi, WhatCannotBeRecordedIsNotDone) {
  const auto task = own_task();
  const auto approval = ask(task);
  struct Row {
    const char* name;
    Disk::Op op;
    Disk::Fault fault;
    std::string_view type, reason;
  };
  const Row rows[] = {
      {"full", Disk::Op::kWrite, Disk::Fault::kDiskFull, "storage-full", "disk full"},
      {"read_only", Disk::Op::kWrite, Disk::Fault::kReadOnly, "read-only", "database is read-only"},
      {"log_not_synced", Disk::Op::kSync, Disk::Fault::kInputOutput, "io", "database input/output"},
  };
  const std::string declared = as_operator("GET", "/v1/resources").raw.body;
  const auto recorded = edge.log().size();
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    disk.fail(row.op, row.fault);
    const Answer answers[] = {
        as_operator("POST", path(task, "/end")),
        as_operator("POST", path(task, "/pause")),
        as_human("bob-sub", "POST", "/v1/approvals/" + approval.id.str() + "/answer",
                 R"({"answer":"once"})"),
        as_operator("PUT", "/v1/resources", R"({"resources":[]})", {{"If-Match", "*"}}),
    };
    for (const Answer& got : answers) {
      ASSERT_EQ(got.raw.status, 503U) << got.raw.body;
      EXPECT_EQ(got.text("type"), "urn:stint:problem:" + std::string(row.type));
      EXPECT_EQ(got.reason(), row.reason);
    }
    EXPECT_GT(disk.injected(), 0U);
    const auto shown = as_operator("GET", path(task));  // reading goes on
    ASSERT_EQ(shown.raw.status, 200U) << shown.raw.body;
    EXPECT_EQ(shown.text("state"), "active");
    EXPECT_EQ(as_operator("GET", "/v1/resources").raw.body, declared);
    EXPECT_EQ(testkit::must_have(edge.store->events(0, 10'000)).size(), recorded);
    disk.clear();
    while (!edge.store->health().writable) std::this_thread::yield();
  }
  EXPECT_EQ(as_operator("POST", path(task, "/end")).text("how"), "revoked");
}

}  // namespace
}  // namespace stint::api
