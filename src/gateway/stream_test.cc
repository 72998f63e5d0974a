// Calls under way: what streams, what cuts them, and that their ends are recorded. Domain rule 5.
#include <thread>

#include "streams_for_test.h"

namespace stint::gateway {
namespace {

using namespace testing;
using ::testing::HasSubstr;

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

TEST_F(Streams, TheEndOfTheTaskCutsWhatItsClientDoesNotRead) {
  upstream.script = endless;
  Sock sock = Sock::tcp(port, 4096);
  sock.send(bytes({}, desk->token->token));
  std::size_t before = 0;  // until everything between is full
  ASSERT_TRUE(eventually([&] {
    const std::size_t now = upstream.got.load();
    return now > 0 && std::exchange(before, now) == now;
  }));
  ASSERT_TRUE(close(desk->task.id).has_value());
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

// The whole answer comes while the request's body waits for the socket.
TEST_F(Streams, AnAnswerMayEndWhileTheRequestIsStuck) {
  upstream.script = refuse_late;
  Sock sock = begin_upload();
  std::atomic<int> chunks{0};
  std::thread sender([&] {
    while (chunks < 2048 && sock.send(chunk(std::string(64 * 1024, 'x')))) ++chunks;
  });
  // All buffers on the way are full when nothing has moved for many looks in a row.
  int before = 0, still = 0;
  ASSERT_TRUE(eventually([&] {
    still = chunks == before && chunks > 0 ? still + 1 : 0;
    before = chunks;
    return still >= 50;
  }));
  upstream.release.set();
  const Answer got = read_answer(sock);
  EXPECT_EQ(got.status, 413U);
  EXPECT_EQ(got.body, "too big for me");
  sender.join();  // the gateway closes on who goes on sending
  upstream.leave.set();
  upstream.script = Upstream::plain;
  EXPECT_EQ(send({}).status, 200U);  // the gateway is there
}

// A task of which half a second is left.
class BriefTask : public Streams {
 public:
  authority::Opened brief() {
    auto task = testkit::must_have(rt::block_on(edge->authority->open_task(
        {.order = {.purpose = "be quick",
                   .agent = "coder",
                   .binding = {domain::Binding::Kind::kDpop, edge->coder.jkt()},
                   .human = "alice@example.com",
                   .grants = desk_grants(),
                   .life = 10s},
         .audience = audience("desk"),
         .actor = authority::Actor::agent("coder")})));
    edge->clock.step_wall(9500ms);
    catch_up();
    return task;
  }
};

TEST_F(BriefTask, TheDeadlineCuts) {
  upstream.script = stall;
  const auto brief = this->brief();
  Sock sock = begin({}, brief.token->token);
  const Answer got = read_answer(sock);
  EXPECT_EQ(got.status, 401U);
  EXPECT_EQ(got.reason(), "the task reached its deadline during the call");
  EXPECT_TRUE(eventually([&] { return upstream.broken.load(); }));
  EXPECT_TRUE(ended("cut"));
}

// Nobody reads, so nothing is written and nothing moves: the connections' own limits end it.
TEST_F(BriefTask, TheDeadlineCutsWhatItsClientDoesNotRead) {
  upstream.script = endless;
  const auto brief = this->brief();
  Sock sock = Sock::tcp(port, 4096);
  sock.send(bytes({}, brief.token->token));
  ASSERT_TRUE(eventually([&] { return upstream.got.load() > 0; }));
  edge->clock.step_wall(600ms);  // nobody looks at it until the connection has ended
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

// The end of a body that was read whole hides nobody's going.
TEST_F(Streams, AClientThatGoesAfterItsBodyIsNotWaitedFor) {
  upstream.script = stall;
  {
    Sock sock = begin({.method = "POST", .target = std::string(kReplies), .body = "thanks"});
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
  const Answer got = read_answer(sock);
  EXPECT_EQ(got.status, 400U);
  EXPECT_EQ(got.reason(), "chunk size missing");
  EXPECT_TRUE(eventually([&] { return upstream.broken.load(); }));
  EXPECT_FALSE(upstream.seen().whole);
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

}  // namespace
}  // namespace stint::gateway
