// Calls under way: what streams, what cuts them, and that their ends are recorded. Domain rule 5.
#include <gmock/gmock.h>

#include <thread>

#include "gateway_for_test.h"
#include "stint/testkit/faulty_vfs.h"

namespace stint::gateway {
namespace {

using namespace testing;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr std::string_view kReplies = "/u/desk/tickets/7/replies";

// --- what upstreams do

rt::Co<void> stall(net::Exchange& ex, Upstream& self) {
  self.note(ex, "", true);
  std::vector<rt::SharedEvent> events{self.release};
  if (const auto gone = ex.gone().event()) events.push_back(*gone);
  const auto which = co_await rt::wait_any(std::move(events), rt::Deadline::never());
  if (which && *which == 1) self.broken = true;
  [[maybe_unused]] const auto sent = co_await ex.respond(self.reply);
}

rt::Co<void> stall_one(net::Exchange& ex, Upstream& self) {
  if (ex.head().target.ends_with("/slow")) co_return co_await stall(ex, self);
  co_await Upstream::plain(ex, self);
}

rt::Co<void> endless(net::Exchange& ex, Upstream& self) {
  const std::string piece(16 * 1024, 'x');
  Status going = co_await ex.start({.status = 200, .headers = {}});
  while (going) going = co_await ex.write(piece);
  self.broken = true;
}

rt::Co<void> swallow(net::Exchange& ex, Upstream& self) {
  std::array<char, 4096> piece;
  for (;;) {
    const auto n = co_await ex.read_some(piece);
    if (!n) {
      self.broken = true;
      self.note(ex, "", false);
      co_return;
    }
    if (*n == 0) break;
    self.got += *n;
  }
  self.note(ex, "", true);
  [[maybe_unused]] const auto sent = co_await ex.respond(self.reply);
}

rt::Co<void> echo(net::Exchange& ex, Upstream& self) {
  std::array<char, 4096> piece;
  Status going = co_await ex.start({.status = 200, .headers = {}});
  if (going) going = co_await ex.flush();
  while (going) {
    const auto n = co_await ex.read_some(piece);
    if (!n || *n == 0) break;
    self.got += *n;
    going = co_await ex.write(std::string_view(piece.data(), *n));
  }
  if (going) going = co_await ex.finish();
  if (!going) self.broken = true;
}

rt::Co<void> refuse_early(net::Exchange& ex, Upstream& self) {
  self.note(ex, "", false);
  ex.close_after();
  [[maybe_unused]] const auto sent =
      co_await ex.respond({.status = 413, .headers = {}, .body = "too big for me"});
}

rt::Co<void> hang_up(net::Exchange& ex, Upstream&) {
  ex.abort();
  co_return;
}

rt::Co<void> leak_slowly(net::Exchange& ex, Upstream&) {
  const std::string text = "begin " + std::string(testkit::kPlantedSecret) + " end";
  Status going = co_await ex.start({.status = 200, .headers = {}});
  for (const char c : text) {
    if (going) going = co_await ex.write(std::string_view(&c, 1));
    co_await rt::sleep_for(1ms);
  }
  if (going) [[maybe_unused]]
    const auto sent = co_await ex.finish();
}

rt::Co<void> head_then_silence(net::Exchange& ex, Upstream& self) {
  Status going = co_await ex.start({.status = 200, .headers = {{"X-Early", "yes"}}});
  if (going) going = co_await ex.flush();
  co_await stall(ex, self);
}

class Streams : public GatewayTest {
 public:
  resource::Resources declared() const override {
    auto r = edge->declared();
    for (auto& u : r.upstreams) u.limits = upstream_limits();
    return r;
  }
  virtual resource::UpstreamLimits upstream_limits() const { return {}; }

