#include <gmock/gmock.h>

#include "edge_for_test.h"

namespace stint::api {
namespace {

class OpenTask : public ApiTest {
 protected:
  static constexpr std::string_view kUrl = "http://127.0.0.1:7443/v1/tasks";

  json::Object asking() {
    return {{"client_assertion_type", opening::kClientAssertionType},
            {"client_assertion", edge.assertion(edge.coder)},
            {"subject_token", edge.id_token()},
            {"purpose", "fix the typo in README"},
            {"ttl", 600},
            {"grants", json::Array{json::Object{{"upstream", "git"},
                                                {"actions", json::Array{"git.fetch", "git.push"}},
                                                {"resources", json::Array{"demo/readme.git"}}}}}};
  }
  Answer post(const json::Object& body, Headers headers = {}) {
    headers.push_back({"DPoP", edge.proof(edge.coder.dpop, "POST", kUrl)});
    return call(tcp(), "POST", "/v1/tasks", headers, json::write(body));
  }
};

TEST_F(OpenTask, GivesTaskTokenAndHandleOnce) {
  const auto got = post(asking());
  ASSERT_EQ(got.raw.status, 201U) << got.reason();
  const auto& task = got.body.at("task").as_object();
  EXPECT_EQ(task.at("human").as_string(), "alice@example.com");
  EXPECT_EQ(got.header("Location"), "/v1/tasks/" + std::string(task.at("id").as_string()));
  EXPECT_EQ(got.body.at("token").as_object().at("audience").as_string(),
            "http://127.0.0.1:7444/u/git");
  EXPECT_TRUE(got.text("handle").starts_with("stint_"));
  EXPECT_EQ(got.header("Cache-Control"), "no-store");
  const std::string shown = as_operator("GET", got.header("Location")).raw.body;
  EXPECT_EQ(shown.find(got.text("handle")), std::string::npos);
}

TEST_F(OpenTask, RefusesByReason) {
  struct Row {
    std::string name, reason;
    unsigned status;
    std::function<void(json::Object&)> change;
    std::string error = {};  // of the challenge
    std::size_t events = 0;  // of a client that is known, and was judged (rule 10)
  };
  const auto parent = edge.open(edge.coder);
  const std::size_t before = edge.count("task.opened");
  const Row rows[] = {
      {"no assertion", "client_assertion is missing", 400,
       [](auto& b) { b.erase("client_assertion"); }},
      {"suspended", "the agent is suspended", 401,
       [&](auto& b) { b["client_assertion"] = edge.assertion(edge.idler); }},
      {"another audience", "assertion aud", 401,
       [&](auto& b) { b["client_assertion"] = edge.assertion(edge.coder, "https://other.test"); }},
      {"unknown member", "json unknown member", 400, [](auto& b) { b["admin"] = true; }},
      {"unknown upstream", "resource is not known here", 400,
       [](auto& b) { b["resource"] = "https://other.test"; }},
      {"bad human", "id token issuer is not trusted", 401,
       [&](auto& b) {
         b["subject_token"] = edge.id_token("alice-sub", {{"iss", "https://x.test"}});
       },
       "invalid_token", 1},
      {"nonsense for a human", "jws parts", 401, [](auto& b) { b["subject_token"] = "x"; },
       "invalid_token", 1},
      {"altered parent", "signature", 401,
       [&](auto& b) {
         const std::string& t = parent.token->token;
         b["subject_token"] = t.substr(0, t.size() - 4) + "AAAA";
       },
       "invalid_token", 1},
      {"no purpose", "json member missing", 400, [](auto& b) { b.erase("purpose"); }},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    json::Object body = asking();
    row.change(body);
    const auto decided = edge.count("decision");
    const auto got = post(body);
    EXPECT_EQ(got.raw.status, row.status) << got.reason();
    EXPECT_EQ(got.reason(), row.reason);
    const std::string challenge =
        row.status != 401   ? ""
        : row.error.empty() ? R"(DPoP realm="stint", algs=")"
                            : R"(DPoP realm="stint", error=")" + row.error +
                                  R"(", error_description=")" + row.reason + R"(", algs=")";
    EXPECT_TRUE(got.header("WWW-Authenticate").starts_with(challenge))
        << got.header("WWW-Authenticate");
    EXPECT_EQ(got.header("WWW-Authenticate").empty(), challenge.empty());
    EXPECT_EQ(got.header("DPoP-Nonce").empty(), challenge.empty());
    EXPECT_EQ(edge.count("decision"), decided + row.events);
  }
  EXPECT_EQ(edge.count("task.opened"), before);
  json::Object used = asking();
  EXPECT_EQ(post(used).raw.status, 201U);
  const auto again = post(used);
  EXPECT_EQ(again.raw.status, 401U);
  EXPECT_EQ(again.reason(), "the client assertion was used before");
  EXPECT_TRUE(again.header("WWW-Authenticate").starts_with(R"(DPoP realm="stint", algs=)"));
  EXPECT_NE(again.header("DPoP-Nonce"), "");
}

