// Rule 10 at the token endpoint: what a client that proved who it is may not have is an event; what
// was not understood, or came from nobody known, is none.
#include <functional>

#include "oauth_for_test.h"
#include "stint/audit/event.h"

namespace stint::oauth {
namespace {

struct Row {
  const char* name;
  std::function<Ask()> ask;
  std::string_view action, agent, reason;  // reason "": no event
};

class Refusals : public OAuthTest {
 protected:
  std::vector<audit::Decided> denials() {
    std::vector<audit::Decided> out;
    for (const auto& e : edge.log()) {
      const auto entry = testkit::must_have(audit::parse(e.bytes));
      if (const auto* d = std::get_if<audit::Decided>(&entry.event)) out.push_back(*d);
    }
    return out;
  }
  Ask with(Ask a, std::string_view name, std::string value) {
    a.set(name, std::move(value));
    return a;
  }
  Ask without(Ask a, std::string_view name) {
    a.drop(name);
    return a;
  }
};

TEST_F(Refusals, OfWhoIsKnownAreEvents) {
  const Told held = send(exchange(edge.coder));
  ASSERT_EQ(held.status, 200U) << held.body;
  const std::string token = held.text("access_token"), handle = held.text("refresh_token");
  const auto stolen = [&] { return delegation(edge.helper, token, edge.helper); };
  const std::string unknown =
      details({kTaskObject, R"({"type":"stint_grant","upstream":"nowhere","actions":["x"]})"});
  const Row rows[] = {
      {"policy", [&] { return credentials(edge.helper); }, "task.open", "helper",
       "policy does not permit this task"},
      {"unknown_human",
       [&] { return with(exchange(edge.helper), "subject_token", edge.id_token("mallory-sub")); },
       "task.open", "helper", "the human is not known here"},
      {"may_act",
       [&] {
         return with(exchange(edge.helper), "subject_token",
                     edge.id_token("alice-sub", {{"may_act", json::Object{{"sub", "coder"}}}}));
       },
       "task.open", "helper", "the human lets another client act"},
      {"unknown_upstream",
       [&] {
         return with(with(exchange(edge.helper), "authorization_details", unknown), "resource",
                     std::string(testkit::kIssuer));
       },
       "task.open", "helper", "a grant names an unknown upstream"},
      {"stolen_token", stolen, "task.delegate", "helper",
       "the subject token is bound to another key"},
      {"actor_without_key",
       [&] {
         return with(delegation(edge.coder, token, edge.helper), "actor_token",
                     edge.assertion(edge.helper));
       },
       "task.delegate", "coder", "actor_token names no key: it needs cnf"},
      {"wider_child",
       [&] {
         return with(
             delegation(edge.coder, token, edge.helper), "authorization_details",
             details({kTaskObject,
                      R"({"type":"stint_grant","upstream":"git","actions":["git.ref.delete"]})"}));
       },
       "task.delegate", "coder", "grants exceed the parent's"},
      {"child_at_an_unknown_upstream",
       [&] {
         return with(
             with(delegation(edge.coder, token, edge.helper), "authorization_details", unknown),
             "resource", std::string(testkit::kIssuer));
       },
       "task.delegate", "coder", "a grant names an unknown upstream"},
      {"anothers_handle", [&] { return refreshing(edge.helper, handle); }, "token.mint", "helper",
       "the handle is bound to another key"},
      {"no_handle", [&] { return refreshing(edge.helper, "nonsense"); }, "token.mint", "helper",
       "not a handle"},
      // Not understood.
      {"malformed", [&] { return with(credentials(edge.coder), "authorization_details", "[]"); },
       "", "", ""},
      {"resource",
       [&] { return with(credentials(edge.coder), "resource", "https://elsewhere.test"); }, "", "",
       ""},
      {"grant_type", [&] { return with(credentials(edge.coder), "grant_type", "password"); }, "",
       "", ""},
      // From nobody known.
      {"assertion",
       [&] {
         return with(credentials(edge.coder), "client_assertion",
                     assertion_with(edge.coder, {{"aud", "https://elsewhere.test"}}));
       },
       "", "", ""},
      {"no_assertion", [&] { return without(credentials(edge.coder), "client_assertion"); }, "", "",
       ""},
      {"proof",
       [&] {
         Ask a = credentials(edge.coder);
         a.headers.remove("DPoP");
         return a;
       },
       "", "", ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const auto before = denials().size();
    EXPECT_GE(send(row.ask()).status, 400U);
    const auto all = denials();
    ASSERT_EQ(all.size(), before + (row.reason.empty() ? 0 : 1));
    if (row.reason.empty()) continue;
    EXPECT_EQ(all.back().action, row.action);
    EXPECT_EQ(all.back().agent, row.agent);
    EXPECT_EQ(all.back().reason, row.reason);
    EXPECT_EQ(all.back().source_ip, "127.0.0.1");
    EXPECT_EQ(all.back().verdict, audit::Verdict::kDeny);
  }
  EXPECT_EQ(edge.count("task.opened"), 1U);
}

}  // namespace
}  // namespace stint::oauth
