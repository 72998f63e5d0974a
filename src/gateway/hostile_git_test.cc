// Git's protocol as no git speaks it: each with the exact refusal in git's own words, no decision,
// and a git server that saw nothing.
#include "gateway_for_test.h"
#include "stint/http/pktline.h"

namespace stint::gateway {
namespace {

using namespace testing;
using namespace std::literals;

const std::string kA(40, 'a'), kB(40, 'b'), kZero(40, '0');
const std::string kRepository = "/u/git/demo/readme.git";
const std::string kUpdate = kA + " " + kB + " refs/heads/main";

std::string pkt(std::string_view line) {
  std::string out;
  http::write_pkt(out, line);
  return out;
}
Ask rpc(const std::string& service, std::string body, std::string more = {}) {
  return {.method = "POST",
          .target = kRepository + "/git-" + service,
          .extra = "Content-Type: application/x-git-" + service + "-request\r\n" + more,
          .body = std::move(body)};
}

class HostileGit : public GatewayTest {
 public:
  void SetUp() override {
    GatewayTest::SetUp();
    git = edge->open(edge->coder);
  }
  // 200: in git's own words, which begin with `title`.
  void refused(const Ask& ask, unsigned status, std::string_view reason,
               std::string_view title = {}) {
    const Answer got = send(ask, git->token->token);
    EXPECT_EQ(got.status, status) << got.body;
    if (status == 200) {
      EXPECT_EQ(got.body, pkt("ERR " + std::string(title) + ": " + std::string(reason) + "\n"));
    } else {
      EXPECT_EQ(got.reason(), reason);
    }
    EXPECT_EQ(decisions(), 0U);
    EXPECT_EQ(upstream.calls(), 0);
  }
  std::optional<authority::Opened> git;
};

struct PushRow {
  const char* name;
  std::string body;
  std::string_view reason, title = "Malformed request";
};
const PushRow kPushes[] = {
    {"nothing_at_all", "", "git command list truncated"},
    {"no_flush", pkt(kUpdate), "git command list truncated"},
    {"line_cut", pkt(kUpdate).substr(0, 40), "git command list truncated"},
    {"options_cut", pkt(kUpdate + "\0push-options"s) + "0000", "git command list truncated"},
    {"no_pkt_lines", "PACK" + std::string(100, 'p'), "pkt-line length"},
    {"length_of_letters", "zzzz" + kUpdate, "pkt-line length"},
    {"length_below_four", "0003", "pkt-line length"},
    {"length_with_a_sign", "00-1", "pkt-line length"},
    {"length_over_the_limit", "fff1" + std::string(65517, 'x'), "pkt-line too large", "Too large"},
    {"delimiter", pkt(kUpdate) + "0001", "git special packet in commands"},
    {"empty_line",
     "0004"
     "0000",
     "git empty command"},
    {"one_word", pkt("hello") + "0000", "git command"},
    {"upper_case_id", pkt(std::string(40, 'A') + " " + kB + " refs/heads/main") + "0000",
     "git object id"},
    {"short_ids", pkt("aa bb refs/heads/main") + "0000", "git object id"},
    {"ids_of_two_lengths",
     pkt(kUpdate) + pkt(std::string(64, 'c') + " " + std::string(64, 'd') + " refs/heads/x") +
         "0000",
     "git object ids of two lengths"},
    {"ref_with_dots", pkt(kA + " " + kB + " refs/heads/../x") + "0000", "git ref name"},
    {"ref_head", pkt(kA + " " + kB + " HEAD") + "0000", "git ref name"},
    {"ref_with_line_feed", pkt(kA + " " + kB + " refs/heads/a\n\n") + "0000", "git ref name"},
    {"ref_not_utf8", pkt(kA + " " + kB + " refs/heads/\xff") + "0000", "git ref name not utf-8"},
    {"ref_long", pkt(kA + " " + kB + " refs/heads/" + std::string(1014, 'a')) + "0000",
     "git ref name too large", "Too large"},
    {"ref_twice", pkt(kUpdate) + pkt(kB + " " + kZero + " refs/heads/main") + "0000",
     "git ref named twice"},
    {"no_change", pkt(kZero + " " + kZero + " refs/heads/x") + "0000",
     "git command changes nothing"},
    {"late_capabilities", pkt(kUpdate) + pkt(kB + " " + kA + " refs/heads/x\0atomic"s) + "0000",
     "git capabilities after the first command"},
    {"late_shallow", pkt(kUpdate) + pkt("shallow " + kA) + "0000",
     "git shallow line after commands"},
    {"push_certificate", pkt("push-cert\0push-cert"s) + "0000",
     "git push certificates are not supported", "Not supported"},
};

TEST_F(HostileGit, PushesAreRefusedWithTheirReason) {
  for (const PushRow& row : kPushes) {
    SCOPED_TRACE(row.name);
    refused(rpc("receive-pack", row.body), 200, row.reason, row.title);
  }
  std::string many, large;
  for (int i = 0; i < 1001; ++i) many += pkt(kA + " " + kB + " refs/heads/" + std::to_string(i));
  refused(rpc("receive-pack", many + "0000"), 200, "git too many commands", "Limit reached");
  for (int i = 0; i < 990; ++i)
    large += pkt(kA + " " + kB + " refs/heads/" + std::string(1000, 'a') + std::to_string(i));
  refused(rpc("receive-pack", large + pkt(std::string(1000, 'c')) + large), 200,
          "git command list too large", "Too large");
}

struct RequestRow {
  const char* name;
  Ask ask;
  std::string_view reason;
  unsigned status = 400;
};
Ask get(const std::string& rest) { return {.target = "/u/git" + rest}; }
const RequestRow kRequests[] = {
    {"dumb_head", get("/demo/readme.git/HEAD"), "not a smart git request"},
    {"dumb_object", get("/demo/readme.git/objects/00/11"), "not a smart git request"},
    {"dumb_refs", get("/demo/readme.git/info/refs"), "git dumb protocol"},
    {"unknown_service", get("/demo/readme.git/info/refs?service=git-upload-archive"),
     "git service"},
    {"two_services",
     get("/demo/readme.git/info/refs?service=git-upload-pack&service=git-receive-pack"),
     "git discovery query"},
    {"two_services_by_semicolon",
     get("/demo/readme.git/info/refs?service=git-upload-pack;service=git-receive-pack"),
     "git discovery query"},
    {"hidden_repository", get("/demo/.git/info/refs?service=git-upload-pack"),
     "git repository name"},
    {"option_as_repository", get("/--exec/info/refs?service=git-upload-pack"),
     "git repository name"},
    {"no_repository", get("/info/refs?service=git-upload-pack"), "git repository missing"},
    {"get_of_rpc", get("/demo/readme.git/git-receive-pack"), "git service is not a POST", 405},
    {"content_encoding_of_a_push", rpc("receive-pack", "x", "Content-Encoding: gzip\r\n"),
     "git push with content-encoding"},
    {"content_encoding_of_a_fetch", rpc("upload-pack", "x", "Content-Encoding: br\r\n"),
     "git content-encoding"},
    {"type_of_the_other",
     {.method = "POST",
      .target = kRepository + "/git-receive-pack",
      .extra = "Content-Type: application/x-git-upload-pack-request\r\n",
      .body = "0000"},
     "git content-type"},
    {"no_type",
     {.method = "POST", .target = kRepository + "/git-upload-pack", .body = "0000"},
     "git content-type"},
};

TEST_F(HostileGit, RequestsAreRefusedWithTheirReason) {
  for (const RequestRow& row : kRequests) {
    SCOPED_TRACE(row.name);
    refused(row.ask, row.status, row.reason);
  }
}

}  // namespace
}  // namespace stint::gateway