  static std::string chunk(std::string_view bytes) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    return size + std::string(bytes) + "\r\n";
  }
  Sock begin(const Ask& ask) { return begin(ask, desk->token->token); }
  Sock begin(const Ask& ask, std::string_view token) {
    Sock sock = Sock::tcp(port);
    sock.send(bytes(ask, token));
    return sock;
  }
  Sock begin_upload() {
    return begin({.method = "POST", .target = std::string(kReplies), .chunked = true});
  }
};

// --- both ways

TEST_F(Streams, RequestAndResponseFlowAtTheSameTime) {
  upstream.script = echo;
  Sock sock = begin_upload();
  EXPECT_THAT(sock.until("\r\n\r\n"), HasSubstr("200 OK"));
  for (const char* word : {"one", "two", "three"}) {
    sock.send(chunk(word));
    EXPECT_EQ(sock.until(word), chunk(word).substr(0, chunk(word).size() - 2));
    EXPECT_EQ(sock.until("\r\n"), "\r\n");
  }
  sock.send("0\r\n\r\n");
  EXPECT_EQ(sock.until("0\r\n\r\n"), "0\r\n\r\n");
  EXPECT_TRUE(ended("completed"));
}

TEST_F(Streams, ALargeBodyArrivesWholeAndUnchanged) {
  upstream.script = echo;
  std::string body(3 * 1024 * 1024 + 17, '\0');  // more than is read before the decision
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i * i % 26);
  Sock sock = Sock::tcp(port);
  const std::string all =
      bytes({.method = "POST", .target = std::string(kReplies), .body = body}, desk->token->token);
  std::thread sender([&] { sock.send(all); });
  const Answer got = read_answer(sock);
  sender.join();
  EXPECT_TRUE(got.whole);
  EXPECT_TRUE(got.body == body);
}

TEST_F(Streams, TheHeadOfAnOpenEndedAnswerIsNotHeldBack) {
  upstream.script = head_then_silence;
  Sock sock = begin({});
  EXPECT_THAT(sock.until("\r\n\r\n"), HasSubstr("X-Early: yes"));
}

TEST_F(Streams, TheCredentialIsHiddenAcrossChunks) {
  upstream.script = leak_slowly;
  const Answer got = send({});
  EXPECT_TRUE(got.whole);
  EXPECT_EQ(got.body, "begin ********************* end");
}

TEST_F(Streams, AnUpstreamMayAnswerBeforeItHasReadTheRequest) {
  upstream.script = refuse_early;
  Sock sock = begin_upload();
  sock.send(chunk("a beginning"));
  const Answer got = read_answer(sock);
  EXPECT_EQ(got.status, 413U);
  EXPECT_EQ(got.body, "too big for me");
  EXPECT_TRUE(ended("completed"));
}

TEST_F(Streams, ASlowCallHoldsNoOther) {
  upstream.script = stall_one;
  Sock slow = begin({.target = "/u/desk/tickets/slow"});
  ASSERT_TRUE(eventually([&] { return upstream.calls() == 1; }));
  const auto other = edge->open(edge->coder, desk_grants(), audience("desk"));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(send({}, other.token->token).status, 200U);
  EXPECT_EQ(send({}).status, 200U);  // nor one of its own task
  upstream.release.set();
  EXPECT_EQ(read_answer(slow).status, 200U);
}

// --- cuts

TEST_F(Streams, TheEndOfTheTaskCutsADownload) {
  upstream.script = endless;
  Sock sock = begin({});
  EXPECT_THAT(sock.until("\r\n\r\n"), HasSubstr("200 OK"));
  sock.some();
  ASSERT_TRUE(close(desk->task.id).has_value());
  while (!sock.some().empty()) {  // what was on its way; then the end, within the socket's limit
  }
  EXPECT_EQ(sock.last_errno, ECONNRESET);
  EXPECT_TRUE(eventually([&] { return upstream.broken.load(); }));
  EXPECT_TRUE(ended("cut"));
}

