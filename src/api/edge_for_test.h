#pragma once

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>

#include "stint/api/api.h"
#include "stint/testkit/edge_fixture.h"

namespace stint::api {

// The API in front of a real authority, called without a connection.
class ApiTest : public testing::Test {
 protected:
  // `vfs`: of SQLite, for faulty disks.
  explicit ApiTest(const std::string& vfs = {}) : edge(vfs) {}

  struct Answer {
    http::Response raw;
    json::Object body;
    std::string reason() const {
      const auto* r = body.if_contains("reason");
      return r != nullptr && r->is_string() ? std::string(r->get_string()) : "";
    }
    std::string text(std::string_view key) const { return std::string(body.at(key).as_string()); }
    std::string header(std::string_view name) const {
      return std::string(raw.headers.find(name).value_or(""));
    }
  };
  using Headers = std::vector<http::Header>;

  Answer call(http::Peer peer, std::string method, std::string target, const Headers& headers,
              std::string body = {}) {
    http::RequestHead head{.method = std::move(method), .target = std::move(target), .headers = {}};
    head.headers.add("Host", "127.0.0.1:7443");
    if (!body.empty()) head.headers.add("Content-Type", "application/json");
    for (const auto& h : headers) head.headers.add(h.name, h.value);
    Answer out{rt::block_on(api.answer(std::move(head), std::move(peer), std::move(body))), {}};
    if (auto object = json::parse_object(out.raw.body, {.bytes = 8 * 1024 * 1024}))
      out.body = *std::move(object);
    return out;
  }
  static http::Peer tcp() { return {.ip = "127.0.0.1", .port = 5000}; }
  static http::Peer socket(std::uint32_t uid) {
    return {.ip = "", .unix_credentials = http::UnixCredentials{.uid = uid}};
  }

  Answer as_operator(std::string method, std::string target, std::string body = {},
                     Headers headers = {}) {
    return call(socket(kUid), std::move(method), std::move(target), headers, std::move(body));
  }
  Answer as_human(std::string_view subject, std::string method, std::string target,
                  std::string body = {}, Headers headers = {}) {
    headers.push_back({"Authorization", "Bearer " + edge.id_token(subject)});
    return call(tcp(), std::move(method), std::move(target), headers, std::move(body));
  }
  // With a token for the API and a good proof.
  Answer as_agent(const authority::Opened& task, std::string method, std::string target,
                  std::string body = {}, Headers headers = {}) {
    const std::string& token = task.token->token;
    const std::string path = target.substr(0, target.find('?'));
    headers.push_back({"Authorization", "DPoP " + token});
    headers.push_back(
        {"DPoP", edge.proof(edge.coder.dpop, method, std::string(testkit::kIssuer) + path, token)});
    return call(tcp(), std::move(method), std::move(target), headers, std::move(body));
  }
  authority::Opened own_task() {
    return edge.open(edge.coder, testkit::Edge::git_grants(), std::string(testkit::kIssuer));
  }
  std::string path(const authority::Opened& task, std::string_view more = {}) {
    return "/v1/tasks/" + task.task.id.str() + std::string(more);
  }

  // Deleting a branch: the shipped policies ask.
  domain::Approval ask(const authority::Opened& opened) {
    const auto& task = opened.task;
    auto verdict = rt::block_on(edge.authority->decide(
        {.task = task.id,
         .token = opened.token->id,
         .kid = testkit::must_have(edge.keys->signing_key(crypto::Alg::kES256)).kid,
         .token_grants = std::make_shared<const std::vector<domain::Grant>>(task.grants),
         .call = {.task = task.id,
                  .upstream = "git",
                  .action = "git.ref.delete",
                  .action_class = domain::ActionClass::kDelete,
                  .resource = "demo/readme.git",
                  .method = "POST",
                  .target = "/demo/readme.git/git-receive-pack",
                  .arguments = R"({"ref":"refs/heads/old"})"},
         .arguments = {},
         .words = "delete the branch old of demo/readme.git",
         .request = {.ip = "127.0.0.1"},
         .path = "/demo/readme.git",
         .directory_version = edge.authority->directory()->version()}));
    EXPECT_TRUE(verdict && verdict->approval) << (verdict ? "" : verdict.error().reason.text());
    if (!verdict || !verdict->approval) std::abort();  // what follows would read what is not there
    last_decision = verdict->id.str();
    return *verdict->approval;
  }

  static constexpr std::uint32_t kUid = 1234;
  testkit::Edge edge;
  std::string last_decision;
  Api api{{*edge.authority, *edge.opener, edge.gate, edge.clock}, {.operator_uid = kUid}};
};

}  // namespace stint::api
