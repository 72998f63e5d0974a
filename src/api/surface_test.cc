#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>

#include "edge_for_test.h"
#include "stint/merkle/note.h"
#include "stint/merkle/proof_file.h"
#include "stint/merkle/tile.h"

namespace stint::api {
namespace {

using Surface = ApiTest;

std::string plain(std::string path) {  // a tail parameter is an ordinary one to OpenAPI
  if (const auto at = path.find("...}"); at != std::string::npos) path.erase(at, 3);
  return path;
}

TEST(OpenApi, HasEveryRouteAndNoOther) {
  const auto doc = testkit::must_have(json::parse_object(Api::openapi(), {.bytes = 1 << 20}));
  EXPECT_EQ(doc.at("openapi").as_string(), "3.1.0");
  std::map<std::string, std::string> written, routed;
  for (const auto& path : doc.at("paths").as_object())
    for (const auto& method : path.value().as_object()) {
      std::string name(method.key());
      std::ranges::transform(name, name.begin(), [](char c) { return static_cast<char>(c - 32); });
      written[name + ' ' + std::string(path.key())] =
          method.value().as_object().at("operationId").as_string();
    }
  std::set<std::string> operations;
  for (const RouteInfo& r : Api::routes()) {
    routed[std::string(r.method) + ' ' + plain(std::string(r.path))] = r.operation;
    EXPECT_TRUE(operations.emplace(r.operation).second) << r.operation;
  }
  EXPECT_EQ(written, routed);
  EXPECT_EQ(routed.size(), 43U);
}

// Every {name} of a path is declared, every $ref leads somewhere.
TEST(OpenApi, IsWhole) {
  const auto doc = testkit::must_have(json::parse(Api::openapi(), {.bytes = 1 << 20}));
  std::size_t refs = 0;
  const std::function<void(const json::Value&)> walk = [&](const json::Value& v) {
    if (v.is_array())
      for (const auto& item : v.get_array()) walk(item);
    if (!v.is_object()) return;
    for (const auto& member : v.get_object()) {
      if (member.key() == "$ref") {
        ++refs;
        const std::string at(member.value().as_string());
        boost::system::error_code ec;
        EXPECT_NE(doc.find_pointer(at.substr(1), ec), nullptr) << at;
      }
      walk(member.value());
    }
  };
  walk(doc);
  EXPECT_GT(refs, 100U);
  for (const auto& path : doc.at("paths").as_object())
    for (const auto& method : path.value().as_object()) {
      const auto& op = method.value().as_object();
      const std::string text = json::write(op);
      for (const char* name : {"{id}", "{name}", "{seq}", "{path}"}) {
        if (std::string_view(path.key()).find(name) == std::string_view::npos) continue;
        const bool declared = std::string_view(name) == "{id}"
                                  ? text.find("parameters/Id\"") != std::string::npos
                                  : text.find("\"in\":\"path\"") != std::string::npos;
        EXPECT_TRUE(declared) << path.key();
      }
      EXPECT_TRUE(op.at("responses").as_object().contains("default")) << path.key();
    }
}

TEST_F(Surface, ServesItsPathsAlone) {
  for (const RouteInfo& r : Api::routes()) EXPECT_TRUE(Api::serves(r.path)) << r.path;
  EXPECT_FALSE(Api::serves("/oauth/token"));
  EXPECT_FALSE(Api::serves("/v10"));
  const auto none = as_operator("GET", "/v1/nothing");
  EXPECT_EQ(none.raw.status, 404U);
  EXPECT_EQ(none.reason(), "no such endpoint");
  const auto wrong = as_operator("PUT", "/v1/tasks");
  EXPECT_EQ(wrong.raw.status, 405U);
  EXPECT_EQ(wrong.reason(), "the endpoint has no such method");
  EXPECT_EQ(wrong.header("Allow"), "GET, POST");
  EXPECT_EQ(as_operator("GET", "/v1/%2e%2e/x").raw.status, 400U);
}

// RFC 9110 15.5.2, RFC 9449 9: what is refused for want of a credential says which it takes.
TEST_F(Surface, EveryUnauthenticatedAnswerHasItsChallenge) {
  std::size_t refused = 0;
  for (const RouteInfo& r : Api::routes()) {
    std::string target(r.path);
    while (target.contains('{')) {
      const auto at = target.find('{');
      target.replace(at, target.find('}') - at + 1, "x");
    }
    SCOPED_TRACE(target);
    for (const Headers& headers :
         {Headers{}, Headers{{"Authorization", "DPoP x.y.z"}},
          Headers{{"Authorization", "Bearer x"}}, Headers{{"Authorization", "Basic eDp5"}}}) {
      const auto got = call(tcp(), std::string(r.method), target, headers, "{}");
      const bool open = r.path.starts_with("/log/") || r.path == "/openapi.json";
      if (got.raw.status != 401U) {
        EXPECT_TRUE(open) << got.raw.status;
        continue;
      }
      ++refused;
      EXPECT_TRUE(got.header("WWW-Authenticate").starts_with("DPoP realm=\"stint\""));
      EXPECT_TRUE(got.header("WWW-Authenticate").contains("algs=\"ES256"));
      const bool person = !headers.empty() && headers[0].value == "Bearer x";
      EXPECT_EQ(got.header("DPoP-Nonce").empty(), person && r.operation != "openTask");
    }
  }
  EXPECT_EQ(refused, 39U * 4U);
}

TEST_F(Surface, RefusesWhatItDoesNotKnow) {
  const auto task = own_task();
  struct Row {
    const char* method;
    std::string target, body, reason;
    unsigned status;
  };
  const Row rows[] = {
      {"GET", "/v1/tasks?stat=open", "", "unknown query parameter", 400},
      {"GET", "/v1/tasks?limit=5&limit=6", "", "a query parameter is repeated", 400},
      {"GET", "/v1/tasks?limit=0", "", "limit is not a number from 1 to 200", 400},
      {"GET", "/v1/tasks?limit=201", "", "limit is not a number from 1 to 200", 400},
      {"GET", "/v1/events?after=-1", "", "a query parameter is not a sequence number", 400},
      {"GET", "/v1/events?after=999999", "", "the log does not reach that event", 412},
      {"GET", "/v1/tasks/task_00000000000000000000000000000000", "", "no such task, or not yours",
       404},
      {"POST", path(task, "/end"), R"({"how":"completed","how":"revoked"})", "json duplicate key",
       400},
      {"POST", path(task, "/end"), R"({"why":"x"})", "json unknown member", 400},
      {"POST", path(task, "/end"), R"({"how":"idle"})", "how is not one that a caller may give",
       400},
      {"POST", path(task, "/end"), std::string(65 * 1024, ' '), "the body is too large", 413},
      {"GET", "/v1/agents/nobody", "", "nothing of that name is declared", 404},
      {"GET", "/v1/feed", "", "the feed is a stream: Accept text/event-stream", 400},
      {"GET", "/log/tile/0/00x", "", "", 400},
      {"GET", path(task, "/receipt"), "", "no receipt yet: it is signed after the task has closed",
       404},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.target);
    const auto got = as_operator(row.method, row.target, row.body);
    EXPECT_EQ(got.raw.status, row.status);
    if (!row.reason.empty()) EXPECT_EQ(got.reason(), row.reason);
    EXPECT_EQ(got.header("Content-Type"), "application/problem+json");
    EXPECT_EQ(got.header("Cache-Control"), "no-store");
  }
  const auto typed = call(socket(kUid), "POST", path(task, "/end"),
                          {{"Content-Type", "text/plain"}}, R"({"how":"revoked"})");
  EXPECT_EQ(typed.raw.status, 400U);
  EXPECT_EQ(edge.count("task.closed"), 0U);
}

TEST_F(Surface, ListsByPages) {
  std::set<std::string> opened, listed;
  for (int i = 0; i < 5; ++i) opened.insert(own_task().task.id.str());
  std::string after;
  int pages = 0;
  for (;; ++pages) {
    const auto got = as_operator("GET", "/v1/tasks?limit=2" + after);
    for (const auto& item : got.body.at("items").as_array())
      listed.emplace(item.as_object().at("id").as_string());
    if (got.body.at("next").is_null()) break;
    after = "&after=" + got.text("next");
  }
  EXPECT_EQ(listed, opened);
  EXPECT_EQ(pages, 2);
  const auto events = as_operator("GET", "/v1/events?limit=3");
  EXPECT_EQ(events.body.at("next").as_int64(), 2);
  const auto more = as_operator("GET", "/v1/events?after=2&limit=1");
  EXPECT_EQ(more.body.at("items").as_array()[0].as_object().at("seq").as_int64(), 3);
}

TEST_F(Surface, ChangesOnlyTheVersionThatWasMeant) {
  const auto task = own_task();
  const auto stale = as_operator("POST", path(task, "/pause"), "", {{"If-Match", "\"7\""}});
  EXPECT_EQ(stale.raw.status, 412U);
  const auto tag = as_operator("GET", path(task)).header("ETag");
  EXPECT_EQ(as_operator("POST", path(task, "/pause"), "", {{"If-Match", tag}}).raw.status, 200U);
}

TEST_F(Surface, AnIdempotentPostHappensOnce) {
  const auto task = own_task();
  const Headers key{{"Idempotency-Key", "try-1"}};
  const auto first = as_operator("POST", path(task, "/pause"), "{}", key);
  EXPECT_EQ(first.raw.status, 200U);
  EXPECT_EQ(as_operator("POST", path(task, "/resume")).raw.status, 200U);
  const auto again = as_operator("POST", path(task, "/pause"), "{}", key);
  EXPECT_EQ(again.raw.body, first.raw.body);
  EXPECT_EQ(again.header("Idempotency-Replayed"), "true");
  EXPECT_EQ(as_operator("GET", path(task)).text("state"), "active");  // not paused again
  const auto other = as_operator("POST", path(task, "/end"), "{}", key);
  EXPECT_EQ(other.raw.status, 409U);
  EXPECT_EQ(other.reason(), "the Idempotency-Key was used for another request");
  // Another caller's key is another key.
  EXPECT_EQ(as_human("root-sub", "POST", path(task, "/pause"), "{}", key).raw.status, 200U);
  EXPECT_EQ(as_operator("POST", path(task, "/end"), "{}", {{"Idempotency-Key", "a b"}}).raw.status,
            400U);
  EXPECT_EQ(edge.count("task.paused"), 2U);
}

TEST_F(Surface, AppliesTheDeclaredState) {
  auto got = as_operator("GET", "/v1/resources");
  ASSERT_EQ(got.raw.status, 200U);
  const std::string tag = got.header("ETag");
  json::Array list = got.body.at("resources").as_array();
  list.push_back(
      json::Object{{"kind", "group"},
                   {"body", json::Object{{"name", "auditors"}, {"description", "read the log"}}}});
  const json::Object desired{{"resources", list}};
  const auto plan = as_operator("POST", "/v1/resources/plan", json::write(desired));
  ASSERT_EQ(plan.raw.status, 200U) << plan.reason();
  ASSERT_EQ(plan.body.at("entries").as_array().size(), 1U);
  EXPECT_EQ(plan.body.at("entries").as_array()[0].as_object().at("verb").as_string(), "create");
  EXPECT_EQ(as_operator("GET", "/v1/resources").header("ETag"), tag);  // nothing was changed

  const auto bare = as_operator("PUT", "/v1/resources", json::write(desired));
  EXPECT_EQ(bare.reason(), "If-Match is missing: the version of GET, or *");
  json::Object with = desired;
  with["values"] = json::Object{{"git-password", "test-another-value"}};
  const auto put = as_operator("PUT", "/v1/resources", json::write(with), {{"If-Match", tag}});
  ASSERT_EQ(put.raw.status, 200U) << put.reason();
  EXPECT_EQ(put.body.at("created").as_int64(), 1);
  EXPECT_EQ(put.body.at("sealed").as_int64(), 1);
  EXPECT_EQ(
      as_operator("PUT", "/v1/resources", json::write(desired), {{"If-Match", tag}}).raw.status,
      412U);
  EXPECT_TRUE(edge.authority->recognise("test-another-value"));
  EXPECT_EQ(as_operator("GET", "/v1/groups/auditors").text("description"), "read the log");
  EXPECT_TRUE(as_operator("GET", "/v1/credentials/git-password").body.at("has_value").as_bool());
  for (const auto& e : edge.log()) EXPECT_EQ(e.bytes.find("test-another-value"), std::string::npos);
}

TEST_F(Surface, RefusesADeclaredStateThatIsNotOne) {
  struct Row {
    const char *body, *reason;
  };
  const Row rows[] = {
      {R"({"resources":[{"kind":"gorup","body":{}}]})", ""},
      {R"({"resources":[7]})", "a resource is not an object"},
      {R"({"resources":[],"value":{}})", "json unknown member"},
      {R"({"resources":[],"values":{"a":7}})", "a value is not a string"},
      {R"({"resources":[],"values":{"a":""}})", "a value is empty"},
      {R"({"resources":[{"kind":"group","body":{"name":"a","description":""}},)"
       R"({"kind":"group","body":{"name":"a","description":""}}]})",
       "a resource is named twice"},
  };
  const auto before = edge.log().size();
  for (const Row& row : rows) {
    SCOPED_TRACE(row.body);
    const auto got = as_operator("PUT", "/v1/resources", row.body, {{"If-Match", "*"}});
    EXPECT_EQ(got.raw.status, 400U);
    if (*row.reason != 0) EXPECT_EQ(got.reason(), row.reason);
  }
  EXPECT_EQ(edge.log().size(), before);
}

TEST_F(Surface, ServesTheLogSoThatItVerifies) {
  own_task();
  EXPECT_EQ(call(tcp(), "GET", "/log/checkpoint", {}).raw.status, 404U);
  const auto published = edge.authority->publish_log();
  ASSERT_TRUE(published.has_value());
  const auto note = call(tcp(), "GET", "/log/checkpoint", {});
  ASSERT_EQ(note.raw.status, 200U);
  std::string vkey = call(tcp(), "GET", "/log/vkey", {}).raw.body;
  vkey.pop_back();
  const auto keys = std::vector{testkit::must_have(merkle::NoteKey::parse(vkey))};
  const auto proof = as_operator("GET", "/v1/log/proof/3");
  ASSERT_EQ(proof.raw.status, 200U) << proof.reason();
  const auto file = testkit::must_have(merkle::parse_proof_file(proof.text("proof")));
  EXPECT_TRUE(merkle::verify_proof_file(file, proof.text("entry"), keys).has_value());
  EXPECT_FALSE(merkle::verify_proof_file(file, proof.text("entry") + " ", keys).has_value());

  const auto size = edge.authority->checkpoint()->value().size;
  ASSERT_LT(size, 256U);
  const std::string width = std::to_string(size);
  const auto hashes = call(tcp(), "GET", "/log/tile/0/000.p/" + width, {});
  const auto entries = as_operator("GET", "/log/tile/entries/000.p/" + width);
  const auto leaves =
      testkit::must_have(merkle::parse_hashes(hashes.raw.body, static_cast<std::uint32_t>(size)));
  const auto bundle =
      testkit::must_have(merkle::parse_bundle(entries.raw.body, static_cast<std::uint32_t>(size)));
  for (std::size_t i = 0; i < size; ++i) EXPECT_EQ(merkle::leaf_hash(bundle[i]), leaves[i]);
  EXPECT_EQ(call(tcp(), "GET", "/log/tile/entries/000.p/" + width, {}).raw.status, 401U);
  EXPECT_EQ(call(tcp(), "GET", "/log/tile/0/001", {}).raw.status, 404U);
}

TEST_F(Surface, ExplainsADecision) {
  ask(own_task());
  const auto why = as_operator("GET", "/v1/decisions/" + last_decision);
  ASSERT_EQ(why.raw.status, 200U) << why.reason();
  EXPECT_NE(why.text("words").find("high-risk"), std::string::npos) << why.text("words");
  EXPECT_EQ(why.body.at("event").as_object().at("kind").as_string(), "decision");
}

TEST_F(Surface, ShowsATree) {
  const auto task = own_task();
  auto child = rt::block_on(edge.authority->delegate(
      {.parent = task.task.id,
       .parent_token = task.token->id,
       .parent_token_kid = testkit::must_have(edge.keys->signing_key(crypto::Alg::kES256)).kid,
       .parent_token_expires = task.token->expires,
       .parent_token_grants = task.task.grants,
       .child = {.order = {.purpose = "a part of it",
                           .agent = "helper",
                           .binding = {domain::Binding::Kind::kDpop, edge.helper.jkt()},
                           .grants = {{.upstream = "git",
                                       .actions = {"git.fetch"},
                                       .resources = {"demo/readme.git"}}}},
                 .actor = authority::Actor::agent("helper")}}));
  ASSERT_TRUE(child.has_value()) << child.error().reason.text();
  const auto tree = as_operator("GET", path(task, "/tree")).body.at("tree").as_object();
  ASSERT_EQ(tree.at("children").as_array().size(), 1U);
  EXPECT_EQ(tree.at("children").as_array()[0].as_object().at("agent").as_string(), "helper");
}

TEST_F(Surface, PublishesItselfAndItsKeys) {
  const auto doc = call(tcp(), "GET", "/openapi.json", {});
  EXPECT_EQ(doc.raw.body, Api::openapi());
  const auto same = call(tcp(), "GET", "/openapi.json", {{"If-None-Match", doc.header("ETag")}});
  EXPECT_EQ(same.raw.status, 304U);
  const auto keys = as_operator("GET", "/v1/keys");
  EXPECT_EQ(keys.body.at("items").as_array().size(), 4U);
  EXPECT_NE(keys.text("log"), "");
}

}  // namespace
}  // namespace stint::api
