#pragma once

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stint/codec/base64url.h"
#include "stint/codec/form.h"
#include "stint/codec/json.h"
#include "stint/oauth/endpoints.h"
#include "stint/testkit/edge_fixture.h"

namespace stint::oauth {

using namespace std::chrono_literals;
using testkit::TestAgent;

inline constexpr std::string_view kGitAudience = "http://127.0.0.1:7444/u/git";
inline constexpr std::string_view kDeskAudience = "http://127.0.0.1:7444/u/desk";
inline constexpr std::string_view kTaskObject =
    R"({"type":"stint_task","purpose":"fix the typo in README","reference":"T-1","ttl":600})";
inline constexpr std::string_view kGitObject =
    R"({"type":"stint_grant","upstream":"git","actions":["git.fetch","git.push"],"resources":["demo/readme.git"]})";
inline constexpr std::string_view kDeskObject =
    R"({"type":"stint_grant","upstream":"desk","actions":["ticket.read"]})";

inline std::string details(std::initializer_list<std::string_view> objects) {
  std::string out = "[";
  for (const std::string_view o : objects) {
    if (out.size() > 1) out += ',';
    out += o;
  }
  return out + "]";
}

// A request that can still be spoilt.
struct Ask {
  std::string method = "POST";
  std::string target = "/oauth/token";
  std::vector<std::pair<std::string, std::string>> form;
  http::Headers headers{{"Content-Type", "application/x-www-form-urlencoded"}};
  http::Peer peer{.ip = "127.0.0.1", .certificate = {}, .unix_credentials = {}};
  std::optional<std::string> raw;

  void set(std::string_view name, std::string value) {
    drop(name);
    form.emplace_back(name, std::move(value));
  }
  void drop(std::string_view name) {
    std::erase_if(form, [&](const auto& p) { return p.first == name; });
  }
};

// A way to spoil a good request, and what comes of it.
struct BadRow {
  const char* name;
  std::function<void(Ask&, testkit::Edge&)> change;
  unsigned status;
  std::string_view error, reason;
  const char* signal = nullptr;
};

struct Told {
  unsigned status = 0;
  http::Headers headers;
  std::string body;
  json::Object json;

  std::string text(std::string_view key) const {
    const auto v = json::string_at(json, key);
    return v ? std::string(*v) : std::string();
  }
};

class OAuthTest : public testing::Test {
 protected:
  // `vfs`: of SQLite, for faulty disks.
  explicit OAuthTest(const std::string& vfs = {}, const proof::GateLimits& limits = {})
      : edge(vfs, limits) {}

  Told send(const Ask& ask) {
    codec::Form form;
    for (const auto& [name, value] : ask.form) form.add(name, value);
    http::RequestHead head{.method = ask.method, .target = ask.target, .headers = ask.headers};
    const auto response =
        rt::block_on(endpoints.answer(std::move(head), ask.peer, ask.raw.value_or(form.str())));
    Told told{.status = response.status, .headers = response.headers, .body = response.body};
    if (auto parsed = json::parse_object(response.body)) told.json = *std::move(parsed);
    return told;
  }

  // A good request of `agent`, but for what its grant adds.
  Ask ask(const TestAgent& agent, std::string_view grant_type) {
    Ask a;
    a.set("grant_type", std::string(grant_type));
    a.set("client_assertion_type", std::string(opening::kClientAssertionType));
    a.set("client_assertion", edge.assertion(agent));
    a.headers.set("DPoP", edge.proof(agent.dpop, "POST", testkit::kTokenUrl));
    return a;
  }
  Ask credentials(const TestAgent& agent) {
    Ask a = ask(agent, "client_credentials");
    a.set("authorization_details", details({kTaskObject, kGitObject}));
    a.set("resource", std::string(kGitAudience));
    return a;
  }
  Ask exchange(const TestAgent& agent) {
    Ask a = ask(agent, "urn:ietf:params:oauth:grant-type:token-exchange");
    a.set("subject_token", edge.id_token());
    a.set("subject_token_type", "urn:ietf:params:oauth:token-type:id_token");
    a.set("authorization_details", details({kTaskObject, kGitObject}));
    return a;
  }
  // `parent`, who holds the token and its key, asks for `child`.
  Ask delegation(const TestAgent& parent, const std::string& parent_token, const TestAgent& child) {
    Ask a = exchange(parent);
    a.set("subject_token", parent_token);
    a.set("subject_token_type", "urn:ietf:params:oauth:token-type:access_token");
    a.set("actor_token", edge.actor_token(child));
    a.set("actor_token_type", "urn:ietf:params:oauth:token-type:jwt");
    return a;
  }
  Ask refreshing(const TestAgent& agent, const std::string& handle) {
    Ask a = ask(agent, "refresh_token");
    a.set("refresh_token", handle);
    return a;
  }
  Ask about(const TestAgent& agent, std::string_view endpoint, const std::string& token) {
    Ask a;
    a.target = "/oauth/" + std::string(endpoint);
    a.set("client_assertion_type", std::string(opening::kClientAssertionType));
    a.set("client_assertion", edge.assertion(agent));
    a.set("token", token);
    return a;
  }
  // An assertion with other claims; an empty value takes a claim away.
  std::string assertion_with(const TestAgent& agent, const json::Object& changes,
                             std::string_view typ = "JWT") {
    json::Object claims{{"iss", agent.name},
                        {"sub", agent.name},
                        {"aud", testkit::kIssuer},
                        {"jti", edge.fresh_id()},
                        {"iat", unix_seconds(edge.clock.wall())},
                        {"exp", unix_seconds(edge.clock.wall()) + 60}};
    for (const auto& [key, value] : changes) {
      if (value.is_null()) {
        claims.erase(key);
      } else {
        claims[key] = value;
      }
    }
    return testkit::must_have(
        jose::sign({.typ = typ, .kid = agent.kid}, json::write(claims), agent.key));
  }

  static json::Object claims_of(const std::string& jwt) {
    const auto first = jwt.find('.'), second = jwt.find('.', first + 1);
    return testkit::must_have(json::parse_object(testkit::must_have(
        codec::decode_base64url(std::string_view(jwt).substr(first + 1, second - first - 1)))));
  }

  void expect_refused(const Told& told, unsigned status, std::string_view error,
                      std::string_view reason) {
    EXPECT_EQ(told.status, status) << told.body;
    EXPECT_EQ(told.text("error"), error) << told.body;
    EXPECT_TRUE(told.text("error_description").starts_with(std::string(reason) + ": "))
        << told.body;
    EXPECT_TRUE(told.text("error_uri").starts_with("urn:stint:problem:"));
    EXPECT_EQ(told.headers.one("Cache-Control"), "no-store");
    // RFC 6749 section 5.2: %x20-21 / %x23-5B / %x5D-7E.
    for (const char c : told.text("error_description"))
      EXPECT_TRUE(c >= 0x20 && c < 0x7f && c != '"' && c != '\\');
    EXPECT_FALSE(told.json.contains("access_token"));
  }

  testkit::Edge edge;
  Endpoints endpoints{{*edge.authority, *edge.opener, edge.gate, edge.clock}};
};

}  // namespace stint::oauth
