// Git through the gateway: what a push does is read from its commands, and a refusal is said in
// git's own words. The upstream here speaks just enough of it to be seen.
#include <gmock/gmock.h>

#include "gateway_for_test.h"
#include "stint/http/git.h"
#include "stint/http/pktline.h"

namespace stint::gateway {
namespace {

using namespace testing;
using namespace std::literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const std::string kA(40, 'a'), kB(40, 'b'), kZero(40, '0');
const std::string kCaps = "\0 report-status side-band-64k agent=git/2.39.5"s;
const std::string kRepository = "/u/git/demo/readme.git";
const std::string kUpdate = kA + " " + kB + " refs/heads/main";
const std::string kCreate = kZero + " " + kB + " refs/heads/topic";
const std::string kDelete = kA + " " + kZero + " refs/heads/old";
const std::string kPack = "PACK" + std::string(40'000, 'p');  // more than one read

std::string commands(std::vector<std::string> lines) {
  std::string out;
  bool first = true;
  for (const auto& line : lines)
    http::write_pkt(out, line + (std::exchange(first, false) ? kCaps : ""));
  http::write_flush(out);
  return out;
}

Ask rpc(const std::string& service, std::string body, const std::string& repository = kRepository) {
  return {.method = "POST",
          .target = repository + "/git-" + service,
          .extra = "Content-Type: application/x-git-" + service + "-request\r\n",
          .body = std::move(body)};
}
Ask push(std::vector<std::string> lines, const std::string& pack = kPack) {
  return rpc("receive-pack", commands(std::move(lines)) + pack);
}
Ask discovery(const std::string& service, const std::string& repository = kRepository) {
  return {.target = repository + "/info/refs?service=git-" + service};
}

class GitCalls : public GatewayTest {
 public:
  void SetUp() override {
    GatewayTest::SetUp();
    git = edge->open(edge->coder);
    upstream.reply.body = "0000";
  }
  virtual bool pushes_ask() const { return false; }
  resource::Resources declared() const override {
    auto r = edge->declared();
    if (pushes_ask())
      r.add(resource::Policy{.name = "push.cedar",
                             .text = "@id(\"push-asks\") @ask(\"approvers\")\n"
                                     "forbid (principal, action == Action::\"call\", resource)\n"
                                     "when { context.action == \"git.push\" && context.class == "
                                     "\"write\" }\nunless { context.approval.granted };\n"});
    return r;
  }
  Answer call(const Ask& ask) { return send(ask, git->token->token); }
  // "action class verdict" of every decision.
  std::vector<std::string> decided() {
    std::vector<std::string> out;
    for (const auto& e : edge->log()) {
      if (e.kind != "decision") continue;
      const auto event = testkit::must_have(json::parse_object(e.bytes));
      std::string words;
      for (const char* key : {"action", "class", "verdict"}) {
        const auto text = json::string_at(event, key);
        words += (words.empty() ? "" : " ") + (text ? std::string(*text) : "?");
      }
      out.push_back(std::move(words));
    }
    return out;
  }
  std::vector<ApprovalId> pending() {
    std::vector<ApprovalId> out;
    for (const auto& a : testkit::must_have(
             edge->authority->approvals({.state = domain::ApprovalState::kPending, .after = {}})))
      out.push_back(a.id);
    return out;
  }
  void approve(ApprovalId id) {
    const auto done = answer(id.str(), domain::Answer::kOnce);
    EXPECT_TRUE(done.has_value()) << done.error().reason.text();
  }
  std::optional<authority::Opened> git;
};

struct Case {
  const char* name;
  Ask ask;
  std::vector<std::string> decided;
  int upstream;
  std::string_view says;  // in the body
  unsigned status = 200;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const Case kCases[] = {
    {"discovery_of_fetch", discovery("upload-pack"), {"git.fetch read permit"}, 1, "0000"},
    {"fetch", rpc("upload-pack", "0011command=fetch0000"), {"git.fetch read permit"}, 1, "0000"},
    {"discovery_of_push", discovery("receive-pack"), {"git.push read permit"}, 1, "0000"},
    {"probe", rpc("receive-pack", "0000"), {"git.push read permit"}, 1, "0000"},
    {"update", push({kUpdate}), {"git.push write permit"}, 1, "0000"},
    {"create", push({kCreate}), {"git.push write permit"}, 1, "0000"},
    {"update_two", push({kUpdate, kCreate}), {"git.push write permit"}, 1, "0000"},
    {"delete",
     push({kDelete}, ""),
     {"git.ref.delete delete ask"},
     0,
     "ng refs/heads/old approval required: "},
    {"mixed",
     push({kUpdate, kDelete}),
     {"git.push write permit", "git.ref.delete delete ask"},
     0,
     "ng refs/heads/main approval required: "},
    {"other_repository_fetch",
     discovery("upload-pack", "/u/git/demo/other.git"),
     {"git.fetch read deny"},
     0,
     "ERR Denied"},
    {"other_repository_push",
     rpc("receive-pack", commands({kUpdate}) + kPack, "/u/git/demo/other.git"),
     {"git.push write deny"},
     0,
     "ng refs/heads/main Denied: "},
    {"dumb", {.target = kRepository + "/HEAD"}, {}, 0, "not a smart git request", 400},
    {"dumb_refs", {.target = kRepository + "/info/refs"}, {}, 0, "git dumb protocol", 400},
    {"two_services",
     {.target = kRepository + "/info/refs?service=git-upload-pack&service=git-receive-pack"},
     {},
     0,
     "git discovery query",
     400},
    {"get_of_rpc",
     {.target = kRepository + "/git-receive-pack"},
     {},
     0,
     "git service is not a POST",
     405},
    {"wrong_type",
     {.method = "POST",
      .target = kRepository + "/git-receive-pack",
      .extra = "Content-Type: application/x-git-upload-pack-request\r\n",
      .body = commands({kUpdate})},
     {},
     0,
     "git content-type",
     400},
    {"gzip_push",
     {.method = "POST",
      .target = kRepository + "/git-receive-pack",
      .extra = "Content-Type: application/x-git-receive-pack-request\r\nContent-Encoding: gzip\r\n",
      .body = commands({kUpdate})},
     {},
     0,
     "git push with content-encoding",
     400},
    {"truncated", rpc("receive-pack", "0099" + kA), {}, 0, "git command list truncated"},
    {"not_pkt_lines", rpc("receive-pack", "zzzz"), {}, 0, "pkt-line length"},
    {"ref_twice",
     push({kUpdate, kA + " " + kZero + " refs/heads/main"}),
     {},
     0,
     "git ref named twice"},
    {"certificate",
     rpc("receive-pack",
         [] {
           std::string out;
           http::write_pkt(out, "push-cert\0push-cert"s);
           http::write_flush(out);
           return out;
         }()),
     {},
     0,
     "git push certificates are not supported"},
};

class GitTable : public GitCalls, public ::testing::WithParamInterface<Case> {};
TEST_P(GitTable, IsNamedByWhatItDoes) {
  const Case& c = GetParam();
  const Answer got = call(c.ask);
  EXPECT_EQ(got.status, c.status) << got.body;
  EXPECT_THAT(got.body, HasSubstr(c.says));
  EXPECT_EQ(decided(), c.decided);
  ASSERT_EQ(upstream.calls(), c.upstream);
  if (c.upstream == 0) return;
  const Seen seen = upstream.seen();
  EXPECT_EQ(seen.target, "/git" + c.ask.target.substr(6));
  EXPECT_TRUE(seen.body == c.ask.body);  // what was read to judge it is forwarded too
  EXPECT_EQ(seen.headers.find("Authorization"), "Basic c3RpbnQ6dGVzdC1wYXNzd29yZC1wbGFudGVk");
}
INSTANTIATE_TEST_SUITE_P(All, GitTable, ::testing::ValuesIn(kCases),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_F(GitCalls, ARefusedPushIsReadToItsEndAndAnswered) {
  const std::string large = "PACK" + std::string(4 * 1024 * 1024, 'p');
  const Answer got = call(push({kDelete, kUpdate}, large));
  EXPECT_EQ(got.status, 200U);
  EXPECT_TRUE(got.whole);
  EXPECT_EQ(got.header("Content-Type"), "application/x-git-receive-pack-result");
  EXPECT_THAT(got.body, HasSubstr("unpack ok"));
  EXPECT_THAT(got.body, HasSubstr("Stint: A member of approvers runs: stint approve apr_"));
  EXPECT_EQ(upstream.calls(), 0);
}

TEST_F(GitCalls, AnApprovedDeletionPassesOnce) {
  const Ask ask = push({kDelete}, "");
  EXPECT_THAT(call(ask).body, HasSubstr("delete the branch old (now at aaaaaaaaaaaa)"));
  ASSERT_EQ(pending().size(), 1U);
  approve(pending()[0]);
  // Another branch, or the same one after it moved, is another call.
  call(push({kA + " " + kZero + " refs/heads/older"}, ""));
  call(push({kB + " " + kZero + " refs/heads/old"}, ""));
  EXPECT_EQ(upstream.calls(), 0);
  EXPECT_EQ(call(ask).body, "0000");
  EXPECT_EQ(upstream.calls(), 1);
  EXPECT_THAT(call(ask).body, HasSubstr("ng refs/heads/old approval required"));
  EXPECT_EQ(upstream.calls(), 1);
}

TEST_F(GitCalls, AFetchOnlyGrantCannotPush) {
  git =
      edge->open(edge->coder,
                 {{.upstream = "git", .actions = {"git.fetch"}, .resources = {"demo/readme.git"}}});
  EXPECT_EQ(call(discovery("upload-pack")).body, "0000");
  EXPECT_THAT(call(discovery("receive-pack")).body, HasSubstr("ERR Denied"));
  EXPECT_THAT(call(push({kUpdate})).body, HasSubstr("ng refs/heads/main Denied"));
  EXPECT_EQ(upstream.calls(), 1);
}

TEST_F(GitCalls, ADeleteOnlyGrantMayListRefsAndNotPush) {
  git = edge->open(
      edge->coder,
      {{.upstream = "git", .actions = {"git.ref.delete"}, .resources = {"demo/readme.git"}}});
  EXPECT_EQ(call(discovery("receive-pack")).body, "0000");
  EXPECT_THAT(call(push({kDelete, kUpdate})).body, HasSubstr("Denied"));
  EXPECT_THAT(decided(), ::testing::Contains("git.push write deny"));
  EXPECT_EQ(upstream.calls(), 1);
}

class AskedPushes : public GitCalls {
 public:
  bool pushes_ask() const override { return true; }
};

// Both parts are asked about at once, and neither approval is spent before both are there.
TEST_F(AskedPushes, AMixedPushNeedsBothApprovals) {
  const Ask ask = push({kUpdate, kDelete});
  const Answer held = call(ask);
  EXPECT_THAT(decided(), UnorderedElementsAre("git.push write ask", "git.ref.delete delete ask"));
  ASSERT_EQ(pending().size(), 2U);
  for (const auto id : pending()) EXPECT_THAT(held.body, HasSubstr("stint approve " + id.str()));

  const auto both = pending();
  approve(both[0]);
  EXPECT_THAT(call(ask).body, HasSubstr("approval required: " + both[1].str()));
  EXPECT_EQ(edge->count("approval.consumed"), 0U);
  approve(both[1]);
  EXPECT_EQ(call(ask).body, "0000");
  EXPECT_EQ(upstream.calls(), 1);
  EXPECT_EQ(edge->count("approval.consumed"), 2U);
  EXPECT_TRUE(eventually([&] { return endings() == std::vector<std::string>(2, "completed"); }));
  EXPECT_THAT(call(ask).body, HasSubstr("approval required"));
  EXPECT_EQ(upstream.calls(), 1);
}

}  // namespace
}  // namespace stint::gateway
