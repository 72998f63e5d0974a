// /v1/keys: who may, what is answered, and what a revocation means to who holds a token.
#include <gmock/gmock.h>

#include <boost/json/array.hpp>

#include "edge_for_test.h"

namespace stint::api {
namespace {

using namespace std::chrono_literals;

class KeysApi : public ApiTest {
 protected:
  // kid of the ES256 key in this state; "": none.
  std::string es256(std::string_view state) {
    const auto keys = as_operator("GET", "/v1/keys?state=" + std::string(state));
    for (const auto& item : keys.body.at("items").as_array())
      if (item.as_object().at("alg") == "ES256")
        return std::string(item.as_object().at("kid").as_string());
    return "";
  }
  std::string revocation(const std::string& kid) { return "/v1/keys/" + kid + "/revoke"; }
};

TEST_F(KeysApi, AreForOperatorsAndAdministrators) {
  const auto task = own_task();
  const std::string kid = es256("live");
  const std::pair<const char*, std::string> routes[] = {
      {"GET", "/v1/keys"}, {"POST", "/v1/keys/rotate"}, {"POST", revocation(kid)}};
  for (const auto& [method, path] : routes) {
    SCOPED_TRACE(path);
    const std::string body = method == std::string_view("POST") ? "{}" : "";
    const auto human = as_human("bob-sub", method, path, body);
    EXPECT_EQ(human.raw.status, 403U);
    EXPECT_EQ(human.reason(), "only an operator or an administrator may do this");
    const auto agent = as_agent(task, method, path, body);
    EXPECT_EQ(agent.raw.status, 403U);
    EXPECT_EQ(agent.reason(), "an agent may not do this");
  }
  EXPECT_EQ(es256("live"), kid);
  EXPECT_EQ(as_human("root-sub", "POST", "/v1/keys/rotate", "{}").raw.status, 200U);
}

TEST_F(KeysApi, ListsByPagesAndStates) {
  const auto all = as_operator("GET", "/v1/keys");
  EXPECT_EQ(all.body.at("items").as_array().size(), 4U);
  const auto first = as_operator("GET", "/v1/keys?limit=3");
  const auto rest = as_operator("GET", "/v1/keys?after=" + first.text("next"));
  EXPECT_EQ(rest.body.at("items").as_array().size(), 1U);
  EXPECT_TRUE(rest.body.at("next").is_null());
  EXPECT_TRUE(as_operator("GET", "/v1/keys?state=revoked").body.at("items").as_array().empty());
}

TEST_F(KeysApi, RotatesAsItSays) {
  const std::string before = es256("live");
  const auto got = as_operator("POST", "/v1/keys/rotate", R"({"alg":"ES256"})");
  EXPECT_EQ(got.raw.status, 200U);
  EXPECT_TRUE(got.body.at("changed").as_bool());
  EXPECT_EQ(got.body.at("live").as_array()[0].as_object().at("kid").as_string(), before);
  EXPECT_EQ(got.body.at("next").as_array().size(), 1U);
  const std::string next = es256("next");
  EXPECT_FALSE(
      as_operator("POST", "/v1/keys/rotate", R"({"alg":"ES256"})").body.at("changed").as_bool());
  EXPECT_EQ(es256("live"), before);
  const auto now = as_operator("POST", "/v1/keys/rotate", R"({"alg":"ES256","now":true})");
  EXPECT_EQ(now.body.at("live").as_array()[0].as_object().at("kid").as_string(), next);
  EXPECT_EQ(es256("former"), before);
  for (const char* alg : {"PS256", "HS256", ""})
    EXPECT_EQ(
        as_operator("POST", "/v1/keys/rotate", std::string(R"({"alg":")") + alg + "\"}").reason(),
        "no key signs with this algorithm");
}

TEST_F(KeysApi, RevokingTellsBeforeAndAfter) {
  const auto task = own_task();
  const std::string kid = es256("live");
  const auto dry = as_operator("POST", revocation(kid), R"({"dry_run":true})");
  EXPECT_EQ(dry.raw.status, 200U);
  EXPECT_EQ(dry.body.at("tokens").as_int64(), 1);
  EXPECT_EQ(dry.body.at("tasks").as_int64(), 1);
  EXPECT_TRUE(dry.body.at("replaced_by").is_null());
  EXPECT_EQ(as_agent(task, "GET", "/v1/whoami").raw.status, 200U) << "a dry run changes nothing";

  const auto done = as_operator("POST", revocation(kid));
  EXPECT_EQ(done.raw.status, 200U);
  EXPECT_EQ(done.body.at("tokens").as_int64(), 1);
  EXPECT_EQ(done.text("replaced_by"), es256("live"));
  EXPECT_EQ(es256("revoked"), kid);
  // Verified and cached before: refused all the same, with its own reason.
  const auto refused = as_agent(task, "GET", "/v1/whoami");
  EXPECT_EQ(refused.raw.status, 401U);
  EXPECT_EQ(refused.reason(), "the key that signed the token is revoked");
  EXPECT_EQ(as_agent(own_task(), "GET", "/v1/whoami").raw.status, 200U);

  const auto again = as_operator("POST", revocation(kid));
  EXPECT_EQ(again.raw.status, 409U);
  EXPECT_EQ(again.reason(), "the key is revoked already");
  const auto none = as_operator("POST", revocation("nothing"));
  EXPECT_EQ(none.raw.status, 404U);
  EXPECT_EQ(none.reason(), "no such key");
}

}  // namespace
}  // namespace stint::api
