// Forms and the JSON in them (RFC 6749, 7662, 7009, 9396).
#include <functional>

#include "hostile_for_test.h"

namespace stint::oauth {
namespace {

struct Details {
  const char* name;
  std::string task;  // in the place of a stint_task object, or of all
  std::string_view reason;
  bool all = false;
};
TEST_F(HostileTest, AuthorizationDetails) {
  const auto task = [](std::string_view members) {
    return R"({"type":"stint_task","purpose":"p",)" + std::string(members) + "}";
  };
  std::string grants;
  for (int i = 0; i < 200; ++i)
    grants += R"(,{"type":"stint_grant","upstream":"git","actions":["git.fetch"],"resources":["r)" +
              std::to_string(i) + "\"]}";
  const Details rows[] = {
      {"cut", "[" + std::string(kTaskObject), "json incomplete", true},
      {"no_json", "everything", "json syntax", true},
      {"more_behind", "[] []", "json trailing data", true},
      {"deep", nested(9), "json too deep", true},
      {"a_number", "7", "authorization_details holds a non-object"},
      {"duplicate_key", task(R"("ttl":1,"ttl":600)"), "json duplicate key"},
      {"duplicate_key_escaped", task(R"("ttl":1,"\u0074tl":600)"), "json duplicate key"},
      {"over_int64", task(R"("ttl":9223372036854775808)"), "json integer range"},
      {"int64", task(R"("ttl":9223372036854775807)"), "a number of seconds is out of range"},
      {"negative", task(R"("ttl":-1)"), "a number of seconds is out of range"},
      {"fraction", task(R"("ttl":1.5)"), "json member type"},
      {"infinite", task(R"("ttl":1e999)"), "json number range"},
      {"text_for_a_number", task(R"("ttl":"600")"), "json member type"},
      {"lone_surrogate", task(R"("reference":"\udc00")"), "json surrogate"},
      {"control_character", task(R"("reference":"a\u0000b")"),
       "control character in purpose or reference"},
      {"long_reference", task(R"("reference":")" + std::string(2000, 'a') + "\""),
       "purpose or reference too long"},
      {"unknown_money", task(R"("budget":{"money":1})"), "json unknown member"},
      {"negative_budget", task(R"("budget":{"requests":-1})"), "negative budget"},
      {"wildcard_in_the_middle",
       std::string(kTaskObject) +
           R"(,{"type":"stint_grant","upstream":"git","actions":["git.fetch"],"resources":["a*b"]})",
       "resource wildcard place"},
      {"dots_in_a_resource",
       std::string(kTaskObject) +
           R"(,{"type":"stint_grant","upstream":"git","actions":["git.fetch"],"resources":["a/../b"]})",
       "resource segment"},
      {"empty_resources",
       std::string(kTaskObject) +
           R"(,{"type":"stint_grant","upstream":"git","actions":["git.fetch"],"resources":[]})",
       "grant with an empty resource list"},
      {"no_actions",
       std::string(kTaskObject) + R"(,{"type":"stint_grant","upstream":"git","actions":[]})",
       "grant without actions"},
      {"many_grants", std::string(kTaskObject) + grants, "too many grants"},
  };
  for (const Details& row : rows) {
    SCOPED_TRACE(row.name);
    Ask a = credentials(edge.coder);
    a.set("authorization_details",
          row.all ? row.task : "[" + row.task + "," + std::string(kGitObject) + "]");
    expect_refused(send(a), 400, "invalid_authorization_details", row.reason);
  }
}

