// Who may what: rule 9 of the domain, and docs/adr/0006-people-at-the-api.md.
#include <gmock/gmock.h>

#include "edge_for_test.h"

namespace stint::api {
namespace {

using testing::Contains;
using testing::IsEmpty;

using People = ApiTest;

TEST_F(People, NobodyIsTold) {
  const auto got = call(tcp(), "GET", "/v1/tasks", {});
  EXPECT_EQ(got.raw.status, 401U);
  EXPECT_EQ(got.reason(), "no access token");
  EXPECT_NE(got.header("WWW-Authenticate"), "");
}

TEST_F(People, TheOperatorComesByTheSocket) {
  EXPECT_EQ(as_operator("GET", "/v1/whoami").text("name"), "uid:1234");
  EXPECT_EQ(call(socket(0), "GET", "/v1/whoami", {}).text("kind"), "operator");
  const auto other = call(socket(1235), "GET", "/v1/whoami", {});
  EXPECT_EQ(other.raw.status, 403U);
  EXPECT_EQ(other.reason(), "this user of the machine is not an operator");
}

TEST_F(People, AHumanOverTheSocketIsThatHuman) {
  const auto got = call(socket(kUid), "GET", "/v1/whoami",
                        {{"Authorization", "Bearer " + edge.id_token("bob-sub")}});
  EXPECT_EQ(got.text("name"), "bob@example.com");
  EXPECT_FALSE(got.body.at("admin").as_bool());
}

TEST_F(People, AHumansTokenMustBeYoungTrustedAndKnown) {
  struct Row {
    std::string token, reason;
  };
  const auto now = unix_seconds(edge.clock.wall());
  const Row rows[] = {
      {edge.id_token("alice-sub", {{"iat", now - 301}, {"exp", now + 10}}), "id token is too old"},
      {edge.id_token("alice-sub", {{"aud", "other"}}), "id token aud"},
      {edge.id_token("alice-sub", {{"iss", "https://evil.test"}}),
       "id token issuer is not trusted"},
      {edge.id_token("mallory-sub"), "the human is not known here"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.reason);
    const auto got = call(tcp(), "GET", "/v1/whoami", {{"Authorization", "Bearer " + row.token}});
    EXPECT_EQ(got.raw.status, 401U);
    EXPECT_EQ(got.reason(), row.reason);
  }
  EXPECT_THAT(edge.signals(), IsEmpty());
}

// A human's session in an agent's hands.
TEST_F(People, ABorrowedSessionIsRefusedAndReported) {
  const std::string token = edge.id_token("root-sub");
  const std::string url = std::string(testkit::kIssuer) + "/v1/whoami";
  const auto proof = edge.proof(edge.coder.dpop, "GET", url, token);
  struct Row {
    const char* name;
    Headers headers;
  };
  const Row rows[] = {
      {"as Bearer beside a proof", {{"Authorization", "Bearer " + token}, {"DPoP", proof}}},
      {"as a DPoP token", {{"Authorization", "DPoP " + token}, {"DPoP", proof}}},
      {"as a DPoP token, no proof", {{"Authorization", "DPoP " + token}}},
      {"an upstream's secret",
       {{"Authorization", "Bearer " + std::string(testkit::kPlantedSecret)}}},
  };
  std::size_t signals = 0;
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    edge.clock.advance(std::chrono::seconds(2));  // the same signal counts once a second
    const auto got = call(tcp(), "GET", "/v1/whoami", row.headers);
    EXPECT_EQ(got.raw.status, 401U);
    EXPECT_EQ(got.reason(), "a human's or an upstream's own credential is not accepted here");
    EXPECT_EQ(std::ranges::count(edge.signals(), "borrowed-session"), ++signals);
    EXPECT_EQ(got.raw.body.find(testkit::kPlantedSecret), std::string::npos);
  }
}

TEST_F(People, AStolenTokenIsUselessAndSeen) {
  const auto task = own_task();
  const std::string& token = task.token->token;
  const std::string url = std::string(testkit::kIssuer) + "/v1/whoami";
  const auto bare = call(tcp(), "GET", "/v1/whoami", {{"Authorization", "Bearer " + token}});
  EXPECT_EQ(bare.raw.status, 401U);
  EXPECT_EQ(bare.reason(), "the token is bound to a key: send it as DPoP with a proof");
  const auto other = call(tcp(), "GET", "/v1/whoami",
                          {{"Authorization", "DPoP " + token},
                           {"DPoP", edge.proof(edge.helper.dpop, "GET", url, token)}});
  EXPECT_EQ(other.raw.status, 401U);
  const auto proof = edge.proof(edge.coder.dpop, "GET", url, token);
  const Headers good{{"Authorization", "DPoP " + token}, {"DPoP", proof}};
  EXPECT_EQ(call(tcp(), "GET", "/v1/whoami", good).raw.status, 200U);
  EXPECT_EQ(call(tcp(), "GET", "/v1/whoami", good).raw.status, 401U);
  EXPECT_THAT(edge.signals(),
              testing::ElementsAre("proof-missing", "key-mismatch", "proof-replayed"));
}

// A token for the gateway opens nothing here.
TEST_F(People, ATokenForAnUpstreamIsNotForTheApi) {
  const auto task = edge.open(edge.coder);
  const auto got = as_agent(task, "GET", "/v1/whoami");
  EXPECT_EQ(got.raw.status, 401U);
  EXPECT_THAT(edge.signals(), Contains("wrong-audience"));
}

// Rule 9: everything that an agent may not, whatever its own task's token is good for.
TEST_F(People, AnAgentMayNot) {
  const auto own = own_task();
  const auto other = edge.open(edge.coder);
  const auto approval = ask(own);
  const auto foreign = ask(other);
  const std::string answer = "/v1/approvals/" + approval.id.str() + "/answer";
  const std::string dir = as_operator("GET", "/v1/resources").raw.body;
  struct Row {
    const char* method;
    std::string target, body, reason;
    unsigned status;
  };
  const std::string no = "an agent may not do this";
  const std::string alone = "an agent sees its own task alone";
  const Row rows[] = {
      {"POST", answer, R"({"answer":"once"})", no, 403},
      {"PUT", "/v1/resources", dir, no, 403},
      {"POST", "/v1/resources/plan", R"({"resources":[]})", no, 403},
      {"GET", "/v1/resources", "", no, 403},
      {"GET", "/v1/agents", "", no, 403},
      {"GET", "/v1/humans/alice@example.com", "", no, 403},
      {"GET", "/v1/policies", "", no, 403},
      {"GET", "/v1/events", "", no, 403},
      {"GET", "/v1/feed", "", "the agent is no edge verifier", 403},
      {"GET", "/v1/log/proof/0", "", no, 403},
      {"GET", "/log/tile/entries/000.p/1", "", no, 403},
      {"POST", path(own, "/pause"), "", no, 403},
      {"POST", path(own, "/resume"), "", no, 403},
      {"GET", path(own, "/tree"), "", no, 403},
      {"GET", path(other), "", alone, 403},
      {"GET", path(other, "/events"), "", alone, 403},
      {"GET", path(other, "/receipt"), "", alone, 403},
      {"POST", path(other, "/end"), "", alone, 403},
      {"POST", path(other, "/heartbeat"), "", alone, 403},
      {"GET", "/v1/approvals?task=" + other.task.id.str(), "", alone, 403},
      {"GET", "/v1/approvals/" + foreign.id.str(), "", "no such approval, or not yours", 404},
      {"GET", "/v1/decisions/" + last_decision, "", "no such decision, or not yours", 404},
      {"POST", path(own, "/end"), R"({"how":"revoked"})", "an agent ends its task as completed",
       403},
  };
  const auto before = edge.log().size();
  for (const Row& row : rows) {
    SCOPED_TRACE(row.method + (" " + row.target));
    const auto got = as_agent(own, row.method, row.target, row.body, {{"If-Match", "*"}});
    EXPECT_EQ(got.raw.status, row.status);
    EXPECT_EQ(got.reason(), row.reason);
  }
  EXPECT_EQ(edge.log().size(), before);  // nothing of it happened
}

TEST_F(People, AnAgentMaySeeAndEndItsOwn) {
  const auto own = own_task();
  edge.open(edge.coder);
  const auto list = as_agent(own, "GET", "/v1/tasks");
  ASSERT_EQ(list.raw.status, 200U) << list.reason();
  ASSERT_EQ(list.body.at("items").as_array().size(), 1U);
  EXPECT_EQ(as_agent(own, "GET", path(own)).text("agent"), "coder");
  EXPECT_EQ(as_agent(own, "GET", path(own, "/events")).raw.status, 200U);
  EXPECT_EQ(as_agent(own, "POST", path(own, "/heartbeat")).raw.status, 200U);
  const auto mine = ask(own);
  EXPECT_EQ(as_agent(own, "GET", "/v1/approvals/" + mine.id.str()).text("state"), "pending");
  EXPECT_EQ(as_agent(own, "GET", "/v1/decisions/" + last_decision).raw.status, 200U);
  const auto ended = as_agent(own, "POST", path(own, "/end"));
  EXPECT_EQ(ended.text("how"), "completed");
  const auto after = as_agent(own, "GET", path(own));
  EXPECT_EQ(after.raw.status, 401U);
  EXPECT_EQ(after.body.at("title").as_string(), "Task closed");
  EXPECT_THAT(edge.signals(), Contains("used-after-end"));
}

TEST_F(People, AHumanSeesAndEndsTheirOwnAlone) {
  const auto task = own_task();  // alice's
  EXPECT_EQ(as_human("alice-sub", "GET", path(task)).raw.status, 200U);
  EXPECT_EQ(as_human("alice-sub", "GET", path(task, "/tree")).raw.status, 200U);
  for (const char* more : {"", "/events", "/receipt", "/tree"}) {
    const auto got = as_human("bob-sub", "GET", path(task, more));
    EXPECT_EQ(got.raw.status, 404U) << more;
    EXPECT_EQ(got.reason(), "no such task, or not yours");
  }
  EXPECT_EQ(as_human("bob-sub", "POST", path(task, "/end")).raw.status, 404U);
  EXPECT_TRUE(as_human("bob-sub", "GET", "/v1/tasks").body.at("items").as_array().empty());
  EXPECT_EQ(as_human("bob-sub", "GET", "/v1/tasks?human=alice@example.com").raw.status, 403U);
  EXPECT_EQ(as_human("alice-sub", "POST", path(task, "/pause")).reason(),
            "only an operator or an administrator may do this");
  EXPECT_EQ(as_human("alice-sub", "GET", "/v1/events").raw.status, 403U);
  EXPECT_EQ(as_human("alice-sub", "PUT", "/v1/resources", R"({"resources":[]})").raw.status, 403U);
  EXPECT_EQ(as_human("alice-sub", "POST", path(task, "/end")).text("how"), "revoked");
}

TEST_F(People, AnAdministratorMayWhatAnOperatorMay) {
  const auto task = own_task();
  EXPECT_EQ(as_human("root-sub", "POST", path(task, "/pause")).text("why"), "operator");
  EXPECT_EQ(as_human("root-sub", "POST", path(task, "/resume")).text("state"), "active");
  EXPECT_EQ(as_human("root-sub", "GET", "/v1/events").raw.status, 200U);
  // A group that the token says counts when it is declared.
  const json::Object admins{{"groups", json::Array{"admins"}}};
  const auto bob = call(tcp(), "GET", "/v1/resources",
                        {{"Authorization", "Bearer " + edge.id_token("bob-sub", admins)}});
  EXPECT_EQ(bob.raw.status, 200U);
}

TEST_F(People, OnlyAHumanOfTheGroupAnswers) {
  const auto task = own_task();
  const auto approval = ask(task);
  const std::string target = "/v1/approvals/" + approval.id.str() + "/answer";
  const std::string yes = R"({"answer":"once"})";
  EXPECT_EQ(as_operator("POST", target, yes).reason(),
            "an operator does not answer approvals: log in as a human");
  EXPECT_EQ(as_human("root-sub", "POST", target, yes).reason(), "not in an approver group");
  EXPECT_EQ(as_human("alice-sub", "POST", target, yes).raw.status, 403U);
  EXPECT_EQ(edge.count("approval.answered"), 0U);
  const auto given = as_human("bob-sub", "POST", target, yes);
  ASSERT_EQ(given.raw.status, 200U) << given.reason();
  EXPECT_EQ(given.text("state"), "granted");
  EXPECT_EQ(given.text("answered_by"), "bob@example.com");
  EXPECT_EQ(as_human("bob-sub", "POST", target, yes).raw.status, 409U);
  EXPECT_EQ(edge.count("approval.answered"), 1U);
}

TEST_F(People, AnApproverSeesWhatTheyAreAskedAndNoMore) {
  const auto approval = ask(own_task());
  const auto list = as_human("bob-sub", "GET", "/v1/approvals?state=pending");
  ASSERT_EQ(list.body.at("items").as_array().size(), 1U);
  const auto& item = list.body.at("items").as_array()[0].as_object();
  EXPECT_EQ(item.at("words").as_string(), "delete the branch old of demo/readme.git");
  EXPECT_EQ(item.at("human").as_string(), "alice@example.com");
  EXPECT_EQ(item.at("purpose").as_string(), "fix the typo in README");
  EXPECT_EQ(item.at("call").as_object().at("arguments").as_object().at("ref").as_string(),
            "refs/heads/old");
  // The task's own human sees it too; others do not.
  EXPECT_EQ(as_human("alice-sub", "GET", "/v1/approvals").body.at("items").as_array().size(), 1U);
  EXPECT_EQ(as_human("bob-sub", "GET", path(own_task())).raw.status, 404U);
  EXPECT_EQ(approval.state, domain::ApprovalState::kPending);
}

}  // namespace
}  // namespace stint::api