TEST_F(Streams, TheEndOfTheTaskCutsAnUpload) {
  upstream.script = swallow;
  Sock sock = begin_upload();
  sock.send(chunk(std::string(5000, 'x')));
  ASSERT_TRUE(eventually([&] { return upstream.got.load() == 5000; }));
  ASSERT_TRUE(close(desk->task.id).has_value());
  const Answer got = read_answer(sock);
  EXPECT_EQ(got.status, 401U);
  EXPECT_EQ(got.member("type"), "urn:stint:problem:task-closed");
  EXPECT_TRUE(eventually([&] { return upstream.broken.load(); }));
  EXPECT_FALSE(upstream.seen().whole);
  EXPECT_TRUE(ended("cut"));
}

TEST_F(Streams, TheEndOfTheTaskCutsBothWays) {
  upstream.script = echo;
  Sock sock = begin_upload();
  sock.until("\r\n\r\n");
  ASSERT_TRUE(close(desk->task.id).has_value());
  EXPECT_EQ(sock.all(), "");
  EXPECT_TRUE(ended("cut"));
}

TEST_F(Streams, APauseCutsToo) {
  upstream.script = stall;
  Sock sock = begin({});
  ASSERT_TRUE(eventually([&] { return upstream.calls() == 1; }));
  ASSERT_TRUE(rt::block_on(edge->authority->pause(desk->task.id, domain::Why::kOperator,
                                                  authority::Actor::local_operator(0)))
                  .has_value());
  const Answer got = read_answer(sock);
  EXPECT_EQ(got.status, 403U);
  EXPECT_EQ(got.member("type"), "urn:stint:problem:task-paused");
  EXPECT_TRUE(ended("cut"));
}

TEST_F(Streams, TheDeadlineCuts) {
  upstream.script = stall;
  const auto brief = testkit::must_have(rt::block_on(edge->authority->open_task(
      {.order = {.purpose = "be quick",
                 .agent = "coder",
                 .binding = {domain::Binding::Kind::kDpop, edge->coder.jkt()},
                 .human = "alice@example.com",
                 .grants = desk_grants(),
                 .life = 10s},
       .audience = audience("desk"),
       .actor = authority::Actor::agent("coder")})));
  edge->clock.step_wall(9500ms);  // half a second is left
  catch_up();
  Sock sock = begin({}, brief.token->token);
  const Answer got = read_answer(sock);
  EXPECT_EQ(got.status, 401U);
  EXPECT_EQ(got.reason(), "the task reached its deadline during the call");
  EXPECT_TRUE(eventually([&] { return upstream.broken.load(); }));
  EXPECT_TRUE(ended("cut"));
}

TEST_F(Streams, AClientThatGoesIsNotWaitedFor) {
  upstream.script = stall;
  {
    Sock sock = begin({});
    ASSERT_TRUE(eventually([&] { return upstream.calls() == 1; }));
  }
  EXPECT_TRUE(eventually([&] { return upstream.broken.load(); }));
  EXPECT_TRUE(ended("client-gone"));
}

TEST_F(Streams, AClientThatGoesDuringADownload) {
  upstream.script = endless;
  {
    Sock sock = begin({});
    sock.some();
    sock.reset();
  }
  EXPECT_TRUE(ended("client-gone"));
  EXPECT_TRUE(eventually([&] { return upstream.broken.load(); }));
}

TEST_F(Streams, HalfARequestIsNoWholeOne) {
  upstream.script = swallow;
  {
    Sock sock = begin_upload();
    sock.send(chunk("half"));
    ASSERT_TRUE(eventually([&] { return upstream.got.load() == 4; }));
  }
  EXPECT_TRUE(eventually([&] { return upstream.broken.load(); }));
  EXPECT_FALSE(upstream.seen().whole);
  EXPECT_TRUE(ended("client-gone"));
}

TEST_F(Streams, ABrokenChunkIsRefused) {
  upstream.script = swallow;
  Sock sock = begin_upload();
  sock.send(chunk("good") + "zz\r\n");
  EXPECT_EQ(read_answer(sock).status, 400U);
  EXPECT_TRUE(eventually([&] { return upstream.broken.load(); }));
  EXPECT_TRUE(ended("refused"));
}

