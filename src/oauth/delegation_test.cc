// Delegation by token exchange (RFC 8693): the parent asks, with its own key; the child's assertion
// is the actor token. docs/adr/0010.
#include "oauth_for_test.h"
#include "stint/audit/event.h"

namespace stint::oauth {
namespace {

constexpr std::string_view kAccessType = "urn:ietf:params:oauth:token-type:access_token";
constexpr std::string_view kReadObject =
    R"({"type":"stint_grant","upstream":"git","actions":["git.fetch"],"resources":["demo/readme.git"]})";

class Delegation : public OAuthTest {
 protected:
  Told parent(std::initializer_list<std::string_view> grants = {kGitObject}) {
    Ask a = exchange(edge.coder);
    std::string text = details({kTaskObject});
    text.pop_back();
    for (const std::string_view g : grants) text += "," + std::string(g);
    a.set("authorization_details", text + "]");
    a.set("resource", std::string(kGitAudience));
    Told told = send(a);
    EXPECT_EQ(told.status, 200U) << told.body;
    return told;
  }
  // Time goes by, and the writer says that it lives.
  void pass(std::chrono::milliseconds time) {
    edge.clock.advance(time);
    edge.authority->confirm_view();
    edge.log();
  }
  std::vector<std::string> signalled_agents() {
    std::vector<std::string> out;
    for (const auto& e : edge.log())
      if (const auto entry = testkit::must_have(audit::parse(e.bytes));
          const auto* s = std::get_if<audit::Signal>(&entry.event))
        out.push_back(s->agent);
    return out;
  }
  static std::int64_t exp_of(const Told& told) {
    return claims_of(told.text("access_token")).at("exp").as_int64();
  }
};

TEST_F(Delegation, AParentsTokenOpensAChild) {
  const Told above_told = parent();
  const Told child = send(delegation(edge.coder, above_told.text("access_token"), edge.helper));
  ASSERT_EQ(child.status, 200U) << child.body;
  EXPECT_EQ(child.text("issued_token_type"), kAccessType);
  EXPECT_EQ(child.text("token_type"), "DPoP");
  const json::Object claims = claims_of(child.text("access_token"));
  const json::Object above = claims_of(above_told.text("access_token"));
  EXPECT_EQ(claims.at("sub"), "alice@example.com");
  // 8693 3: the current actor outermost.
  EXPECT_EQ(claims.at("act"),
            (json::Value{{"sub", "agent:helper"}, {"act", {{"sub", "agent:coder"}}}}));
  EXPECT_EQ(claims.at("client_id"), "helper");
  EXPECT_EQ(claims.at("task").at("parent"), above.at("task").at("id"));
  // Bound to the child's key and not to the one that asked: whoever passes it on cannot use it.
  EXPECT_EQ(claims.at("cnf").at("jkt"), json::Value(edge.helper.jkt()));
  EXPECT_LE(claims.at("task").at("deadline").as_int64(),
            above.at("task").at("deadline").as_int64());  // rule 3
  EXPECT_EQ(edge.count("task.delegated"), 1U);
  expect_refused(send(refreshing(edge.coder, child.text("refresh_token"))), 400, "invalid_grant",
                 "the handle is bound to another key");
  EXPECT_EQ(send(refreshing(edge.helper, child.text("refresh_token"))).status, 200U);

  // Revoking the parent's handle ends the child (rule 4).
  EXPECT_EQ(send(about(edge.coder, "revoke", above_told.text("refresh_token"))).status, 200U);
  expect_refused(send(refreshing(edge.helper, child.text("refresh_token"))), 400, "invalid_grant",
                 "the task is closed");
}

// 8693 6: what the exchange gives out does not outlive what it was given for.
TEST_F(Delegation, TheFirstTokenEndsWithTheParents) {
  const Told told = parent();
  pass(200s);
  const Told child = send(delegation(edge.coder, told.text("access_token"), edge.helper));
  ASSERT_EQ(child.status, 200U) << child.body;
  EXPECT_EQ(exp_of(child), exp_of(told));
  EXPECT_EQ(json::int_at(child.json, "expires_in"), 100);
  // The child's own handle renews it: the child lives as long as its task, and ends with it.
  const Told renewed = send(refreshing(edge.helper, child.text("refresh_token")));
  ASSERT_EQ(renewed.status, 200U) << renewed.body;
  EXPECT_GT(exp_of(renewed), exp_of(told));
}

TEST_F(Delegation, IsRefusedAndNothingOpens) {
  const Told told = parent();
  const std::string token = told.text("access_token");
  const auto proved_by = [](Ask& a, testkit::Edge& e, const crypto::PrivateKey& key) {
    a.headers.set("DPoP", e.proof(key, "POST", testkit::kTokenUrl));
  };
  const BadRow rows[] = {
      // Who may ask: the client of the token, with its key.
      {"stolen_by_another_agent",
       [&](Ask& a, testkit::Edge& e) {
         a.set("client_assertion", e.assertion(e.helper));
         proved_by(a, e, e.helper.dpop);
       },
       400, "invalid_request", "the subject token is bound to another key", "key-mismatch"},
      {"stolen_by_another_instance",
       [&](Ask& a, testkit::Edge& e) { proved_by(a, e, e.make_key(crypto::Alg::kES256)); }, 400,
       "invalid_request", "the subject token is bound to another key", "key-mismatch"},
      {"over_a_certificate",
       [](Ask& a, auto&) {
         a.headers.remove("DPoP");
         a.peer.certificate = crypto::sha256("another's");
       },
       400, "invalid_request", "the subject token is bound to another key", "key-mismatch"},
      {"another_client_with_the_key",
       [](Ask& a, testkit::Edge& e) { a.set("client_assertion", e.assertion(e.helper)); }, 400,
       "invalid_request", "the subject token belongs to another client", "key-mismatch"},
      // Who takes it: an instance whose agent said which key it holds.
      {"no_actor",
       [](Ask& a, auto&) {
         a.drop("actor_token");
         a.drop("actor_token_type");
       },
       400, "invalid_request", "actor_token is missing"},
      {"actor_names_no_key",
       [](Ask& a, testkit::Edge& e) { a.set("actor_token", e.assertion(e.helper)); }, 400,
       "invalid_request", "actor_token names no key"},
      {"actor_key_of_no_form",
       [&](Ask& a, testkit::Edge& e) {
         a.set("actor_token", assertion_with(e.helper, {{"cnf", json::Object{{"jkt", "k"}}}}));
       },
       400, "invalid_request", "assertion cnf"},
      {"actor_forged",
       [](Ask& a, testkit::Edge& e) {
         auto thief = testkit::TestAgent{.name = "helper",
                                         .key = e.make_key(crypto::Alg::kEdDSA),
                                         .dpop = e.make_key(crypto::Alg::kES256),
                                         .kid = e.helper.kid};
         a.set("actor_token", e.actor_token(thief));
       },
       400, "invalid_request", "client authentication failed"},
      {"actor_suspended",
       [](Ask& a, testkit::Edge& e) { a.set("actor_token", e.actor_token(e.idler)); }, 400,
       "invalid_request", "the agent is suspended"},
      {"id_token_as_actor", [](Ask& a, testkit::Edge& e) { a.set("actor_token", e.id_token()); },
       400, "invalid_request", "client authentication failed", "borrowed-session"},
      {"actor_does_not_authenticate",
       [](Ask& a, auto&) {
         a.drop("client_assertion");
         a.drop("client_assertion_type");
       },
       401, "invalid_client", "client authentication is missing"},
      // What is given: no more than the token carries.
      {"8693_5_wider_actions",
       [](Ask& a, auto&) {
         a.set(
             "authorization_details",
             details(
                 {kTaskObject,
                  R"({"type":"stint_grant","upstream":"git","actions":["git.ref.delete"],"resources":["demo/readme.git"]})"}));
       },
       400, "invalid_authorization_details", "grants exceed the parent's"},
      {"8693_5_wider_resources",
       [](Ask& a, auto&) {
         a.set("authorization_details",
               details({kTaskObject,
                        R"({"type":"stint_grant","upstream":"git","actions":["git.fetch"]})"}));
       },
       400, "invalid_authorization_details", "grants exceed the parent's"},
      {"8693_5_other_upstream",
       [](Ask& a, auto&) { a.set("authorization_details", details({kTaskObject, kDeskObject})); },
       400, "invalid_authorization_details", "grants exceed the parent's"},
      {"altered",
       [&](Ask& a, auto&) { a.set("subject_token", token.substr(0, token.size() - 4) + "AAAA"); },
       400, "invalid_request", "signature"},
      {"parent_handle_as_token",
       [&](Ask& a, auto&) { a.set("subject_token", told.text("refresh_token")); }, 400,
       "invalid_request", "jws parts"},
      {"assertion_as_token",
       [](Ask& a, testkit::Edge& e) { a.set("subject_token", e.assertion(e.coder)); }, 400,
       "invalid_request", "token typ"},
  };
  std::vector<std::string> expected;
  for (const BadRow& row : rows) {
    SCOPED_TRACE(row.name);
    pass(1s);  // one signal of a name a second
    Ask a = delegation(edge.coder, token, edge.helper);
    row.change(a, edge);
    expect_refused(send(a), row.status, row.error, row.reason);
    if (row.signal != nullptr) expected.emplace_back(row.signal);
    EXPECT_EQ(edge.signals(), expected);
  }
  EXPECT_EQ(edge.count("task.opened"), 1U);
}

TEST_F(Delegation, NoMoreSensitivityNorBudget) {
  Ask asked = exchange(edge.coder);
  asked.set("authorization_details",
            details({R"({"type":"stint_task","purpose":"x","ttl":600,"sensitivity":"internal",)"
                     R"("budget":{"requests":7}})",
                     kGitObject}));
  asked.set("resource", std::string(kGitAudience));
  const Told told = send(asked);
  ASSERT_EQ(told.status, 200U) << told.body;
  const auto child_with = [&](const char* task) {
    Ask a = delegation(edge.coder, told.text("access_token"), edge.helper);
    a.set("authorization_details", details({task, kGitObject}));
    return send(a);
  };
  expect_refused(child_with(R"({"type":"stint_task","purpose":"x","sensitivity":"restricted"})"),
                 400, "access_denied", "sensitivity exceeds the parent's");
  expect_refused(child_with(R"({"type":"stint_task","purpose":"x","budget":{"requests":8}})"), 400,
                 "access_denied", "budget exceeds what the parent has left");
  EXPECT_EQ(edge.count("task.opened"), 1U);
}

TEST_F(Delegation, HasADepth) {
  std::string token = parent().text("access_token");
  const testkit::TestAgent* asks = &edge.coder;
  for (int depth = 1; depth <= 4; ++depth) {
    const Told child = send(delegation(*asks, token, edge.helper));
    ASSERT_EQ(child.status, 200U) << child.body;
    token = child.text("access_token");
    asks = &edge.helper;
  }
  expect_refused(send(delegation(edge.helper, token, edge.helper)), 400,
                 "invalid_authorization_details", "delegation too deep");
  EXPECT_EQ(edge.count("task.opened"), 5U);
}

TEST_F(Delegation, HasABreadth) {
  const std::string token = parent().text("access_token");
  for (std::size_t i = 0; i < domain::TaskLimits().max_children; ++i)
    ASSERT_EQ(send(delegation(edge.coder, token, edge.helper)).status, 200U);
  // A child may end: not to be given up.
  const Told told = send(delegation(edge.coder, token, edge.helper));
  expect_refused(told, 503, "temporarily_unavailable", "the task has too many open children");
  EXPECT_TRUE(told.headers.has("Retry-After"));
}

// What an operator said of the child's agent is not for its parent to get round.
TEST_F(Delegation, StaysInTheEnvironmentOfTheChildsAgent) {
  const auto in = [&](std::string_view coder, std::string_view helper) {
    auto declared = edge.declared();
    for (auto& agent : declared.agents)
      agent.environment = agent.name == "coder" ? coder : agent.name == "helper" ? helper : "";
    edge.apply(std::move(declared));
    return send(delegation(edge.coder, parent().text("access_token"), edge.helper));
  };
  for (const std::string_view parents : {"", "production"})
    expect_refused(in(parents, "staging"), 400, "invalid_authorization_details",
                   "the agent works in another environment");
  EXPECT_EQ(edge.count("task.delegated"), 0U);
  EXPECT_EQ(in("staging", "staging").status, 200U);
  EXPECT_EQ(in("staging", "").status, 200U);
}

// Policy judges the child, and the proof of the request is its parent's.
TEST_F(Delegation, TheParentsProofIsNotTheChilds) {
  auto declared = edge.declared();
  declared.add(resource::Policy{
      .name = "fresh.cedar",
      .text = "@id(\"fresh-child\")\nforbid (principal, action == Action::\"task.delegate\", "
              "resource) when { context.request.fresh_proof };\n"});
  edge.apply(std::move(declared));
  const Told child = send(delegation(edge.coder, parent().text("access_token"), edge.helper));
  EXPECT_EQ(child.status, 200U) << child.body;
}

TEST_F(Delegation, OfATokenThatIsOverIsRefused) {  // 8693 8
  const Told told = parent();
  const auto asked_with = [&](const Told& t) {
    return send(delegation(edge.coder, t.text("access_token"), edge.helper));
  };
  EXPECT_EQ(send(about(edge.coder, "revoke", told.text("access_token"))).status, 200U);
  expect_refused(asked_with(told), 400, "invalid_request", "the token is revoked");
  const Told second = send(refreshing(edge.coder, told.text("refresh_token")));
  ASSERT_EQ(second.status, 200U) << second.body;
  pass(301s);
  expect_refused(asked_with(second), 400, "invalid_request", "token expired");
  const Told third = send(refreshing(edge.coder, told.text("refresh_token")));
  ASSERT_EQ(third.status, 200U) << third.body;
  EXPECT_EQ(send(about(edge.coder, "revoke", told.text("refresh_token"))).status, 200U);
  expect_refused(asked_with(third), 400, "invalid_request", "the task is closed");
  EXPECT_EQ(edge.count("task.opened"), 1U);
}

// What the child gave its parent makes nobody the child.
TEST_F(Delegation, AnActorTokenAuthenticatesWithItsOwnKeyAlone) {
  Ask as_child = credentials(edge.coder);
  as_child.set("client_assertion", edge.actor_token(edge.helper));
  expect_refused(send(as_child), 401, "invalid_client", "the client assertion is for another key");
  EXPECT_EQ(edge.signals(), std::vector<std::string>{"key-mismatch"});
  EXPECT_EQ(signalled_agents(), std::vector<std::string>{"helper"});  // whose assertion it is
  pass(1s);
  Ask beside = exchange(edge.coder);
  beside.set("actor_token", edge.actor_token(edge.helper));
  beside.set("actor_token_type", "urn:ietf:params:oauth:token-type:jwt");
  expect_refused(send(beside), 400, "invalid_request", "the client assertion is for another key");
  EXPECT_EQ(signalled_agents(), (std::vector<std::string>{"helper", "coder"}));  // who sent it
  pass(1s);
  // Nor where no key is asked for; an instance that names its key everywhere is not suspected.
  const Told told = parent();
  for (const char* endpoint : {"introspect", "revoke"}) {
    Ask a = about(edge.helper, endpoint, told.text("access_token"));
    a.set("client_assertion", edge.actor_token(edge.helper));
    expect_refused(send(a), 401, "invalid_client", "the client assertion is for another key");
  }
  EXPECT_EQ(edge.signals().size(), 2U);
  // With that key it is the child's own.
  Ask own = exchange(edge.helper);
  own.set("client_assertion", edge.actor_token(edge.helper));
  EXPECT_EQ(send(own).status, 200U);
  // It counts once.
  Ask first = delegation(edge.coder, told.text("access_token"), edge.helper);
  Ask again = delegation(edge.coder, told.text("access_token"), edge.helper);
  for (const auto& [name, value] : first.form)
    if (name == "actor_token") again.set(name, value);
  EXPECT_EQ(send(first).status, 200U);
  expect_refused(send(again), 400, "invalid_request", "the client assertion was used before");
  EXPECT_EQ(edge.count("task.delegated"), 1U);
}

// RFC 9396: a token for the issuer itself carries what was asked for by name, and the token
// endpoint is the one place that takes it.
TEST_F(Delegation, OverSeveralUpstreams) {
  const Told told = parent({kGitObject, kDeskObject});
  Ask both = delegation(edge.coder, told.text("access_token"), edge.helper);
  both.set("authorization_details", details({kTaskObject, kReadObject, kDeskObject}));
  both.set("resource", std::string(kGitAudience));
  expect_refused(send(both), 400, "invalid_authorization_details",
                 "grants exceed the parent's token");

  const auto for_issuer = [&](std::optional<std::string> carried) {
    Ask a = refreshing(edge.coder, told.text("refresh_token"));
    a.set("resource", std::string(testkit::kIssuer));
    if (carried) a.set("authorization_details", *std::move(carried));
    return send(a);
  };
  const Told bare = for_issuer(std::nullopt);
  EXPECT_FALSE(claims_of(bare.text("access_token")).contains("authorization_details"));
  both = delegation(edge.coder, bare.text("access_token"), edge.helper);
  both.set("authorization_details", details({kTaskObject, kReadObject, kDeskObject}));
  both.set("resource", std::string(kGitAudience));
  expect_refused(send(both), 400, "invalid_authorization_details",
                 "grants exceed the parent's token");
  expect_refused(
      for_issuer(R"([{"type":"stint_grant","upstream":"desk","actions":["ticket.export"]}])"), 400,
      "invalid_authorization_details", "more than the task was granted");

  const Told carrying = for_issuer(details({kReadObject, kDeskObject}));
  ASSERT_EQ(carrying.status, 200U) << carrying.body;
  const json::Object carried = claims_of(carrying.text("access_token"));
  EXPECT_EQ(carried.at("aud"), json::Value(testkit::kIssuer));
  EXPECT_EQ(carried.at("authorization_details").as_array().size(), 2U);

  both = delegation(edge.coder, carrying.text("access_token"), edge.helper);
  both.set("authorization_details", details({kTaskObject, kReadObject, kDeskObject}));
  both.set("resource", std::string(kGitAudience));
  const Told child = send(both);
  ASSERT_EQ(child.status, 200U) << child.body;
  EXPECT_EQ(claims_of(child.text("access_token")).at("authorization_details").as_array().size(),
            1U);
  Ask desk = refreshing(edge.helper, child.text("refresh_token"));
  desk.set("resource", std::string(kDeskAudience));
  EXPECT_EQ(send(desk).status, 200U);
  // Still no more than it carries, though the task could push.
  both = delegation(edge.coder, carrying.text("access_token"), edge.helper);
  both.set("resource", std::string(kGitAudience));
  expect_refused(send(both), 400, "invalid_authorization_details",
                 "grants exceed the parent's token");
}

TEST_F(Delegation, ByCertificateToACertificate) {
  const auto bound_to = [&](std::string_view name) {
    return codec::encode_base64url(crypto::view(crypto::sha256(name)));
  };
  Ask open = exchange(edge.coder);
  open.headers.remove("DPoP");
  open.peer.certificate = crypto::sha256("coder's");
  const Told told = send(open);
  ASSERT_EQ(told.status, 200U) << told.body;
  Ask ask = delegation(edge.coder, told.text("access_token"), edge.helper);
  ask.headers.remove("DPoP");
  ask.peer.certificate = crypto::sha256("coder's");
  ask.set("actor_token",
          assertion_with(edge.helper, {{"cnf", json::Object{{"x5t#S256", bound_to("helper's")}}}}));
  const Told child = send(ask);
  ASSERT_EQ(child.status, 200U) << child.body;
  EXPECT_EQ(child.text("token_type"), "Bearer");
  EXPECT_EQ(claims_of(child.text("access_token")).at("cnf").at("x5t#S256"),
            json::Value(bound_to("helper's")));
}

}  // namespace
}  // namespace stint::oauth