TEST_F(OpenTask, NeedsAProofWithANonce) {
  const auto without = call(tcp(), "POST", "/v1/tasks", {}, json::write(asking()));
  EXPECT_EQ(without.raw.status, 401U);
  EXPECT_EQ(without.reason(), "no DPoP proof and no client certificate");
  EXPECT_NE(without.header("WWW-Authenticate"), "");
  EXPECT_NE(without.header("DPoP-Nonce"), "");
  const auto two = post(asking(), {{"DPoP", edge.proof(edge.coder.dpop, "POST", kUrl)}});
  EXPECT_EQ(two.raw.status, 401U);
  EXPECT_EQ(two.reason(), "more than one DPoP proof");
  EXPECT_TRUE(two.header("WWW-Authenticate").contains("error=\"invalid_dpop_proof\""));
  const auto stale = call(tcp(), "POST", "/v1/tasks",
                          {{"DPoP", edge.proof_with_nonce(edge.coder.dpop, "POST", kUrl, {}, {})}},
                          json::write(asking()));
  EXPECT_EQ(stale.raw.status, 401U);
  EXPECT_NE(stale.header("DPoP-Nonce"), "");
}

TEST_F(OpenTask, AHumansSessionOpensNothing) {
  const auto beside = post(asking(), {{"Authorization", "Bearer " + edge.id_token()}});
  EXPECT_EQ(beside.raw.status, 401U);
  EXPECT_EQ(beside.reason(), "a task is opened with a client assertion, and without Authorization");
  edge.clock.advance(std::chrono::milliseconds(1500));
  json::Object body = asking();
  body["client_assertion"] = edge.id_token();
  const auto inside = post(body);
  EXPECT_EQ(inside.raw.status, 401U);
  EXPECT_EQ(inside.reason(), "client authentication failed");
  EXPECT_THAT(edge.signals(), testing::ElementsAre("borrowed-session", "borrowed-session"));
  EXPECT_EQ(edge.count("task.opened"), 0U);
}

TEST_F(OpenTask, TheSameKeyOpensOnce) {
  const Headers key{{"Idempotency-Key", "ticket-4711"}};
  const auto first = post(asking(), key);
  ASSERT_EQ(first.raw.status, 201U) << first.reason();
  const auto again = post(asking(), key);  // with a new assertion, ID token and proof
  EXPECT_EQ(again.raw.status, 409U);
  EXPECT_EQ(again.text("task"), first.body.at("task").as_object().at("id").as_string());
  EXPECT_EQ(again.raw.body.find(first.text("handle")), std::string::npos);
  EXPECT_EQ(edge.count("task.opened"), 1U);
  json::Object other = asking();
  other["purpose"] = "something else";
  EXPECT_EQ(post(other, key).reason(), "the Idempotency-Key was used for another request");
  // A refusal is not remembered.
  json::Object bad = asking();
  bad["ttl"] = 100'000'000;
  EXPECT_NE(post(bad, {{"Idempotency-Key", "k2"}}).raw.status, 201U);
  EXPECT_EQ(post(asking(), {{"Idempotency-Key", "k2"}}).raw.status, 201U);
}