// Ends of every kind at moments of every kind: what borrows outlives nothing (run under ASan).
TEST_F(Streams, EndsAtAnyMoment) {
  upstream.script = echo;
  for (int round = 0; round < 40; ++round) {
    upstream.got = 0;
    auto task = edge->open(edge->coder, desk_grants(), audience("desk"));
    Sock sock = begin({.method = "POST", .target = std::string(kReplies), .chunked = true},
                      task.token->token);
    if (round % 3 != 0) sock.until("\r\n\r\n");
    sock.send(chunk(std::string(static_cast<std::size_t>(round) * 1500 + 1, 'x')));
    if (round % 5 != 0)  // so many bytes later, or at once
      eventually([&] { return upstream.got.load() > static_cast<std::size_t>(round) * 300; });
    switch (round % 4) {
      case 0:
        EXPECT_TRUE(close(task.task.id).has_value());
        break;
      case 1:
        sock.reset();
        break;
      case 2:
        sock.send("0\r\n\r\n");
        EXPECT_TRUE(close(task.task.id).has_value());
        break;
      case 3:
        sock.send("zz\r\n");
        break;
    }
  }
  EXPECT_TRUE(eventually([&] { return endings().size() >= 30; }));
  EXPECT_TRUE(eventually([&] { return server->stats().requests == 0; }));
  EXPECT_EQ(endings().size(), edge->count("credential.released"));
}

TEST_F(Streams, StoppingTheServerEndsWhatIsUnderWay) {
  upstream.script = echo;
  Sock both = begin_upload();
  both.until("\r\n\r\n");
  Sock waiting = begin({.method = "POST", .target = std::string(kReplies), .chunked = true});
  server->stop();
  EXPECT_EQ(both.all(), "");
  EXPECT_TRUE(eventually([&] { return endings().size() == edge->count("credential.released"); }));
}

// --- an upstream that fails

TEST_F(Streams, AnUpstreamThatIsDown) {
  upstream.stop();
  const Answer got = send({});
  EXPECT_EQ(got.status, 503U);
  EXPECT_EQ(got.member("type"), "urn:stint:problem:unavailable");
  EXPECT_EQ(got.reason(), "the upstream could not be reached");
  EXPECT_EQ(decisions(), 1U);
  EXPECT_TRUE(ended("upstream-failed"));
}

TEST_F(Streams, AnUpstreamThatHangsUp) {
  upstream.script = hang_up;
  const Answer got = send({.method = "POST", .target = std::string(kReplies), .body = "x"});
  EXPECT_EQ(got.status, 503U);
  EXPECT_EQ(got.reason(), "the upstream gave no usable answer");
  EXPECT_TRUE(ended("upstream-failed"));
}

class Limited : public Streams {
 public:
  resource::UpstreamLimits upstream_limits() const override {
    return {.request_bytes = 10'000,
            .response_bytes = 10'000,
            .response_timeout = 1s,
            .idle_timeout = 1s,
            .concurrent = 1};
  }
};

