#include "stint/http/git.h"

#include <gtest/gtest.h>

#include "stint/http/pktline.h"

namespace stint::http {
namespace {

struct Row {
  const char *name, *method, *target;
  Headers headers;
  std::string_view reason;
  GitService service = GitService::kUploadPack;
  GitPhase phase = GitPhase::kDiscovery;
  const char* repository = "acme/helpdesk.git";
};
const Headers kFetch{{"Content-Type", "application/x-git-upload-pack-request"}};
const Headers kPush{{"Content-Type", "application/x-git-receive-pack-request"}};
Headers with(Headers h, std::string name, std::string value) {
  h.add(std::move(name), std::move(value));
  return h;
}
constexpr auto kUp = GitService::kUploadPack;
constexpr auto kRp = GitService::kReceivePack;

const Row kRows[] = {
    {"fetch_discovery", "GET", "/acme/helpdesk.git/info/refs?service=git-upload-pack", {}, ""},
    {"push_discovery", "GET", "/acme/helpdesk.git/info/refs?service=git-receive-pack", {}, "", kRp},
    {"fetch", "POST", "/acme/helpdesk.git/git-upload-pack", kFetch, "", kUp, GitPhase::kRpc},
    {"push", "POST", "/acme/helpdesk.git/git-receive-pack", kPush, "", kRp, GitPhase::kRpc},
    {"fetch_gzip", "POST", "/acme/helpdesk.git/git-upload-pack",
     with(kFetch, "Content-Encoding", "gzip"), "", kUp, GitPhase::kRpc},
    {"deep", "POST", "/a/b/c/d/git-upload-pack", kFetch, "", kUp, GitPhase::kRpc, "a/b/c/d"},
    {"decoded", "POST", "/acme/help%64esk.git/git-upload-pack", kFetch, "", kUp, GitPhase::kRpc},
    {"push_gzip", "POST", "/r/git-receive-pack", with(kPush, "Content-Encoding", "gzip"),
     "git push with content-encoding"},
    {"fetch_deflate", "POST", "/r/git-upload-pack", with(kFetch, "Content-Encoding", "deflate"),
     "git content-encoding"},
    {"two_encodings", "POST", "/r/git-upload-pack",
     with(with(kFetch, "Content-Encoding", "gzip"), "Content-Encoding", "gzip"),
     "git content-encoding repeated"},
    {"dumb", "GET", "/r/info/refs", {}, "git dumb protocol"},
    {"dumb_empty_query", "GET", "/r/info/refs?", {}, "git dumb protocol"},
    {"dumb_object", "GET", "/r/objects/00/11", {}, "not a smart git request"},
    {"dumb_head", "GET", "/r/HEAD", {}, "not a smart git request"},
    {"other_service", "GET", "/r/info/refs?service=git-upload-archive", {}, "git service"},
    {"two_services",
     "GET",
     "/r/info/refs?service=git-upload-pack&service=git-receive-pack",
     {},
     "git discovery query"},
    {"semicolon",
     "GET",
     "/r/info/refs?service=git-upload-pack;service=git-receive-pack",
     {},
     "git discovery query"},
    {"other_query", "GET", "/r/info/refs?a=b", {}, "git discovery query"},
    {"discovery_post",
     "POST",
     "/r/info/refs?service=git-upload-pack",
     {},
     "git discovery is not a GET"},
    {"rpc_get", "GET", "/r/git-upload-pack", {}, "git service is not a POST"},
    {"rpc_query", "POST", "/r/git-upload-pack?a=b", kFetch, "git service with a query"},
    {"rpc_type_missing", "POST", "/r/git-upload-pack", {}, "git content-type"},
    {"rpc_type_swapped", "POST", "/r/git-receive-pack", kFetch, "git content-type"},
    {"rpc_type_parameter",
     "POST",
     "/r/git-upload-pack",
     {{"Content-Type", "application/x-git-upload-pack-request; x=y"}},
     "git content-type"},
    {"no_repository", "POST", "/git-upload-pack", kFetch, "git repository missing"},
    {"no_repository_discovery",
     "GET",
     "/info/refs?service=git-upload-pack",
     {},
     "git repository missing"},
    {"hidden", "POST", "/r/.git/git-upload-pack", kFetch, "git repository name"},
    {"home", "POST", "/~root/git-upload-pack", kFetch, "git repository name"},
    {"option", "POST", "/--exec/git-upload-pack", kFetch, "git repository name"},
};
class GitRows : public testing::TestWithParam<Row> {};
TEST_P(GitRows, AreClassified) {
  const Row& row = GetParam();
  const auto target = parse_target(row.target);
  ASSERT_TRUE(target.has_value());
  const auto got = classify_git(row.method, *target, row.headers);
  if (!row.reason.empty()) {
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().reason.text(), row.reason);
    return;
  }
  ASSERT_TRUE(got.has_value()) << got.error().reason.text();
  EXPECT_EQ(got->service, row.service);
  EXPECT_EQ(got->phase, row.phase);
  EXPECT_EQ(got->repository, row.repository);
}
INSTANTIATE_TEST_SUITE_P(All, GitRows, testing::ValuesIn(kRows),
                         [](const auto& i) { return std::string(i.param.name); });

TEST(Git, RefNames) {
  for (const char* good : {"refs/heads/main", "refs/heads/a/b", "refs/tags/v1.0", "refs/heads/@",
                           "refs/heads/a-b_c", "refs/heads/caf\xc3\xa9", "refs/for/main%topic=x"})
    EXPECT_TRUE(is_ref_name(good)) << good;
  for (const char* bad : {"",
                          "HEAD",
                          "main",
                          "refs/",
                          "refs",
                          "heads/main",
                          "refs/heads/",
                          "refs/heads//a",
                          "refs/heads/.a",
                          "refs/heads/a.lock",
                          "refs/heads/a.lock/b",
                          "refs/heads/a..b",
                          "refs/heads/a b",
                          "refs/heads/a~1",
                          "refs/heads/a^",
                          "refs/heads/a:b",
                          "refs/heads/a?",
                          "refs/heads/a*",
                          "refs/heads/[a",
                          "refs/heads/a\\b",
                          "refs/heads/a.",
                          "refs/heads/a@{1}",
                          "refs/heads/a\x7f",
                          "refs/heads/a\nb",
                          "/refs/heads/a"})
    EXPECT_FALSE(is_ref_name(bad)) << bad;
}

// The stream of one band of a side-band-64k answer.
std::string band(std::string_view body, char wanted) {
  std::string out;
  for (;;) {
    const auto pkt = read_pkt(body);
    if (!pkt || pkt->kind == Pkt::Kind::kMore) return "broken";
    body.remove_prefix(pkt->consumed);
    if (pkt->kind == Pkt::Kind::kFlush) return body.empty() ? out : "trailing";
    if (pkt->payload.starts_with(wanted)) out += pkt->payload.substr(1);
  }
}

TEST(Git, RefusalInSideBand) {
  const std::string id(40, '1'), zero(40, '0');
  const ReceivePackRequest request{{{id, zero, "refs/heads/x"}, {zero, id, "refs/heads/y"}},
                                   {},
                                   {"report-status", "side-band-64k"},
                                   {}};
  const Response r = git_refusal(request, "needs\napproval", "line one\nline two\n\x1b[2J");
  EXPECT_EQ(r.status, 200u);
  EXPECT_EQ(r.headers.find("content-type"), "application/x-git-receive-pack-result");
  EXPECT_EQ(band(r.body, '\2'), "line one\nline two\n [2J\n");
  EXPECT_EQ(
      band(r.body, '\1'),
      "000eunpack ok\n0023ng refs/heads/x needs approval\n0023ng refs/heads/y needs approval\n"
      "0000");
}

TEST(Git, RefusalWithoutSideBand) {
  const std::string id(40, '1'), zero(40, '0');
  const ReceivePackRequest plain{{{id, zero, "refs/heads/x"}}, {}, {"report-status-v2"}, {}};
  EXPECT_EQ(git_refusal(plain, "no", "m").body, "000eunpack ok\n0017ng refs/heads/x no\n0000");
  EXPECT_EQ(git_refusal({}, "no", "m").body, "");
}

TEST(Git, RefusalOfManyRefsFitsItsLines) {
  ReceivePackRequest request{{}, {}, {"report-status", "side-band-64k"}, {}};
  const std::string id(40, '1'), zero(40, '0');
  for (int i = 0; i < 2000; ++i)
    request.commands.push_back(
        {id, zero, "refs/heads/" + std::string(60, 'a') + std::to_string(i)});
  const std::string report = band(git_refusal(request, "no", "").body, '\1');
  EXPECT_TRUE(report.ends_with("1999 no\n0000"));
}

TEST(Git, ErrorLines) {
  EXPECT_EQ(git_error(kUp, GitPhase::kDiscovery, "no").body,
            "001e# service=git-upload-pack\n0000000bERR no\n");
  const Response rpc = git_error(kUp, GitPhase::kRpc, "no\nway");
  EXPECT_EQ(rpc.body, "000fERR no way\n");
  EXPECT_EQ(rpc.headers.find("content-type"), "application/x-git-upload-pack-result");
}

TEST(PktLine, Reads) {
  EXPECT_EQ(read_pkt("0000")->kind, Pkt::Kind::kFlush);
  EXPECT_EQ(read_pkt("0001")->kind, Pkt::Kind::kDelim);
  EXPECT_EQ(read_pkt("0002")->kind, Pkt::Kind::kResponseEnd);
  EXPECT_EQ(read_pkt("0004")->payload, "");
  EXPECT_EQ(read_pkt("0006a\nX")->payload, "a\n");
  EXPECT_EQ(read_pkt("0006a\nX")->consumed, 6u);
  EXPECT_EQ(read_pkt("000Ahello\nX")->payload, "hello\n");
  for (const char* part : {"", "0", "000", "0006", "0006a"})
    EXPECT_EQ(read_pkt(part)->kind, Pkt::Kind::kMore) << part;
  for (const char* bad : {"0003", "x", "00-1", "GIT "})
    EXPECT_EQ(read_pkt(bad).error().reason.text(), "pkt-line length") << bad;
  EXPECT_EQ(read_pkt("fff1").error().reason.text(), "pkt-line too large");
  EXPECT_EQ(read_pkt("fff0")->kind, Pkt::Kind::kMore);
  std::string most;
  write_pkt(most, std::string(kMaxPktBytes - 4, 'a'));
  EXPECT_EQ(read_pkt(most)->consumed, kMaxPktBytes);
}

}  // namespace
}  // namespace stint::http