struct FormRow {
  const char* name;
  std::function<void(Ask&)> change;
  unsigned status;
  std::string_view error, reason;
};
// The same door before all three endpoints.
TEST_F(HostileTest, Forms) {
  const FormRow rows[] = {
      {"6749_3_repeated",
       [](Ask& a) { a.form.emplace_back("token", "x"), a.form.emplace_back("token", "x"); }, 400,
       "invalid_request", "form parameter repeated"},
      {"6749_3_repeated_type", [](Ask& a) { a.form.emplace_back("client_assertion_type", "x"); },
       400, "invalid_request", "form parameter repeated"},
      {"6749_2_secret_and_assertion", [](Ask& a) { a.set("client_secret", "x"); }, 400,
       "invalid_request", "two ways of client authentication"},
      {"6749_2_basic_and_assertion",
       [](Ask& a) { a.headers.set("Authorization", "Basic Y29kZXI6eA=="); }, 400, "invalid_request",
       "two ways of client authentication"},
      {"6749_7_basic_alone",
       [](Ask& a) {
         a.drop("client_assertion");
         a.headers.set("Authorization", "Basic Y29kZXI6eA==");
       },
       401, "invalid_client", "clients do not authenticate with shared secrets here"},
      {"7662_3_bearer",
       [](Ask& a) {
         a.drop("client_assertion");
         a.headers.set("Authorization", "Bearer abc");
       },
       401, "invalid_client", "clients do not authenticate with shared secrets here"},
      {"no_client", [](Ask& a) { a.drop("client_assertion"); }, 401, "invalid_client",
       "client authentication is missing"},
      {"no_assertion_type", [](Ask& a) { a.drop("client_assertion_type"); }, 400, "invalid_request",
       "client_assertion_type is missing"},
      {"2.1_4_query", [](Ask& a) { a.target += "?token=x"; }, 400, "invalid_request",
       "parameters belong into the body"},
      {"get", [](Ask& a) { a.method = "GET"; }, 405, "invalid_request", "this endpoint takes POST"},
      {"json_body", [](Ask& a) { a.headers.set("Content-Type", "application/json"); }, 400,
       "invalid_request", "the body is not application/x-www-form-urlencoded"},
      {"no_type", [](Ask& a) { a.headers.remove("Content-Type"); }, 400, "invalid_request",
       "the body is not application/x-www-form-urlencoded"},
      {"escape", [](Ask& a) { a.raw = "token=%zz"; }, 400, "invalid_request", "form escape"},
      {"cut_escape", [](Ask& a) { a.raw = "token=%4"; }, 400, "invalid_request", "form escape"},
      {"raw_bytes", [](Ask& a) { a.raw = "token=\xff"; }, 400, "invalid_request",
       "form characters"},
      {"not_utf8", [](Ask& a) { a.raw = "token=%ff"; }, 400, "invalid_request", "form utf-8"},
      {"no_name", [](Ask& a) { a.raw = "=x"; }, 400, "invalid_request", "form empty parameter"},
      {"65_parameters",
       [](Ask& a) {
         std::string s = "token=x";
         for (int i = 0; i < 64; ++i) s += "&a" + std::to_string(i) + "=1";
         a.raw = s;
       },
       413, "invalid_request", "form too many parameters"},
      {"65537_bytes", [](Ask& a) { a.raw = "a=" + std::string(65535, 'x'); }, 413,
       "invalid_request", "form too large"},
  };
  for (const char* endpoint : {"token", "introspect", "revoke"})
    for (const FormRow& row : rows) {
      SCOPED_TRACE(std::string(endpoint) + " " + row.name);
      Ask a = endpoint == std::string_view("token") ? credentials(edge.coder)
                                                    : about(edge.coder, endpoint, "x");
      row.change(a);
      const Told told = send(a);
      expect_refused(told, row.status, row.error, row.reason);
      // RFC 6749 5.2: a challenge of the scheme that the client used.
      const auto used = a.headers.find("Authorization");
      const std::string challenge(told.headers.find("WWW-Authenticate").value_or(""));
      EXPECT_EQ(challenge, row.status != 401 || !used   ? ""
                           : used->starts_with("Basic") ? "Basic realm=\"stint\""
                                                        : "Bearer realm=\"stint\"");
      EXPECT_EQ(told.headers.find("Allow").value_or(""), row.status == 405 ? "POST" : "");
      EXPECT_EQ(told.headers.has("DPoP-Nonce"), endpoint == std::string_view("token"));
    }
}

}  // namespace
}  // namespace stint::oauth