TEST_F(Limited, ARequestThatSaysItIsTooLarge) {
  const Answer got =
      send({.method = "POST", .target = std::string(kReplies), .body = std::string(10'001, 'x')});
  EXPECT_EQ(got.status, 413U);
  EXPECT_EQ(got.reason(), "the request is larger than this upstream takes");
  EXPECT_EQ(decisions(), 0U);
  EXPECT_EQ(upstream.calls(), 0);
}

TEST_F(Limited, ARequestThatBecomesTooLarge) {
  upstream.script = swallow;
  const Answer got = send({.method = "POST",
                           .target = std::string(kReplies),
                           .body = std::string(10'001, 'x'),
                           .chunked = true});
  EXPECT_EQ(got.status, 413U);
  EXPECT_EQ(got.reason(), "the request is larger than this upstream takes");
  EXPECT_TRUE(eventually([&] { return upstream.broken.load(); }));
  EXPECT_FALSE(upstream.seen().whole);
  EXPECT_TRUE(ended("refused"));
}

TEST_F(Limited, AResponseThatSaysItIsTooLarge) {
  upstream.reply.body = std::string(10'001, 'x');
  const Answer got = send({});
  EXPECT_EQ(got.status, 413U);
  EXPECT_EQ(got.reason(), "the response is larger than this upstream may send");
  EXPECT_TRUE(ended("refused"));
}

TEST_F(Limited, AResponseThatBecomesTooLarge) {
  upstream.script = endless;
  const Answer got = send({});
  EXPECT_EQ(got.status, 200U);
  EXPECT_FALSE(got.whole);
  EXPECT_LE(got.body.size(), 10'000U);
  EXPECT_TRUE(ended("refused"));
}

TEST_F(Limited, OneCallTooMany) {
  upstream.script = stall_one;
  Sock slow = begin({.target = "/u/desk/tickets/slow"});
  ASSERT_TRUE(eventually([&] { return upstream.calls() == 1; }));
  const Answer got = send({});
  EXPECT_EQ(got.status, 429U);
  EXPECT_EQ(got.reason(), "too many calls to this upstream are under way");
  EXPECT_EQ(upstream.calls(), 1);
  upstream.release.set();
  EXPECT_EQ(read_answer(slow).status, 200U);
  EXPECT_TRUE(eventually([&] { return send({}).status == 200U; }));
}

TEST_F(Limited, ASilentUpstream) {
  upstream.script = stall;
  const Answer got = send({});
  EXPECT_EQ(got.status, 504U);
  EXPECT_EQ(got.reason(), "the upstream did not answer in time");
  EXPECT_TRUE(eventually([&] { return upstream.broken.load(); }));
  EXPECT_TRUE(ended("timed-out"));
}

TEST_F(Limited, AnUpstreamThatFallsSilent) {
  upstream.script = head_then_silence;
  const Answer got = send({});
  EXPECT_EQ(got.status, 200U);
  EXPECT_FALSE(got.whole);
  EXPECT_TRUE(ended("timed-out"));
}

TEST_F(Limited, AnUpstreamThatWaitsForTheClientIsNotSilent) {
  upstream.script = swallow;
  Sock sock = begin_upload();
  for (int i = 0; i < 4; ++i) {  // two seconds, beside a limit of one
    sock.send(chunk("x"));
    const auto later = net::testing::real_clock().mono() + 500ms;
    EXPECT_TRUE(eventually([&] { return net::testing::real_clock().mono() > later; }));
    catch_up();
  }
  sock.send("0\r\n\r\n");
  EXPECT_EQ(read_answer(sock).status, 200U);
}

// --- a log that cannot be written

class BadDisk : public Streams {
 public:
  std::string vfs() const override { return disk.name(); }
  void TearDown() override {
    GatewayTest::TearDown();
    server.reset();
    gateway.reset();
    edge.reset();  // before its disk
  }
  testkit::FaultyVfs disk{"gateway-test"};
};

TEST_F(BadDisk, WhatCannotBeRecordedIsNotDone) {
  using Disk = testkit::FaultyVfs;
  const Ask write{.method = "POST", .target = std::string(kReplies), .body = "x"};
  struct Row {
    Disk::Op op;
    Disk::Fault fault;
    std::string_view type;
  };
  for (const Row& row : {Row{Disk::Op::kWrite, Disk::Fault::kDiskFull, "storage-full"},
                         Row{Disk::Op::kWrite, Disk::Fault::kReadOnly, "read-only"},
                         Row{Disk::Op::kSync, Disk::Fault::kInputOutput, "io"}}) {
    SCOPED_TRACE(row.type);
    const auto before = upstream.calls();
    disk.fail(row.op, row.fault);
    const Answer got = send(write);
    EXPECT_EQ(got.status, 503U);
    EXPECT_EQ(got.member("type"), "urn:stint:problem:" + std::string(row.type));
    EXPECT_GT(disk.injected(), 0U);
    EXPECT_EQ(send({}).status, 503U);  // reads too, once it is known
    EXPECT_EQ(upstream.calls(), before);
    disk.clear();
    EXPECT_TRUE(eventually([&] { return send(write).status == 200U; }));
  }
}

}  // namespace
}  // namespace stint::gateway
