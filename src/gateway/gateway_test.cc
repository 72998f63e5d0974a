// The gateway's refusals: each with its status, its literal reason, what was recorded and that the
// upstream saw nothing. Domain rules 5-7, 9, 10; promises S2-S6.
#include <gmock/gmock.h>

#include "gateway_for_test.h"
#include "stint/codec/base64.h"

namespace stint::gateway {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::Not;

class Table : public GatewayTest {
 public:
  resource::Resources declared() const override {
    auto r = edge->declared();
    for (auto& u : r.upstreams)
      if (u.name == "desk")
        u.actions.push_back({"ticket.import", domain::ActionClass::kExport, "POST /import"});
    return r;
  }
  std::string text() const { return desk->token->token; }
  std::string made(const crypto::PrivateKey& key, std::string_view method, std::string_view path,
                   std::string_view token) const {
    return edge->proof(key, method, std::string(testkit::kGateway) + std::string(path), token);
  }
};

struct Case {
  const char* name;
  void (*spoil)(Table&, Ask&);
  unsigned status;
  std::string_view reason;
  std::size_t decisions;
  int upstream;
  std::string_view signal = {};
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

constexpr std::string_view kPath = "/u/desk/tickets/7";

// name, what is broken | status, reason, decisions, upstream calls, signal
const Case kCases[] = {
    {"permitted", [](Table&, Ask&) {}, 200, "", 1, 1},
    {"write", [](Table&, Ask& a) { a = {.method = "POST", .target = "/u/desk/tickets/7/replies"}; },
     200, "", 1, 1},
    {"head_is_a_get", [](Table&, Ask& a) { a.method = "HEAD"; }, 200, "", 1, 1},
    // --- the token and the proof of its key
    {"no_token", [](Table&, Ask& a) { a.authorization = a.proof = ""; }, 401, "no access token", 0,
     0},
    {"no_proof", [](Table&, Ask& a) { a.proof = ""; }, 401, "no DPoP proof", 0, 0, "proof-missing"},
    {"bearer",
     [](Table& t, Ask& a) {
       a.authorization = "Bearer " + t.text();
       a.proof = "";
     },
     401, "the token is bound to a key: send it as DPoP with a proof", 0, 0, "proof-missing"},
    {"bearer_with_proof", [](Table& t, Ask& a) { a.authorization = "Bearer " + t.text(); }, 401,
     "the token is bound to a key: send it as DPoP with a proof", 0, 0},
    {"garbage", [](Table&, Ask& a) { a.authorization = "DPoP x.y.z"; }, 401, "base64url length", 0,
     0},
    {"two_proofs", [](Table& t, Ask& a) { a.extra = "DPoP: " + t.proof(a, t.text()) + "\r\n"; },
     401, "more than one DPoP proof", 0, 0},
    {"two_proofs_in_one", [](Table& t, Ask& a) { a.proof = t.proof(a, t.text()) + ", a.b.c"; }, 401,
     "jws parts", 0, 0},
    {"other_key",
     [](Table& t, Ask& a) { a.proof = t.made(t.edge->helper.dpop, "GET", kPath, t.text()); }, 401,
     "dpop key", 0, 0, "key-mismatch"},
    {"replayed",
     [](Table& t, Ask& a) {
       a.proof = t.proof(a, t.text());
       EXPECT_EQ(t.send(a).status, 200U);
     },
     401, "proof replayed", 1, 1, "proof-replayed"},
    {"other_method",
     [](Table& t, Ask& a) { a.proof = t.made(t.edge->coder.dpop, "POST", kPath, t.text()); }, 401,
     "dpop htm", 0, 0, "proof-mismatch"},
    {"other_url",
     [](Table& t, Ask& a) {
       a.proof = t.made(t.edge->coder.dpop, "GET", "/u/desk/tickets/8", t.text());
     },
     401, "dpop htu", 0, 0, "proof-mismatch"},
    {"other_host",
     [](Table& t, Ask& a) {
       a.proof = t.edge->proof(t.edge->coder.dpop, "GET",
                               "http://127.0.0.1:7443" + std::string(kPath), t.text());
     },
     401, "dpop htu", 0, 0, "proof-mismatch"},
    {"other_token",
     [](Table& t, Ask& a) { a.proof = t.made(t.edge->coder.dpop, "GET", kPath, "another"); }, 401,
     "dpop ath", 0, 0, "proof-mismatch"},
    {"stale_proof",
     [](Table& t, Ask& a) {
       a.proof = t.proof(a, t.text());
       t.pass(2min);
     },
     401, "dpop iat too old", 0, 0, "proof-stale"},
    {"future_proof",
     [](Table& t, Ask& a) {
       t.edge->clock.step_wall(2min);
       a.proof = t.proof(a, t.text());
       t.edge->clock.step_wall(-2min);
     },
     401, "dpop iat in the future", 0, 0},
    {"no_nonce",
     [](Table& t, Ask& a) {
       a.proof = t.edge->proof_with_nonce(t.edge->coder.dpop, "GET",
                                          std::string(testkit::kGateway) + std::string(kPath),
                                          t.text(), "");
     },
     401, "dpop nonce", 0, 0},
    {"wrong_audience",
     [](Table&, Ask& a) { a.target = "/u/git/a.git/info/refs?service=git-upload-pack"; }, 401,
     "token aud", 0, 0, "wrong-audience"},
    {"unknown_upstream", [](Table&, Ask& a) { a.target = "/u/nobody/x"; }, 401, "token aud", 0, 0,
     "wrong-audience"},
    {"expired", [](Table& t, Ask&) { t.pass(6min); }, 401, "token expired", 0, 0},
    {"future", [](Table& t, Ask&) { t.edge->clock.step_wall(-10min); }, 401, "jwt iat", 0, 0},
    {"revoked",
     [](Table& t, Ask&) {
       const auto done = rt::block_on(t.edge->authority->revoke(t.text(), "coder"));
       EXPECT_TRUE(done.value_or(false));
     },
     401, "the token is revoked", 0, 0},
    {"other_tasks_token",
     [](Table& t, Ask& a) {
       const auto other =
           t.edge->open(t.edge->helper, Table::desk_grants(), Table::audience("desk"));
       a.authorization = "DPoP " + other.token->token;
       a.proof = t.made(t.edge->coder.dpop, "GET", kPath, other.token->token);
     },
     401, "dpop key", 0, 0, "key-mismatch"},
    // --- people's and upstreams' own credentials
    {"id_token",
     [](Table& t, Ask& a) {
       a.authorization = "Bearer " + t.edge->id_token();
       a.proof = "";
     },
     401, "a human's or an upstream's own credential is not accepted here", 0, 0,
     "borrowed-session"},
    {"id_token_as_dpop",
     [](Table& t, Ask& a) {
       const auto borrowed = t.edge->id_token();
       a.authorization = "DPoP " + borrowed;
       a.proof = t.made(t.edge->coder.dpop, "GET", kPath, borrowed);
     },
     401, "a human's or an upstream's own credential is not accepted here", 0, 0,
     "borrowed-session"},
    {"password_as_bearer",
     [](Table&, Ask& a) {
       a.authorization = "Bearer " + std::string(testkit::kPlantedSecret);
       a.proof = "";
     },
     401, "a human's or an upstream's own credential is not accepted here", 0, 0,
     "borrowed-session"},
    {"password_as_basic",
     [](Table&, Ask& a) {
       a.authorization =
           "Basic " + codec::encode_base64("stint:" + std::string(testkit::kPlantedSecret));
       a.proof = "";
     },
     401, "a human's or an upstream's own credential is not accepted here", 0, 0,
     "borrowed-session"},
    {"other_basic",
     [](Table&, Ask& a) {
       a.authorization = "Basic " + codec::encode_base64("stint:nearly-test-password");
       a.proof = "";
     },
     401, "authorization is neither DPoP nor Bearer", 0, 0},
    // --- the task
    {"closed", [](Table& t, Ask&) { EXPECT_TRUE(t.close(t.desk->task.id).has_value()); }, 401,
     "the task is closed", 0, 0, "used-after-end"},
    {"paused",
     [](Table& t, Ask&) {
       EXPECT_TRUE(rt::block_on(t.edge->authority->pause(t.desk->task.id, domain::Why::kOperator,
                                                         authority::Actor::local_operator(0)))
                       .has_value());
     },
     403, "the task is paused", 0, 0},
    {"view_stale", [](Table& t, Ask&) { t.edge->clock.advance(3s); }, 503,
     "the view of live tasks is stale", 0, 0},
    {"credential_gone", [](Table& t, Ask&) { t.edge->vault->removed("git-password"); }, 503,
     "the upstream's credential cannot be used", 1, 0},
    // --- the action
    {"unmatched", [](Table&, Ask& a) { a.target = "/u/desk/other"; }, 403, "a policy forbids it", 1,
     0},
    {"method_unmatched", [](Table&, Ask& a) { a.method = "DELETE"; }, 403, "a policy forbids it", 1,
     0},
    {"asked", [](Table&, Ask& a) { a.target = "/u/desk/tickets.csv"; }, 403,
     "a person is asked first", 1, 0},
    {"asked_with_body",
     [](Table&, Ask& a) { a = {.method = "POST", .target = "/u/desk/import", .body = "rows"}; },
     403, "a person is asked first", 1, 0},
    {"asked_streaming",
     [](Table&, Ask& a) {
       a = {.method = "POST", .target = "/u/desk/import", .body = "rows", .chunked = true};
     },
     403, "the call is too large for a person to be asked about", 1, 0},
    // --- the target
    {"elsewhere", [](Table&, Ask& a) { a.target = "/v1/tasks"; }, 404, "no such path", 0, 0},
    {"no_rest", [](Table&, Ask& a) { a.target = "/u/desk"; }, 404, "no such path", 0, 0},
    {"absolute", [](Table&, Ask& a) { a.target = "http://127.0.0.1/u/desk/tickets/7"; }, 400,
     "target not in origin-form", 0, 0},
    {"dots", [](Table&, Ask& a) { a.target = "/u/desk/tickets/../7"; }, 400, "target dot segment",
     0, 0},
    {"dots_out", [](Table&, Ask& a) { a.target = "/u/desk/../git/x"; }, 400, "target dot segment",
     0, 0},
    {"dots_escaped", [](Table&, Ask& a) { a.target = "/u/desk/%2e%2e/x"; }, 400,
     "target dot segment", 0, 0},
    {"slash_escaped", [](Table&, Ask& a) { a.target = "/u/desk/tickets%2f7"; }, 400,
     "target encoded slash", 0, 0},
    {"double_slash", [](Table&, Ask& a) { a.target = "/u/desk//tickets/7"; }, 400,
     "target empty segment", 0, 0},
    {"nul", [](Table&, Ask& a) { a.target = "/u/desk/tickets/%00"; }, 400,
     "target encoded control character", 0, 0},
    // --- heads that the server refuses by itself: fixed answers, without a reason
    {"oversize_target", [](Table&, Ask& a) { a.target = "/u/desk/" + std::string(9000, 'a'); }, 431,
     "", 0, 0},
    {"oversize_head", [](Table&, Ask& a) { a.extra = "X: " + std::string(20'000, 'a') + "\r\n"; },
     431, "", 0, 0},
    {"two_authorizations",
     [](Table& t, Ask& a) { a.extra = "Authorization: DPoP " + t.text() + "\r\n"; }, 400, "", 0, 0},
    {"two_hosts", [](Table&, Ask& a) { a.extra = "Host: other\r\n"; }, 400, "", 0, 0},
    {"length_and_chunked",
     [](Table&, Ask& a) {
       a = {.method = "POST",
            .target = "/u/desk/tickets/7/replies",
            .extra = "Content-Length: 4\r\n",
            .body = "body",
            .chunked = true};
     },
     400, "", 0, 0},
    {"authorization_as_hop", [](Table&, Ask& a) { a.extra = "Connection: authorization\r\n"; }, 400,
     "", 0, 0},
};

class GatewayTable : public Table, public ::testing::WithParamInterface<Case> {};
TEST_P(GatewayTable, AnswersWithItsReason) {
  const Case& c = GetParam();
  Ask ask;
  c.spoil(*this, ask);
  const Answer got = send(ask);
  EXPECT_EQ(got.status, c.status) << got.body;
  EXPECT_EQ(got.reason(), c.reason);
  EXPECT_EQ(decisions(), c.decisions);
  EXPECT_EQ(upstream.calls(), c.upstream);
  const auto signals = edge->signals();
  if (c.signal.empty()) {
    EXPECT_TRUE(signals.empty()) << signals.front();
  } else {
    EXPECT_EQ(signals, std::vector{std::string(c.signal)});
  }
  if (c.status == 401) EXPECT_THAT(got.header("WWW-Authenticate"), HasSubstr("DPoP realm="));
  EXPECT_THAT(got.body, Not(HasSubstr(testkit::kPlantedSecret)));
  // The client may have its answer before the outcome is queued.
  EXPECT_TRUE(
      eventually([&] { return edge->count("outcome") == edge->count("credential.released"); }));
}
INSTANTIATE_TEST_SUITE_P(All, GatewayTable, ::testing::ValuesIn(kCases),
                         [](const auto& row) { return std::string(row.param.name); });

class GatewayCalls : public Table {};

TEST_F(GatewayCalls, GivesANonceThatTheRetryUses) {
  Ask ask;
  const auto url = std::string(testkit::kGateway) + std::string(kPath);
  ask.proof = edge->proof_with_nonce(edge->coder.dpop, "GET", url, text(), "");
  const Answer first = send(ask);
  EXPECT_EQ(first.status, 401U);
  EXPECT_THAT(first.header("WWW-Authenticate"), HasSubstr("error=\"use_dpop_nonce\""));
  ask.proof =
      edge->proof_with_nonce(edge->coder.dpop, "GET", url, text(), first.header("DPoP-Nonce"));
  const Answer second = send(ask);
  EXPECT_EQ(second.status, 200U) << second.body;
  EXPECT_EQ(second.body, "hello");
  EXPECT_FALSE(second.header("DPoP-Nonce").empty());
  EXPECT_FALSE(second.header("Stint-Decision").empty());
  EXPECT_TRUE(edge->signals().empty());
}

TEST_F(GatewayCalls, ATokenOfTheAlgorithmThatTheUpstreamChose) {
  const std::string before = text();
  for (const crypto::Alg alg : {crypto::Alg::kRS256, crypto::Alg::kEdDSA}) {
    auto changed = edge->authority->directory()->resources();
    for (auto& u : changed.upstreams) u.token_alg = alg;
    edge->apply(changed);
    const auto opened = edge->open(edge->coder, desk_grants(), audience("desk"));
    const auto jws = testkit::must_have(jose::parse_compact(opened.token->token));
    EXPECT_EQ(jws.header().alg, alg);
    EXPECT_EQ(send({}, opened.token->token).status, 200U);
  }
  EXPECT_EQ(send({}, before).status, 200U);  // what was out already stays good
  EXPECT_EQ(upstream.calls(), 3);
}

TEST_F(GatewayCalls, OutOfTheTokensGrantsIsDenied) {
  auto narrow =
      edge->open(edge->coder, {{.upstream = "desk", .actions = {"ticket.reply"}, .resources = {}}},
                 audience("desk"));
  const Answer got = send({}, narrow.token->token);
  EXPECT_EQ(got.status, 403U);
  EXPECT_EQ(got.member("type"), "urn:stint:problem:denied");
  EXPECT_EQ(got.reason(), "no policy permits it");
  EXPECT_EQ(got.member("task"), narrow.task.id.str());
  EXPECT_EQ(got.member("decision"), got.header("Stint-Decision"));
  EXPECT_EQ(decisions(), 1U);
  EXPECT_EQ(upstream.calls(), 0);
}

TEST_F(GatewayCalls, HeadersAreCleanInBothDirections) {
  const std::string secret(testkit::kPlantedSecret);
  upstream.reply.headers.add("Set-Cookie", "session=theirs");
  upstream.reply.headers.add("Stint-Decision", "theirs");
  upstream.reply.headers.add("X-Echo", "Bearer " + secret);
  upstream.reply.headers.add("X-Mine", "kept");
  upstream.reply.body = "you sent " + secret;
  const Answer got =
      send({.target = "/u/desk/tickets/7?full=1",
            .extra = "Cookie: a=b\r\nStint-Task: mine\r\nProxy-Authorization: x\r\n"
                     "X-Forwarded-For: 10.0.0.1\r\nX-HTTP-Method-Override: DELETE\r\n"
                     "Prefer: return=minimal\r\nAccept-Encoding: gzip\r\nRange: bytes=0-9\r\n"
                     "Connection: X-Hop\r\nX-Hop: 1\r\nX-Kept: yes\r\n"});
  EXPECT_EQ(got.status, 200U);
  EXPECT_EQ(got.body, "you sent *********************");
  EXPECT_EQ(got.header("X-Echo"), "Bearer *********************");
  EXPECT_EQ(got.header("X-Mine"), "kept");
  EXPECT_FALSE(got.headers.has("Set-Cookie"));
  EXPECT_TRUE(got.header("Stint-Decision").starts_with("dec"));
  EXPECT_EQ(got.headers.count("Stint-Decision"), 1U);
  EXPECT_FALSE(got.header("Stint-Task-Expires").empty());

  const Seen seen = upstream.seen();
  EXPECT_EQ(seen.target, "/api/tickets/7?full=1");
  EXPECT_EQ(seen.headers.all("Authorization"), std::vector<std::string_view>{"Bearer " + secret});
  EXPECT_EQ(seen.headers.find("X-Kept"), "yes");
  EXPECT_NE(seen.headers.find("Host"), "gateway.test");
  EXPECT_EQ(seen.headers.find("Accept-Encoding"), "identity");  // so that it can be searched
  for (const char* name : {"Cookie", "DPoP", "Stint-Task", "Proxy-Authorization", "X-Forwarded-For",
                           "X-HTTP-Method-Override", "X-Hop", "Prefer", "Range"})
    EXPECT_FALSE(seen.headers.has(name)) << name;
}

// It was asked for identity. Passed on, a coding would carry the credential past the search.
TEST_F(GatewayCalls, ACodedAnswerIsRefusedWhileACredentialIsHidden) {
  upstream.reply.headers.add("Content-Encoding", "x-unknown");
  upstream.reply.body = "coded " + std::string(testkit::kPlantedSecret);
  const Answer got = send({});
  EXPECT_EQ(got.status, 503U);
  EXPECT_EQ(got.reason(), "the upstream's answer is coded and cannot be searched");
  upstream.reply.headers.set("Content-Encoding", "identity");
  EXPECT_EQ(send({}).body, "coded *********************");
}

TEST_F(GatewayCalls, ARedirectIsPassedOnAndNotFollowed) {
  Upstream elsewhere;
  upstream.reply.status = 307;
  upstream.reply.headers.add("Location", elsewhere.url() + "/api/tickets/7");
  const Answer got = send({});
  EXPECT_EQ(got.status, 307U);
  EXPECT_EQ(got.header("Location"), elsewhere.url() + "/api/tickets/7");
  EXPECT_EQ(upstream.calls(), 1);
  EXPECT_EQ(elsewhere.calls(), 0);
}

TEST_F(GatewayCalls, ManyRequestsOnOneConnection) {
  Sock sock = Sock::tcp(port);
  for (int i = 0; i < 5; ++i) {
    sock.send(bytes({}, text()));
    EXPECT_EQ(read_answer(sock).status, 200U);
    Ask post{.method = "POST", .target = "/u/desk/tickets/7/replies", .body = "thanks"};
    sock.send(bytes(post, text()));
    EXPECT_EQ(read_answer(sock).body, "hello");
    sock.send(bytes({.target = "/u/desk/other"}, text()));  // a refusal keeps it open too
    EXPECT_EQ(read_answer(sock).status, 403U);
  }
  EXPECT_EQ(upstream.calls(), 10);
  EXPECT_EQ(upstream.seen(1).body, "thanks");
}

}  // namespace
}  // namespace stint::gateway
