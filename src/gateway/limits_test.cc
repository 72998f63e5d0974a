// Upstreams that fail or exceed what was allowed, budgets, and a log that cannot be written.
#include "stint/testkit/faulty_vfs.h"
#include "streams_for_test.h"

namespace stint::gateway {
namespace {

using namespace testing;

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

TEST_F(Streams, ABudgetBoundsRequestsAndAnswers) {
  const auto open = [&](domain::Budget budget) {
    return testkit::must_have(rt::block_on(edge->authority->open_task(
        {.order = {.purpose = "be sparing",
                   .agent = "coder",
                   .binding = {domain::Binding::Kind::kDpop, edge->coder.jkt()},
                   .human = "alice@example.com",
                   .grants = desk_grants(),
                   .budget = budget},
         .audience = audience("desk"),
         .actor = authority::Actor::agent("coder")})));
  };
  const auto one = open({.requests = 1, .bytes_out = {}});
  EXPECT_EQ(send({}, one.token->token).status, 200U);
  EXPECT_EQ(send({}, one.token->token).status, 429U);
  EXPECT_EQ(upstream.calls(), 1);

  upstream.reply.body = std::string(2000, 'x');
  const auto thousand = open({.requests = {}, .bytes_out = 1000});
  const Answer got = send({}, thousand.token->token);
  EXPECT_EQ(got.status, 429U);
  EXPECT_EQ(got.reason(), "the response is larger than the task's budget");
  EXPECT_TRUE(
      eventually([&] { return endings() == std::vector<std::string>{"completed", "refused"}; }));
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
    std::string_view type, reason;
  };
  for (const Row& row :
       {Row{Disk::Op::kWrite, Disk::Fault::kDiskFull, "storage-full", "disk full"},
        Row{Disk::Op::kWrite, Disk::Fault::kReadOnly, "read-only", "database is read-only"},
        Row{Disk::Op::kSync, Disk::Fault::kInputOutput, "io", "database input/output"}}) {
    SCOPED_TRACE(row.type);
    const auto before = upstream.calls();
    disk.fail(row.op, row.fault);
    const Answer got = send(write);
    EXPECT_EQ(got.status, 503U);
    EXPECT_EQ(got.member("type"), "urn:stint:problem:" + std::string(row.type));
    EXPECT_EQ(got.reason(), row.reason);
    EXPECT_FALSE(got.header("Retry-After").empty());
    EXPECT_GT(disk.injected(), 0U);
    EXPECT_EQ(send({}).status, 503U);  // reads too, once it is known
    EXPECT_EQ(upstream.calls(), before);
    disk.clear();
    EXPECT_TRUE(eventually([&] { return send(write).status == 200U; }));
  }
}

}  // namespace
}  // namespace stint::gateway
