// Token status lists over the wire: draft-ietf-oauth-status-list-21 sections 8 and 9.
#include <gmock/gmock.h>

#include "oauth_for_test.h"
#include "stint/jose/access_token.h"
#include "stint/jose/status_list.h"

namespace stint::oauth {
namespace {

class StatusTest : public OAuthTest {
 protected:
  Told get(std::string target, std::string_view method = "GET", std::string_view etag = {}) {
    Ask a;
    a.method = method;
    a.target = std::move(target);
    a.headers = {};
    if (!etag.empty()) a.headers.add("If-None-Match", std::string(etag));
    return send(a);
  }
  // Of a token's own claim.
  std::string path() const { return at.uri.substr(testkit::kIssuer.size()); }

  void SetUp() override {
    const jose::AccessTokenVerifier verifier(
        std::string(testkit::kIssuer), std::string(kGitAudience), edge.authority->token_keys());
    at = testkit::must_have(verifier.verify(task.token->token, edge.clock.wall()))
             .claims()
             .status.value();
  }
  Status standing(const Told& told) {
    return testkit::must_have(jose::verify_status_list(told.body, at.uri,
                                                       *edge.authority->token_keys(),
                                                       edge.clock.wall()))
        .check(at, edge.clock.wall());
  }

  authority::Opened task = edge.open(edge.coder);
  jose::StatusReference at;
};

TEST_F(StatusTest, IsServedAtItsOwnAddress) {
  const Told told = get(path());
  ASSERT_EQ(told.status, 200U);
  EXPECT_EQ(told.headers.one("Content-Type"), "application/statuslist+jwt");
  EXPECT_EQ(told.headers.one("Cache-Control"), "max-age=5");
  EXPECT_TRUE(standing(told));
  ASSERT_TRUE(rt::block_on(edge.authority->close(task.task.id, domain::How::kRevoked,
                                                 authority::Actor::system("test"))));
  const auto over = standing(get(path()));
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().reason.text(), "status invalid");
  EXPECT_EQ(get(path(), "HEAD").status, 200U);
}

TEST_F(StatusTest, WhoHasItGetsNothingAnew) {
  const Told first = get(path());
  const std::string etag(first.headers.one("ETag").value());
  const Told again = get(path(), "GET", "\"x\", W/" + etag);
  EXPECT_EQ(again.status, 304U);
  EXPECT_TRUE(again.body.empty());
  EXPECT_EQ(get(path(), "GET", "\"x\"").status, 200U);
  edge.pass(3s);
  EXPECT_EQ(get(path()).headers.one("Cache-Control"), "max-age=2");
  edge.pass(2s);
  EXPECT_EQ(get(path(), "GET", etag).status, 200U) << "signed anew";
}

TEST_F(StatusTest, NamesTheListsThatThereAre) {
  const Told told = get("/oauth/status");
  EXPECT_EQ(told.headers.one("Content-Type"), "application/json");
  EXPECT_EQ(told.json.at("status_lists"), (json::Value(json::Array{at.uri})));
}

TEST_F(StatusTest, IsRefusedForItsReason) {
  struct Row {
    const char* name;
    std::string target;
    const char* method;
    unsigned status;
    const char* reason;
  };
  const Row rows[] = {
      {"unknown", "/oauth/status/17", "GET", 404, "no such status list"},
      {"no_number", "/oauth/status/x", "GET", 404, "no such status list"},
      {"empty", "/oauth/status/", "GET", 404, "no such status list"},
      {"negative", "/oauth/status/-1", "GET", 404, "no such status list"},
      {"other_spelling", "/oauth/status/0" + path().substr(14), "GET", 404, "no such status list"},
      {"too_long", path() + "99999999999999999999", "GET", 404, "no such status list"},
      {"below", path() + "/x", "GET", 404, "no such status list"},
      {"other_time", path() + "?time=1790000000", "GET", 501,
       "status lists of other times are not kept"},
      {"post", path(), "POST", 405, "a status list is read with GET"}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const Told told = get(row.target, row.method);
    EXPECT_EQ(told.status, row.status);
    EXPECT_EQ(told.text("reason"), row.reason);
    EXPECT_EQ(told.headers.one("Cache-Control"), "no-store");
  }
  EXPECT_EQ(get(path(), "POST").headers.one("Allow"), "GET, HEAD");
  edge.clock.advance(1h);  // nobody confirms the view
  const Told stale = get(path());
  EXPECT_EQ(stale.status, 503U);
  EXPECT_EQ(stale.text("reason"), "this node cannot vouch for its status lists now");
}

}  // namespace
}  // namespace stint::oauth
