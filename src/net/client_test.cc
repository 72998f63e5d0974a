#include "stint/net/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net_testing.h"
#include "stint/rt/cancel.h"

// Handlers are lambdas that a server keeps for as long as it lives.
// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)
namespace stint::net {
namespace {
using namespace std::chrono_literals;
using testing::eventually;
using testing::FakeUpstream;
using ::testing::HasSubstr;
using testing::Rig;
using testing::Sock;
using ::testing::StartsWith;

TlsClient roots() {
  static const TlsClient tls = *TlsClient::system_roots();
  return tls;
}
Origin at(std::uint16_t port) { return {Origin::Kind::kHttp, "127.0.0.1", port}; }
rt::Deadline within(std::chrono::milliseconds ttl) {
  return rt::Deadline::in(testing::real_clock(), ttl);
}
http::RequestHead request(std::string method, std::string target) {
  return {std::move(method), std::move(target), {}, http::Version::k11};
}
constexpr http::Framing kNoBody{};

// GET and the whole answer, as text: "status body" or the reason.
rt::Co<std::string> get(Client& client, Origin origin, std::string method = "GET") {
  auto ex = co_await client.open(origin, request(method, "/x"), kNoBody, within(5s));
  if (!ex) co_return std::string(ex.error().reason.text());
  const auto head = co_await ex->head();
  if (!head) co_return std::string(head.error().reason.text());
  const auto body = co_await ex->read_body(1 << 20);
  if (!body) co_return std::string(body.error().reason.text());
  co_return std::to_string(head->status) + ' ' + *body;
}

rt::Co<std::vector<std::string>> gets(ClientLimits limits, Origin origin, int n,
                                      std::chrono::milliseconds pause, Client::Stats* stats,
                                      std::string method = "GET") {
  Client client(co_await rt::this_executor(), testing::real_clock(), roots(), limits);
  std::vector<std::string> out;
  for (int i = 0; i < n; ++i) {
    if (i > 0 && pause > 0ms) co_await rt::sleep_for(pause);
    out.push_back(co_await get(client, origin, method));
  }
  *stats = client.stats();
  co_return out;
}

std::vector<std::string> run(const Origin& origin, int n = 1, ClientLimits limits = {},
                             std::chrono::milliseconds pause = 0ms, Client::Stats* stats = nullptr,
                             std::string method = "GET") {
  Client::Stats unused;
  return rt::block_on(gets(limits, origin, n, pause, stats ? stats : &unused, std::move(method)));
}

rt::Co<void> echo(Exchange& ex) {
  auto body = co_await ex.read_body(1 << 26);
  (void)co_await ex.respond({200, {}, ex.head().method + body.value_or("?")});
}

TEST(Client, ReusesConnections) {
  Rig rig(echo);
  Client::Stats stats;
  const auto got = run(at(rig.port), 5, {}, 0ms, &stats);
  for (const auto& g : got) EXPECT_EQ(g, "200 GET");
  EXPECT_EQ(stats.connected, 1U);
  EXPECT_EQ(stats.reused, 4U);
  EXPECT_EQ(stats.open, 1U);
  EXPECT_EQ(stats.idle, 1U);
  EXPECT_EQ(rig.server.stats().accepted, 1U);
}

TEST(Client, ClosesIdleConnectionsInTime) {
  Rig rig(echo);
  ClientLimits limits;
  limits.idle = 20ms;
  Client::Stats stats;
  (void)run(at(rig.port), 2, limits, 150ms, &stats);
  EXPECT_EQ(stats.connected, 2U);
  EXPECT_EQ(stats.reused, 0U);
}

// Answers one request, waits a little, closes: every pooled connection is dead.
void one_each(Sock& sock, int) {
  if (sock.until("\r\n\r\n").empty()) return;
  sock.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

TEST(Client, SeesAPooledConnectionDie) {
  FakeUpstream up(one_each);
  for (const auto method : {"GET", "DELETE"}) {
    Client::Stats stats;
    for (const auto& got : run(at(up.port()), 4, {}, 30ms, &stats, method))
      EXPECT_EQ(got, "200 ok");
    EXPECT_EQ(stats.retried, 0U);  // found while idle
    EXPECT_EQ(stats.connected, 4U);
  }
}

// Reads the second request and closes without a word, as a server does whose idle time ran out.
std::atomic<int> requests_seen{0};
void stale_second(Sock& sock, int) {
  if (sock.until("\r\n\r\n").empty()) return;
  ++requests_seen;
  sock.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  if (!sock.until("\r\n\r\n").empty()) ++requests_seen;
}

TEST(Client, RetriesOnceWhatMayBeRetried) {
  FakeUpstream up(stale_second);
  Client::Stats stats;
  EXPECT_THAT(run(at(up.port()), 2, {}, 0ms, &stats), ::testing::Each("200 ok"));
  EXPECT_EQ(stats.retried, 1U);
  EXPECT_EQ(up.connections(), 2);
}

TEST(Client, NeverSendsAnUnsafeRequestTwice) {
  requests_seen = 0;
  FakeUpstream up(stale_second);
  Client::Stats stats;
  const auto got = run(at(up.port()), 2, {}, 0ms, &stats, "POST");
  EXPECT_EQ(got[0], "200 ok");
  EXPECT_EQ(got[1], "connection closed");
  EXPECT_EQ(stats.retried, 0U);
  EXPECT_EQ(requests_seen, 2);
}

struct Lie {
  const char* name;
  std::string_view bytes;
  const char* want;  // "status body" or the reason
};
using namespace std::literals;
const Lie kLies[] = {
    {"length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "200 ok"},
    {"chunked",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
     "200 ok"},
    {"until_close", "HTTP/1.1 200 OK\r\n\r\nok", "200 ok"},
    {"http10", "HTTP/1.0 200 OK\r\n\r\nok", "200 ok"},
    {"interim",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 "
     "OK\r\nContent-Length: 2\r\n\r\nok",
     "200 ok"},
    {"no_content", "HTTP/1.1 204 No Content\r\n\r\n", "204 "},
    {"redirect_is_not_followed",
     "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "302 "},
    {"cut_length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "body truncated"},
    {"cut_chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", "body truncated"},
    {"cut_before_last_chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
     "body truncated"},
    {"cut_head", "HTTP/1.1 200 OK\r\nContent-", "connection closed"},
    {"silent", "", "connection closed"},
    {"bad_chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     "chunk size missing"},
    {"too_many_interims",
     "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 "
     "C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 "
     "C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
     "interim responses"},
    {"interim_with_body", "HTTP/1.1 100 C\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
     "interim response with a body"},
    {"te_in_http10", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "transfer-encoding in http/1.0"},
};

TEST(Client, Framing) {
  std::size_t ran = 0;
  for (const auto& lie : kLies) {
    SCOPED_TRACE(lie.name);
    FakeUpstream up([&lie](Sock& sock, int) {
      (void)sock.until("\r\n\r\n");
      sock.send(lie.bytes);
    });
    EXPECT_EQ(run(at(up.port()))[0], lie.want);
    ++ran;
  }
  EXPECT_EQ(ran, 16U);
}

// What cannot be framed for certain is refused, whatever the words are.
TEST(Client, AmbiguousResponsesAreRefused) {
  constexpr std::string_view kBad[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
      "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
      "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
      "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
      "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 2\r\n\r\nok",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
      "HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
      "HTTP/2 200\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
      "ICY 200 OK\r\n\r\n",
      "ok ok ok\r\n\r\n",
  };
  for (const auto bytes : kBad) {
    SCOPED_TRACE(bytes);
    FakeUpstream up([bytes](Sock& sock, int) {
      (void)sock.until("\r\n\r\n");
      sock.send(bytes);
    });
    EXPECT_THAT(run(at(up.port()))[0], ::testing::Not(StartsWith("200")));
  }
}

TEST(Client, BytesThatNobodyAskedForAnswerNothing) {
  // The first response brings a second one along: a later request must not get it.
  FakeUpstream up([](Sock& sock, int n) {
    if (sock.until("\r\n\r\n").empty()) return;
    sock.send(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: "
        "4\r\n\r\nevil");
    (void)n;
    (void)sock.until("\r\n\r\n");
  });
  for (const auto pause : {0ms, 30ms}) {
    for (const auto& got : run(at(up.port()), 3, {}, pause)) EXPECT_EQ(got, "200 ok");
  }
  // The same, a moment later, while the connection idles.
  FakeUpstream late([](Sock& sock, int) {
    if (sock.until("\r\n\r\n").empty()) return;
    sock.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    std::this_thread::sleep_for(10ms);
    sock.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  });
  for (const auto& got : run(at(late.port()), 3, {}, 40ms)) EXPECT_EQ(got, "200 ok");
}

TEST(Client, HeadResponsesHaveNoBody) {
  FakeUpstream up([](Sock& sock, int) {
    for (int i = 0; i < 2; ++i) {
      if (sock.until("\r\n\r\n").empty()) return;
      sock.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    }
  });
  Client::Stats stats;
  EXPECT_THAT(run(at(up.port()), 2, {}, 0ms, &stats, "HEAD"), ::testing::Each("200 "));
  EXPECT_EQ(stats.reused, 1U);
}

TEST(Client, Timeouts) {
  FakeUpstream mute([](Sock& sock, int) { (void)sock.all(); });
  ClientLimits limits;
  limits.read_time = 40ms;
  EXPECT_EQ(run(at(mute.port()), 1, limits)[0], "read timed out");
  FakeUpstream half([](Sock& sock, int) {
    (void)sock.until("\r\n\r\n");
    sock.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
    (void)sock.all();
  });
  EXPECT_EQ(run(at(half.port()), 1, limits)[0], "read timed out");
}

TEST(Client, UnreachableUpstreams) {
  // A port that was free a moment ago.
  std::uint16_t port = 0;
  {
    port = FakeUpstream([](Sock&, int) {}).port();
  }
  EXPECT_EQ(run(at(port))[0], "upstream cannot be reached");
  EXPECT_EQ(run({Origin::Kind::kUnix, "/nonexistent/socket", 0})[0], "upstream cannot be reached");
}

struct Told {
  Errc open{}, write{}, head{}, read{};
  std::size_t sent = 0;
};

rt::Co<void> deadline_case(std::uint16_t port, Errc* out) {
  Client client(co_await rt::this_executor(), testing::real_clock(), roots());
  auto ex = co_await client.open(at(port), request("GET", "/"), kNoBody, within(50ms));
  EXPECT_TRUE(ex);
  const auto head = co_await ex->head();
  *out = head ? Errc{} : head.error().code;
}

TEST(Client, TheDeadlineBoundsTheWholeExchange) {
  // Something comes all the time, so that no single read is late.
  FakeUpstream drip([](Sock& sock, int) {
    (void)sock.until("\r\n\r\n");
    sock.send("HTTP/1.1 200 OK\r\nX: ");
    for (int i = 0; i < 3000 && sock.send("x"); ++i) std::this_thread::sleep_for(1ms);
  });
  Errc code{};
  rt::block_on(deadline_case(drip.port(), &code));
  EXPECT_EQ(code, Errc::kTimeout);
}

rt::Co<void> refused_heads(std::uint16_t port, std::vector<std::string>* out) {
  Client client(co_await rt::this_executor(), testing::real_clock(), roots());
  const auto one = [&](http::RequestHead head) -> rt::Co<void> {
    auto ex = co_await client.open(at(port), std::move(head), kNoBody, within(1s));
    out->push_back(ex ? "sent" : std::string(ex.error().reason.text()));
  };
  co_await one({"GET", "/ HTTP/1.1\r\nX: y", {}, {}});
  co_await one({"GET", "http://other/", {}, {}});
  co_await one({"G T", "/", {}, {}});
  co_await one({"CONNECT", "/", {}, {}});
  co_await one({"GET", "/", {{"A", "b\r\nC: d"}}, {}});
  co_await one({"GET", "/", {{"A B", "c"}}, {}});
  co_await one({"GET", "/", {{"Content-Length", "5"}}, {}});
  co_await one({"GET", "/", {{"Transfer-Encoding", "chunked"}}, {}});
  co_await one({"GET", "/", {{"Connection", "close"}}, {}});
  co_await one({"GET", "/", {{"Host", "a"}, {"Host", "b"}}, {}});
}

TEST(Client, HeadsThatCannotBeSent) {
  FakeUpstream up(one_each);
  std::vector<std::string> got;
  rt::block_on(refused_heads(up.port(), &got));
  EXPECT_THAT(got, ::testing::ElementsAre("request target", "request target", "request method",
                                          "request method", "request header", "request header",
                                          "request framing header", "request framing header",
                                          "request framing header", "request host"));
  EXPECT_EQ(up.connections(), 0);
}

// --- bodies

rt::Co<void> upload(std::uint16_t port, http::Framing framing, std::size_t total,
                    std::string* answer) {
  Client client(co_await rt::this_executor(), testing::real_clock(), roots());
  auto ex = co_await client.open(at(port), request("POST", "/"), framing, within(20s));
  EXPECT_TRUE(ex);
  const std::string block(30'000, 'z');
  for (std::size_t sent = 0; sent < total;) {
    const std::size_t n = std::min(block.size(), total - sent);
    EXPECT_TRUE(co_await ex->write(std::string_view(block).substr(0, n)));
    sent += n;
  }
  EXPECT_TRUE(co_await ex->finish());
  EXPECT_TRUE(co_await ex->head());
  *answer = (co_await ex->read_body(1 << 26)).value_or("unreadable");
}

TEST(Client, StreamsBodiesBothWays) {
  Rig rig(echo);
  constexpr std::size_t kTotal = 10'000'000;
  const std::string want = "POST" + std::string(kTotal, 'z');
  for (const http::Framing framing :
       {http::Framing{http::Framing::Kind::kLength, kTotal}, {http::Framing::Kind::kChunked, 0}}) {
    std::string answer;
    rt::block_on(upload(rig.port, framing, kTotal, &answer));
    EXPECT_TRUE(answer == want) << answer.size();
  }
}

rt::Co<void> wrong_lengths(std::uint16_t port) {
  Client client(co_await rt::this_executor(), testing::real_clock(), roots());
  auto ex = co_await client.open(at(port), request("POST", "/"), {http::Framing::Kind::kLength, 3},
                                 within(5s));
  EXPECT_EQ((co_await ex->write("abcd")).error().reason.text(),
            "request longer than its content-length");
  EXPECT_TRUE(co_await ex->write("ab"));
  EXPECT_EQ((co_await ex->finish()).error().reason.text(),
            "request shorter than its content-length");
  EXPECT_EQ((co_await ex->read_piece()).error().reason.text(), "head not read");
}

TEST(Client, KeepsToItsOwnContentLength) {
  Rig rig(echo);
  rt::block_on(wrong_lengths(rig.port));
  EXPECT_TRUE(eventually([&] { return rig.server.stats().handled == 1; }));
}

rt::Co<void> early_answer(std::uint16_t port, unsigned* status, Errc* write) {
  Client client(co_await rt::this_executor(), testing::real_clock(), roots());
  auto ex = co_await client.open(at(port), request("POST", "/"), {http::Framing::Kind::kChunked, 0},
                                 within(5s));
  const auto head = co_await ex->head();
  *status = head ? head->status : 0;
  EXPECT_EQ((co_await ex->read_body(100)).value_or("?"), "no");
  const auto stats = client.stats();
  EXPECT_EQ(stats.idle, 0U);  // its request was never finished: no second use
  const auto sent = co_await ex->write("late");
  *write = sent ? Errc{} : sent.error().code;
}

TEST(Client, TakesAnAnswerBeforeTheBody) {
  FakeUpstream up([](Sock& sock, int) {
    (void)sock.until("\r\n\r\n");
    sock.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
    (void)sock.all();
  });
  unsigned status = 0;
  Errc write{};
  rt::block_on(early_answer(up.port(), &status, &write));
  EXPECT_EQ(status, 413U);
  EXPECT_EQ(write, Errc::kConflict);
}

rt::Co<void> limited(std::uint16_t port, std::vector<std::string>* out) {
  Client client(co_await rt::this_executor(), testing::real_clock(), roots());
  for (const std::size_t limit : {1UL, 2UL}) {
    auto ex = co_await client.open(at(port), request("GET", "/"), kNoBody, within(5s));
    (void)co_await ex->head();
    const auto body = co_await ex->read_body(limit);
    out->push_back(body ? *body : std::string(body.error().reason.text()));
  }
}

TEST(Client, BodyLimitIsHeld) {
  FakeUpstream up(one_each);
  std::vector<std::string> got;
  rt::block_on(limited(up.port(), &got));
  EXPECT_THAT(got, ::testing::ElementsAre("response body over the limit", "ok"));
}

// --- ends

rt::Co<void> aborted(std::uint16_t port, std::thread* other, Errc* code) {
  Client client(co_await rt::this_executor(), testing::real_clock(), roots());
  auto ex = co_await client.open(at(port), request("GET", "/"), kNoBody, within(5s));
  *other = std::thread([handle = ex->abort_handle()] {
    std::this_thread::sleep_for(10ms);
    handle.abort();
  });
  const auto head = co_await ex->head();
  *code = head ? Errc{} : head.error().code;
  EXPECT_EQ(client.stats().idle, 0U);
}

TEST(Client, AbortFromAnotherThread) {
  FakeUpstream mute([](Sock& sock, int) { (void)sock.all(); });
  for (int round = 0; round < 10; ++round) {
    std::thread other;
    Errc code{};
    rt::block_on(aborted(mute.port(), &other, &code));
    other.join();
    EXPECT_EQ(code, Errc::kCancelled);
  }
}

rt::Co<void> cancelled(std::uint16_t port, Errc* code, std::string* after) {
  Client client(co_await rt::this_executor(), testing::real_clock(), roots());
  rt::CancelSource source;
  auto ex = co_await client.open(at(port), request("GET", "/"), kNoBody, within(5s));
  rt::post(co_await rt::this_executor(), [source] { source.cancel(); });
  const auto head = co_await rt::with_cancel(ex->head(), source.token());
  *code = head ? Errc{} : head.error().code;
  *after = co_await get(client, at(port));
}

TEST(Client, WaitsCanBeCancelled) {
  FakeUpstream up([](Sock& sock, int n) {
    if (n == 0) {
      (void)sock.all();
    } else {
      one_each(sock, n);
    }
  });
  Errc code{};
  std::string after;
  rt::block_on(cancelled(up.port(), &code, &after));
  EXPECT_EQ(code, Errc::kCancelled);
  EXPECT_EQ(after, "200 ok");
}

TEST(Client, CapsConnections) {
  Rig rig(echo);
  ClientLimits limits;
  limits.connections = 1;
  const auto both = [](ClientLimits l, std::uint16_t port) -> rt::Co<std::string> {
    Client client(co_await rt::this_executor(), testing::real_clock(), roots(), l);
    auto ex = co_await client.open(at(port), request("GET", "/"), kNoBody, within(5s));
    EXPECT_TRUE(ex);
    co_return co_await get(client, at(port));
  };
  EXPECT_EQ(rt::block_on(both(limits, rig.port)), "too many upstream connections");
}

// --- the simple call

TEST(SimpleRequest, GetsAndPosts) {
  Rig rig([](Exchange& ex) -> rt::Co<void> {
    auto body = co_await ex.read_body(1000);
    const auto host = ex.head().headers.one("host");
    const auto length = ex.head().headers.one("content-length");
    (void)co_await ex.respond({201,
                               {{"X", "y"}},
                               ex.head().method + ' ' + ex.head().target + ' ' +
                                   std::string(host.value_or("")) + ' ' +
                                   std::string(length.value_or("-")) + ' ' + *body});
  });
  const std::string base = "http://127.0.0.1:" + std::to_string(rig.port);
  SimpleRequest get_it{.url = base + "/a?b=c"};
  const auto got = simple_request(testing::real_clock(), get_it, roots());
  ASSERT_TRUE(got) << got.error().reason.text();
  EXPECT_EQ(got->status, 201U);
  EXPECT_EQ(got->headers.find("x"), "y");
  EXPECT_EQ(got->body, "GET /a?b=c 127.0.0.1:" + std::to_string(rig.port) + " - ");
  SimpleRequest post{.method = "POST", .url = base, .body = "hello"};
  EXPECT_THAT(simple_request(testing::real_clock(), post, roots())->body,
              ::testing::EndsWith(" 5 hello"));
  post.body = "";
  EXPECT_THAT(simple_request(testing::real_clock(), post, roots())->body,
              ::testing::EndsWith(" 0 "));
}

TEST(SimpleRequest, Refusals) {
  const auto reason = [](SimpleRequest r, SimpleLimits l = {}) {
    const auto got = simple_request(testing::real_clock(), std::move(r), roots(), l);
    return got ? std::string("fine") : std::string(got.error().reason.text());
  };
  EXPECT_EQ(reason({.url = "ftp://h/"}), "url scheme");
  EXPECT_EQ(reason({.url = "http://u:p@h/"}), "url userinfo");
  EXPECT_EQ(reason({.url = "http://h/#f"}), "url fragment");
  FakeUpstream up(one_each);
  const std::string base = "http://127.0.0.1:" + std::to_string(up.port());
  EXPECT_EQ(reason({.url = base}, {.response_bytes = 1}), "response body over the limit");
  EXPECT_EQ(reason({.url = base, .headers = {{"Connection", "x"}}}), "request framing header");
  EXPECT_EQ(reason({.url = base}), "fine");
  FakeUpstream mute([](Sock& sock, int) { (void)sock.all(); });
  EXPECT_THAT(reason({.url = "http://127.0.0.1:" + std::to_string(mute.port())}, {.total = 50ms}),
              HasSubstr("timed out"));
}

TEST(SimpleRequest, OverAUnixSocket) {
  Rig rig([](Exchange& ex) -> rt::Co<void> {
    (void)co_await ex.respond({200, {}, std::string(*ex.head().headers.one("host"))});
  });
  const auto path = ::testing::TempDir() + "stint-simple-" + std::to_string(::getpid()) + ".sock";
  ASSERT_TRUE(rig.server.listen_unix(path));
  SimpleRequest r{.url = "http://stint.test/a", .unix_socket = path};
  EXPECT_EQ(simple_request(testing::real_clock(), r, roots())->body, "stint.test");
}

TEST(Origin, ParsesAndNames) {
  EXPECT_EQ(Origin::parse("https://Example.test/x")->authority(), "example.test");
  EXPECT_EQ(Origin::parse("https://example.test:8443")->authority(), "example.test:8443");
  EXPECT_EQ(Origin::parse("http://[::1]:80/")->authority(), "[::1]");
  EXPECT_EQ(Origin::parse("gopher://x").error().reason.text(), "url scheme");
}

}  // namespace
}  // namespace stint::net
// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)
