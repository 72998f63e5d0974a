// Who asks and for whom, over a real authority. What the token endpoint makes of it is in oauth.
#include "stint/opening/opener.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>

#include "stint/opening/token_reply.h"
#include "stint/testkit/edge_fixture.h"

namespace stint::opening {
namespace {

using namespace std::chrono_literals;
using testkit::Edge;

class OpenerTest : public testing::Test {
 protected:
  Outcome<Person> person(std::string token) {
    return rt::block_on(edge.opener->person(std::move(token), edge.clock.wall()));
  }
  bool borrowed(std::string text) { return rt::block_on(edge.opener->borrowed(std::move(text))); }
  Outcome<Client> client(const testkit::TestAgent& a) {
    return edge.opener->authenticate(kClientAssertionType, edge.assertion(a), "", std::nullopt,
                                     edge.clock.wall());
  }
  Edge edge;
};

TEST_F(OpenerTest, APersonIsWhoTheOperatorDeclared) {
  const auto alice = person(edge.id_token(
      "alice-sub", {{"acr", "mfa"},
                    {"email", "root@example.com"},
                    {"email_verified", true},
                    {"groups", json::Array{"approvers", "nobody-declared", "approvers"}}}));
  ASSERT_TRUE(alice.has_value()) << alice.error().error.reason.text();
  EXPECT_EQ(alice->name(), "alice@example.com");  // by (iss, sub), never by e-mail
  EXPECT_EQ(alice->groups(), std::vector<std::string>{"approvers"});
  EXPECT_TRUE(alice->in_group("approvers"));
  EXPECT_FALSE(alice->in_group("admins"));
  EXPECT_EQ(alice->acr(), "mfa");
  EXPECT_EQ(person(edge.id_token("root-sub"))->groups(), std::vector<std::string>{"admins"});
}

TEST_F(OpenerTest, GroupsOfTheTokenCountOnlyWhereTheIssuerSaysSo) {
  auto declared = edge.declared();
  declared.issuers.front().groups_claim.clear();
  edge.apply(std::move(declared));
  EXPECT_TRUE(
      person(edge.id_token("alice-sub", {{"groups", json::Array{"admins"}}}))->groups().empty());
}

TEST_F(OpenerTest, WhatIsNoPerson) {
  const auto reason = [&](std::string token) {
    const auto got = person(std::move(token));
    return got ? std::string() : std::string(got.error().error.reason.text());
  };
  EXPECT_EQ(reason(edge.open(edge.coder).token->token), "id token issuer is not trusted");
  EXPECT_EQ(reason(edge.assertion(edge.coder)), "id token issuer is not trusted");
  EXPECT_EQ(reason(""), "jws parts");
  const std::string good = edge.id_token();
  EXPECT_EQ(reason(good), "");
  edge.clock.advance(301s);
  EXPECT_EQ(reason(good), "id token is too old");
  edge.clock.advance(100s);
  EXPECT_EQ(reason(good), "jwt expired");
}

// An issuer whose keys are found by discovery, and that rotates them.
struct Idp {
  std::string jwks;
  int asked = 0;
};
rt::Co<Result<http::Response>> serve(Idp* idp, std::string url) {
  ++idp->asked;
  std::string body = url.ends_with("/jwks")
                         ? idp->jwks
                         : R"({"issuer":"https://idp.test","jwks_uri":"https://idp.test/jwks"})";
  co_return http::Response{.status = 200, .headers = {}, .body = std::move(body)};
}

TEST_F(OpenerTest, ARotatedKeyIsFetchedOnce) {
  auto declared = edge.declared();
  declared.issuers.front().jwks.clear();
  edge.apply(std::move(declared));
  Idp idp{Edge::jwks(edge.make_key(crypto::Alg::kES256), "old")};
  trust::IssuerKeys keys(edge.clock,
                         [&idp](std::string url) { return serve(&idp, std::move(url)); });
  Opener opener(*edge.authority, keys, edge.entropy);
  const auto ask = [&] { return rt::block_on(opener.person(edge.id_token(), edge.clock.wall())); };
  ASSERT_FALSE(ask().has_value());  // the key is not published yet
  EXPECT_EQ(ask().error().error.reason.text(), "jws unknown key");
  EXPECT_EQ(idp.asked, 2);
  idp.jwks = Edge::jwks(edge.idp_key, "idp-test");
  edge.clock.advance(30s);
  EXPECT_TRUE(ask().has_value());
  EXPECT_EQ(idp.asked, 4);
}

TEST_F(OpenerTest, BorrowedIsAnIdTokenOrACredentialsValue) {
  EXPECT_TRUE(borrowed(edge.id_token()));
  EXPECT_TRUE(borrowed(edge.id_token("mallory-sub")));
  EXPECT_TRUE(borrowed(std::string(testkit::kPlantedSecret)));
  const std::string old = edge.id_token();
  edge.clock.advance(1h);
  EXPECT_TRUE(borrowed(old));  // expired or not
  EXPECT_FALSE(borrowed(old.substr(0, old.size() - 4) + "AAAA"));
  EXPECT_FALSE(borrowed(""));
  EXPECT_FALSE(borrowed("nonsense"));
  EXPECT_FALSE(borrowed(edge.assertion(edge.coder)));
  EXPECT_FALSE(borrowed(std::string(testkit::kPlantedSecret) + "x"));
  EXPECT_FALSE(borrowed(std::string(1 << 20, 'a')));
}

TEST_F(OpenerTest, AClientIsTheAgentWhoseKeySigned) {
  const auto coder = client(edge.coder);
  ASSERT_TRUE(coder.has_value());
  EXPECT_EQ(coder->agent(), "coder");
  EXPECT_EQ(coder->spend().scope, "client-assertion");
  EXPECT_EQ(client(edge.idler).error().part, Part::kClient);
}

TEST_F(OpenerTest, TheAgentsEnvironmentIsTheOperators) {
  auto declared = edge.declared();
  for (auto& agent : declared.agents)
    if (agent.name == "coder") agent.environment = "staging";
  edge.apply(std::move(declared));
  const auto open = [&](std::string environment) {
    Wanted w{.purpose = "p",
             .reference = "T-1",
             .environment = std::move(environment),
             .life = 60s,
             .ceiling = {},
             .budget = {},
             .grants = Edge::git_grants()};
    return rt::block_on(edge.opener->open(*client(edge.coder), *person(edge.id_token()),
                                          {domain::Binding::Kind::kDpop, edge.coder.jkt()},
                                          std::move(w), std::nullopt, {}));
  };
  const auto by_default = open("");
  ASSERT_TRUE(by_default.has_value()) << by_default.error().error.reason.text();
  EXPECT_EQ(by_default->task.environment, "staging");
  EXPECT_FALSE(by_default->token.has_value());  // none was asked for
  EXPECT_EQ(by_default->task.human, "alice@example.com");
  // What an operator said is not the agent's to change: policies judge by it.
  const auto other = open("production");
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().error.reason.text(), "the agent works in another environment");
  EXPECT_TRUE(open("staging").has_value());
}

TEST_F(OpenerTest, AFreshHandleIsShownOnceAndNotStored) {
  authority::Opened opened = edge.open(edge.coder);
  const std::string text = Edge::text_of(opened.handle);
  const auto response =
      oauth::TokenReply::with_handle(201, {{"task", "x"}}, "handle", std::move(opened.handle));
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.headers.one("Cache-Control"), "no-store");
  EXPECT_EQ(testkit::must_have(json::parse_object(response.body)).at("handle"), json::Value(text));
  EXPECT_EQ(opened.handle.size(), 0U);
  for (const auto& event : edge.log()) EXPECT_FALSE(event.bytes.contains(text));
}

}  // namespace
}  // namespace stint::opening