TEST_F(OpenTask, AParentsTokenDelegates) {
  const auto parent = edge.open(edge.coder);
  const auto body = [&] {
    json::Object b = asking();
    b["subject_token"] = parent.token->token;
    b["actor_token"] = edge.actor_token(edge.helper);
    return b;
  };
  const auto child = post(body());
  ASSERT_EQ(child.raw.status, 201U) << child.reason();
  EXPECT_EQ(child.body.at("task").as_object().at("cnf").as_object().at("jkt").as_string(),
            edge.helper.jkt());
  EXPECT_EQ(child.body.at("task").as_object().at("parent").as_string(), parent.task.id.str());
  EXPECT_EQ(child.body.at("task").as_object().at("agent").as_string(), "helper");

  // As at the token endpoint: the parent asks, with its own key.
  struct Row {
    std::string_view name, reason;
    unsigned status;
    std::function<void(json::Object&)> change;
    bool signalled = false;
    std::size_t events = 1;
  };
  const Row rows[] = {
      {"no actor", "actor_token is missing", 401, [](auto& b) { b.erase("actor_token"); }},
      {"actor without a key", "actor_token names no key: it needs cnf", 401,
       [&](auto& b) { b["actor_token"] = edge.assertion(edge.helper); }},
      {"another client", "the subject token belongs to another client", 401,
       [&](auto& b) { b["client_assertion"] = edge.assertion(edge.helper); }, true},
      {"another key", "the subject token is bound to another key", 401,
       [&](auto& b) { b["subject_token"] = edge.open(edge.helper).token->token; }, true},
      {"actor beside an ID token", "actor_token goes with a parent's token", 400,
       [&](auto& b) { b["subject_token"] = edge.id_token(); }, false, 0},
      {"child's assertion as the parent's", "the client assertion is for another key", 401,
       [&](auto& b) { b["client_assertion"] = edge.actor_token(edge.helper); }, true, 0},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    edge.clock.advance(std::chrono::seconds(1));
    const auto signals = edge.signals().size(), events = edge.count("decision");
    json::Object b = body();
    row.change(b);
    const auto got = post(b);
    EXPECT_EQ(got.raw.status, row.status);
    EXPECT_EQ(got.reason(), row.reason);
    EXPECT_EQ(edge.signals().size(), signals + (row.signalled ? 1 : 0));
    for (const auto& e : edge.log())  // a signal names somebody
      if (e.kind == "signal") EXPECT_TRUE(e.bytes.contains(R"("agent":")")) << e.bytes;
    EXPECT_EQ(edge.count("decision"), events + row.events);
  }
  EXPECT_EQ(edge.count("task.delegated"), 1U);
}

// What is wrong with the rest of a request does not use the child's assertion up.
TEST_F(OpenTask, ABadRequestSpendsNoActorToken) {
  const auto parent = edge.open(edge.coder);
  const std::string actor = edge.actor_token(edge.helper);
  const auto with = [&](std::string_view member, json::Value value, Headers headers = {}) {
    json::Object b = asking();
    b["subject_token"] = parent.token->token;
    b["actor_token"] = actor;
    b[member] = std::move(value);
    return post(b, std::move(headers));
  };
  EXPECT_EQ(with("purpose", 7).reason(), "json member type");
  EXPECT_EQ(with("resource", "https://other.test").reason(), "resource is not known here");
  EXPECT_EQ(with("ttl", 60, {{"Idempotency-Key", "a b"}}).raw.status, 400U);
  EXPECT_EQ(with("ttl", 60).raw.status, 201U);
  const auto again = with("ttl", 60);
  EXPECT_EQ(again.raw.status, 401U);
  EXPECT_EQ(again.reason(), "the client assertion was used before");
}

// Refusals that pass by themselves are told so, and not as bad credentials.
TEST_F(OpenTask, APausedParentAndTooManyChildrenMayPass) {
  const auto parent = edge.open(edge.coder);
  const auto child = [&] {
    json::Object b = asking();
    b["subject_token"] = parent.token->token;
    b["actor_token"] = edge.actor_token(edge.helper);
    return post(b);
  };
  for (std::size_t i = 0; i < domain::TaskLimits().max_children; ++i)
    ASSERT_EQ(child().raw.status, 201U);
  const auto many = child();
  EXPECT_EQ(many.raw.status, 429U);
  EXPECT_EQ(many.reason(), "the task has too many open children");
  ASSERT_TRUE(rt::block_on(edge.authority->pause(parent.task.id, domain::Why::kOperator,
                                                 authority::Actor::local_operator(0))));
  const auto paused = child();
  EXPECT_EQ(paused.raw.status, 403U);
  EXPECT_EQ(paused.reason(), "the task is paused");
  EXPECT_EQ(paused.header("WWW-Authenticate"), "");
}

}  // namespace
}  // namespace stint::api
