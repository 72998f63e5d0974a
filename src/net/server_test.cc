#include "stint/net/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>

#include "net_testing.h"
#include "stint/rt/cancel.h"
#include "stint/rt/event.h"

// Handlers are lambdas that a server keeps for as long as it lives.
// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)
namespace stint::net {
namespace {
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::EndsWith;
using testing::eventually;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Rig;
using testing::Sock;
using ::testing::StartsWith;

http::Response text(std::string body) {
  return {200, {{"Content-Type", "text/plain"}}, std::move(body)};
}

// Answers with method, target and body.
rt::Co<void> echo(Exchange& ex) {
  const std::string line = ex.head().method + ' ' + ex.head().target + ' ';
  auto body = co_await ex.read_body(1 << 20);
  if (!body) {
    (void)co_await ex.respond({413, {}, std::string(body.error().reason.text())});
    co_return;
  }
  (void)co_await ex.respond(text(line + *body));
}

std::string get(std::string_view target, std::string_view more = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n" + std::string(more) + "\r\n";
}

TEST(Server, AnswersAndKeepsTheConnection) {
  Rig rig(echo);
  auto sock = rig.connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(sock.send(get("/a")));
    const auto reply = sock.response();
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: "));
    EXPECT_THAT(reply, EndsWith("Content-Length: 7\r\n\r\nGET /a "));
  }
  EXPECT_EQ(rig.server.stats().accepted, 1U);
  EXPECT_EQ(rig.server.stats().handled, 3U);
}

TEST(Server, PipelinedRequestsAreAnsweredInOrder) {
  Rig rig(echo);
  std::string all;
  for (int i = 0; i < 100; ++i)
    all += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
  auto sock = rig.connect();
  ASSERT_TRUE(sock.send(all));
  for (int i = 0; i < 100; ++i)
    EXPECT_THAT(sock.response(), EndsWith("POST /" + std::to_string(i) + " abc"));
}

TEST(Server, HeadInSingleBytes) {
  Rig rig(echo);
  auto sock = rig.connect();
  for (const char c : get("/slow")) ASSERT_TRUE(sock.send({&c, 1}));
  EXPECT_THAT(sock.response(), EndsWith("GET /slow "));
}

TEST(Server, ChunkedRequestBody) {
  Rig rig(echo);
  auto sock = rig.connect();
  const std::string head = "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string body = "3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nTrailer: dropped\r\n\r\n";
  ASSERT_TRUE(sock.send(head + body + head + body));
  EXPECT_THAT(sock.response(), EndsWith("POST /c abcdefgh"));
  EXPECT_THAT(sock.response(), EndsWith("POST /c abcdefgh"));
  for (const char c : head + body) ASSERT_TRUE(sock.send({&c, 1}));
  EXPECT_THAT(sock.response(), EndsWith("POST /c abcdefgh"));
}

rt::Co<void> stream_three(Exchange& ex) {
  http::ResponseHead head;
  if (ex.head().target == "/length") head.headers.add("Content-Length", "9");
  EXPECT_TRUE(co_await ex.start(std::move(head)));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(co_await ex.write("abc"));
  EXPECT_TRUE(co_await ex.finish());
  EXPECT_EQ((co_await ex.respond({})).error().reason.text(), "answered already");
}

TEST(Server, StreamedResponses) {
  Rig rig(stream_three);
  EXPECT_THAT(rig.talk(get("/")), AllOf(HasSubstr("\r\nTransfer-Encoding: chunked\r\n"),
                                        EndsWith("3\r\nabc\r\n3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n")));
  EXPECT_THAT(rig.talk(get("/length")),
              AllOf(HasSubstr("\r\nContent-Length: 9\r\n"), EndsWith("\r\n\r\nabcabcabc"),
                    Not(HasSubstr("chunked"))));
  // HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
  EXPECT_THAT(rig.talk("GET / HTTP/1.0\r\nHost: h\r\n\r\n"),
              AllOf(HasSubstr("\r\nConnection: close\r\n"), EndsWith("\r\n\r\nabcabcabc"),
                    Not(HasSubstr("chunked"))));
  EXPECT_THAT(
      rig.talk("HEAD /length HTTP/1.1\r\nHost: h\r\n\r\n"),
      AllOf(HasSubstr("\r\nContent-Length: 9\r\n"), EndsWith("\r\n\r\n"), Not(HasSubstr("abc"))));
}

TEST(Server, HeadAndNoContentHaveNoBody) {
  Rig rig([](Exchange& ex) -> rt::Co<void> {
    (void)co_await ex.respond({ex.head().target == "/204" ? 204U : 200U, {}, "body"});
  });
  EXPECT_THAT(rig.talk("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"),
              AllOf(HasSubstr("Content-Length: 4\r\n"), EndsWith("\r\n\r\n")));
  EXPECT_THAT(rig.talk(get("/204")), AllOf(StartsWith("HTTP/1.1 204 No Content\r\n"),
                                           EndsWith("\r\n\r\n"), Not(HasSubstr("Content-Length"))));
}

TEST(Server, ExpectContinueIsAskedForOnlyWhenTheBodyIsWanted) {
  Rig rig([](Exchange& ex) -> rt::Co<void> {
    if (ex.head().target == "/refuse") {
      (void)co_await ex.respond({403, {}, ""});
    } else {
      co_await echo(ex);
    }
  });
  const auto request = [](std::string_view target) {
    return "POST " + std::string(target) +
           " HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
  };
  auto sock = rig.connect();
  ASSERT_TRUE(sock.send(request("/take")));
  EXPECT_EQ(sock.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(sock.send("ok"));
  EXPECT_THAT(sock.response(), EndsWith("POST /take ok"));
  // Whether the body follows is unknown after a refusal, so the connection ends.
  ASSERT_TRUE(sock.send(request("/refuse")));
  EXPECT_THAT(sock.response(), StartsWith("HTTP/1.1 403 "));
  EXPECT_EQ(sock.all(), "");
}

TEST(Server, UnreadBodies) {
  std::atomic<int> calls{0};
  Rig rig([&calls](Exchange& ex) -> rt::Co<void> {
    ++calls;
    (void)co_await ex.respond(text("no"));
  });
  const auto post = [](std::size_t n) {
    return "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(n) + "\r\n\r\n" +
           std::string(n, 'x');
  };
  auto sock = rig.connect();
  ASSERT_TRUE(sock.send(post(1000)));  // read away: the connection lives
  EXPECT_THAT(sock.response(), Not(HasSubstr("close")));
  ASSERT_TRUE(sock.send(post(100'000)));  // too much to read away
  EXPECT_THAT(sock.response(), HasSubstr("Connection: close\r\n"));
  EXPECT_EQ(sock.all(), "");
  // The body is never read as a next request.
  EXPECT_EQ(calls, 2);
}

TEST(Server, BodyLimitIsHeld) {
  Rig rig([](Exchange& ex) -> rt::Co<void> {
    const auto body = co_await ex.read_body(10);
    (void)co_await ex.respond({body ? 200U : 413U, {}, ""});
  });
  EXPECT_THAT(rig.talk("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789"),
              StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(rig.talk("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n0123456789a"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(rig.talk("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "a\r\n0123456789\r\n1\r\na\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
}

TEST(Server, BrokenChunksReachTheHandlerAsAnError) {
  std::atomic<int> refused{0};
  Rig rig([&refused](Exchange& ex) -> rt::Co<void> {
    const auto body = co_await ex.read_body(1000);
    if (!body && body.error().code == Errc::kMalformed) ++refused;
    (void)co_await ex.respond({400, {}, ""});
  });
  constexpr std::string_view kBodies[] = {"x\r\n",
                                          "\r\n",
                                          "5\nhello\n0\n\n",
                                          "5\r\nhello0\r\n\r\n",
                                          "-1\r\n",
                                          "0x5\r\nhello",
                                          " 5\r\nhello\r\n0\r\n\r\n",
                                          "5 \r\nhello\r\n0\r\n\r\n",
                                          "5;\x01\r\nhello",
                                          "0\r\nA B: c\r\n\r\n"};
  for (const auto body : kBodies) {
    SCOPED_TRACE(body);
    // What follows must not be served, however it is framed.
    const auto reply = rig.talk("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" +
                                std::string(body) + get("/smuggled"));
    EXPECT_THAT(reply, AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("Connection: close")));
  }
  EXPECT_EQ(rig.server.stats().handled, std::size(kBodies));
  EXPECT_EQ(refused, static_cast<int>(std::size(kBodies)));
}

TEST(Server, SlowClientsAreCut) {
  ServerLimits limits;
  limits.head_time = 50ms;
  limits.idle = 100ms;
  limits.body_time = 50ms;
  Rig rig(echo, limits);
  auto head = rig.connect();
  head.send("GET / HT");
  EXPECT_THAT(head.all(), StartsWith("HTTP/1.1 408 "));
  auto idle = rig.connect();
  EXPECT_EQ(idle.all(), "");
  auto body = rig.connect();
  body.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_THAT(body.all(), AllOf(StartsWith("HTTP/1.1 413 "), EndsWith("read timed out")));
  // A drip that keeps one timeout from firing is held by the other.
  auto drip = rig.connect();
  bool alive = true;
  for (int i = 0; i < 200 && alive; ++i) {
    alive = drip.send("a");
    std::this_thread::sleep_for(2ms);
  }
  EXPECT_THAT(drip.all(), ::testing::AnyOf(StartsWith("HTTP/1.1 408 "), ""));
  EXPECT_TRUE(eventually([&] { return rig.server.stats().connections == 0; }));
  EXPECT_GE(rig.server.stats().timed_out, 3U);
}

TEST(Server, WholeBodyHasALimitToo) {
  ServerLimits limits;
  limits.body_time = 500ms;
  limits.whole_body = 80ms;
  Rig rig(echo, limits);
  auto sock = rig.connect();
  sock.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
  for (int i = 0; i < 400; ++i) {
    if (!sock.send("a") || rig.server.stats().timed_out > 0) break;
    std::this_thread::sleep_for(2ms);
  }
  EXPECT_THAT(sock.all(), StartsWith("HTTP/1.1 413 "));
}

TEST(Server, HandlersThatFail) {
  Rig rig([](Exchange& ex) -> rt::Co<void> {
    const std::string target = ex.head().target;
    if (target == "/throw") throw std::runtime_error("own");
    if (target == "/status") {
      const auto sent = co_await ex.respond({99, {}, ""});
      EXPECT_EQ(sent.error().reason.text(), "response status");
    }
    if (target == "/split") {
      const auto sent = co_await ex.respond({200, {{"X", "a\r\nSet-Cookie: b"}}, ""});
      EXPECT_EQ(sent.error().reason.text(), "response header");
    }
    if (target == "/half") {
      EXPECT_TRUE(co_await ex.start({}));
      EXPECT_TRUE(co_await ex.write("half"));
    }
  });
  for (const auto target : {"/throw", "/nothing", "/status", "/split"}) {
    SCOPED_TRACE(target);
    EXPECT_THAT(rig.talk(get(target)),
                AllOf(StartsWith("HTTP/1.1 500 "), Not(HasSubstr("Set-Cookie"))));
  }
  // A truncated response must not look whole.
  EXPECT_THAT(rig.talk(get("/half")), Not(HasSubstr("0\r\n\r\n")));
}

TEST(Server, ContentLengthOfAStreamIsEnforced) {
  Rig rig([](Exchange& ex) -> rt::Co<void> {
    http::ResponseHead head;
    head.headers.add("Content-Length", "3");
    EXPECT_TRUE(co_await ex.start(std::move(head)));
    EXPECT_EQ((co_await ex.write("abcd")).error().reason.text(),
              "response longer than its content-length");
    EXPECT_TRUE(co_await ex.write("ab"));
    EXPECT_EQ((co_await ex.finish()).error().reason.text(),
              "response shorter than its content-length");
  });
  EXPECT_THAT(rig.talk(get("/")), Not(HasSubstr("abcd")));
}

TEST(Server, ClosesWhenAskedTo) {
  Rig rig(echo);
  EXPECT_THAT(rig.talk(get("/", "Connection: close\r\n") + get("/second")),
              AllOf(HasSubstr("Connection: close\r\n"), Not(HasSubstr("second"))));
  auto old = rig.connect();
  old.send("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
  EXPECT_THAT(old.all(), HasSubstr("Connection: close\r\n"));
}

TEST(Server, CapsConnections) {
  ServerLimits limits;
  limits.connections = 2;
  Rig rig(echo, limits);
  auto a = rig.connect(), b = rig.connect();
  a.send(get("/"));
  b.send(get("/"));
  EXPECT_THAT(a.response(), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(b.response(), StartsWith("HTTP/1.1 200 "));
  auto c = rig.connect();
  EXPECT_THAT(c.all(), AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("Retry-After: 1\r\n")));
  a.close();
  EXPECT_TRUE(eventually([&] { return rig.server.stats().connections < 2; }));
  EXPECT_THAT(rig.talk(get("/again")), StartsWith("HTTP/1.1 200 "));
}

TEST(Server, CapsConnectionsOfOneAddress) {
  ServerLimits limits;
  limits.per_ip = 1;
  Rig rig(echo, limits);
  auto a = rig.connect();
  a.send(get("/"));
  EXPECT_THAT(a.response(), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(rig.connect().all(), StartsWith("HTTP/1.1 429 "));
}

TEST(Server, CapsRequestsInProgress) {
  ServerLimits limits;
  limits.requests = 1;
  rt::SharedEvent go;
  Rig rig(
      [go](Exchange& ex) -> rt::Co<void> {
        EXPECT_TRUE(co_await go.wait());
        (void)co_await ex.respond(text("went"));
      },
      limits);
  auto a = rig.connect(), b = rig.connect();
  a.send(get("/"));
  ASSERT_TRUE(eventually([&] { return rig.server.stats().requests == 1; }));
  b.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_THAT(b.response(), AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("Retry-After: 1\r\n")));
  go.set();
  EXPECT_THAT(a.response(), EndsWith("went"));
  ASSERT_TRUE(eventually([&] { return rig.server.stats().requests == 0; }));
  b.send(get("/"));  // still open
  EXPECT_THAT(b.response(), EndsWith("went"));
  EXPECT_EQ(rig.server.stats().overloaded, 1U);
}

// --- cutting, watching

struct Waiting {
  std::atomic<int> entered{0}, left{0};
  std::atomic<int> code{0};
  std::mutex mutex;
  AbortHandle handle;
};

rt::Co<void> wait_for_gone(Exchange& ex, Waiting* w) {
  {
    const std::scoped_lock lock(w->mutex);
    w->handle = ex.abort_handle();
  }
  const auto gone = ex.gone();
  ++w->entered;
  const auto woken = co_await gone.event()->wait(rt::Deadline::in(testing::real_clock(), 5s));
  EXPECT_TRUE(woken);
  const auto sent = co_await ex.respond(text("late"));
  w->code = sent ? 0 : static_cast<int>(sent.error().code);
  ++w->left;
}

TEST(Server, SeesThatTheClientWentAway) {
  for (const bool reset : {false, true}) {
    Waiting w;
    Rig rig([&w](Exchange& ex) { return wait_for_gone(ex, &w); });
    auto sock = rig.connect();
    sock.send(get("/"));
    ASSERT_TRUE(eventually([&] { return w.entered == 1; }));
    if (reset) {
      sock.reset();
    } else {
      sock.close();
    }
    EXPECT_TRUE(eventually([&] { return w.left == 1; }));
  }
}

TEST(Server, HalfClosedClientsAreStillAnswered) {
  Waiting w;
  Rig rig([&w](Exchange& ex) { return wait_for_gone(ex, &w); });
  EXPECT_THAT(rig.talk(get("/")), EndsWith("late"));
}

TEST(Server, PipelinedBytesAreNotTakenForTheEnd) {
  std::atomic<bool> gone_early{false};
  Rig rig([&gone_early](Exchange& ex) -> rt::Co<void> {
    const auto token = ex.gone();
    co_await rt::sleep_for(30ms);
    if (token.cancelled()) gone_early = true;
    (void)co_await ex.respond(text(ex.head().target));
  });
  auto sock = rig.connect();
  sock.send(get("/1"));
  std::this_thread::sleep_for(5ms);
  sock.send(get("/2"));
  EXPECT_THAT(sock.response(), EndsWith("/1"));
  EXPECT_THAT(sock.response(), EndsWith("/2"));
  EXPECT_FALSE(gone_early);
}

TEST(Server, AbortFromAnotherThread) {
  for (int round = 0; round < 20; ++round) {
    Waiting w;
    Rig rig([&w](Exchange& ex) { return wait_for_gone(ex, &w); });
    auto sock = rig.connect();
    sock.send(get("/"));
    ASSERT_TRUE(eventually([&] { return w.entered == 1; }));
    w.handle.abort();
    EXPECT_EQ(sock.all(), "");
    EXPECT_EQ(sock.last_errno, ECONNRESET);
    ASSERT_TRUE(eventually([&] { return w.left == 1; }));
    EXPECT_EQ(w.code, static_cast<int>(Errc::kCancelled));
    EXPECT_EQ(rig.server.stats().aborted, 1U);
  }
}

TEST(Server, AbortCutsAStreamThatIsBeingWritten) {
  std::atomic<int> error{0};
  std::mutex mutex;
  AbortHandle handle;
  std::atomic<std::size_t> written{0};
  Rig rig([&](Exchange& ex) -> rt::Co<void> {
    {
      const std::scoped_lock lock(mutex);
      handle = ex.abort_handle();
    }
    EXPECT_TRUE(co_await ex.start({}));
    const std::string block(64 * 1024, 'x');
    for (;;) {
      const auto sent = co_await ex.write(block);
      if (!sent) {
        error = static_cast<int>(sent.error().code);
        co_return;
      }
      written += block.size();
    }
  });
  auto sock = rig.connect();
  sock.send(get("/"));
  // The reader reads nothing: the writer must come to a stand, in bounded memory.
  std::size_t before = 0;
  ASSERT_TRUE(eventually([&] {
    const std::size_t now = written;
    const bool still = now > 0 && now == before;
    before = now;
    std::this_thread::sleep_for(20ms);
    return still;
  }));
  EXPECT_LT(written, 16U * 1024 * 1024);
  {
    const std::scoped_lock lock(mutex);
    handle.abort();
  }
  EXPECT_TRUE(eventually([&] { return error == static_cast<int>(Errc::kCancelled); }));
}

TEST(Server, AnOldHandleDoesNotCutTheNextExchange) {
  std::mutex mutex;
  std::vector<AbortHandle> handles;
  Rig rig([&](Exchange& ex) -> rt::Co<void> {
    {
      const std::scoped_lock lock(mutex);
      handles.push_back(ex.abort_handle());
    }
    if (handles.size() > 1) {
      handles[0].abort();
      co_await rt::sleep_for(20ms);
    }
    (void)co_await ex.respond(text("ok"));
  });
  auto sock = rig.connect();
  for (int i = 0; i < 3; ++i) {
    sock.send(get("/"));
    EXPECT_THAT(sock.response(), EndsWith("ok"));
  }
  EXPECT_EQ(rig.server.stats().aborted, 0U);
}

TEST(Server, ReadsAreBackPressured) {
  rt::SharedEvent go;
  std::atomic<std::size_t> got{0};
  Rig rig([&](Exchange& ex) -> rt::Co<void> {
    EXPECT_TRUE(co_await go.wait());
    for (;;) {
      const auto piece = co_await ex.read_piece();
      EXPECT_TRUE(piece);
      if (!piece || piece->empty()) break;
      got += piece->size();
    }
    (void)co_await ex.respond(text("ok"));
  });
  auto sock = rig.connect();
  constexpr std::size_t kTotal = 64 * 1024 * 1024;
  sock.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(kTotal) + "\r\n\r\n");
  // Nobody reads yet: the kernel's buffers fill and our send stops.
  const std::string block(1 << 16, 'y');
  std::size_t sent = 0;
  for (int idle = 0; idle < 50 && sent < kTotal;) {
    const auto n = ::send(sock.fd(), block.data(), std::min(block.size(), kTotal - sent),
                          MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      sent += static_cast<std::size_t>(n);
      idle = 0;
    } else {
      ++idle;
      std::this_thread::sleep_for(2ms);
    }
  }
  EXPECT_LT(sent, kTotal);
  go.set();
  while (sent < kTotal) {
    ASSERT_TRUE(
        sock.send(std::string_view(block).substr(0, std::min(block.size(), kTotal - sent))));
    sent += std::min(block.size(), kTotal - sent);
  }
  EXPECT_THAT(sock.response(), EndsWith("ok"));
  EXPECT_EQ(got, kTotal);
}

TEST(Server, AWriterThatIsNotReadTimesOut) {
  ServerLimits limits;
  limits.write_time = 50ms;
  std::atomic<int> error{0};
  Rig rig(
      [&](Exchange& ex) -> rt::Co<void> {
        const std::string big(32 * 1024 * 1024, 'x');
        const auto sent = co_await ex.respond(text(big));
        error = sent ? -1 : static_cast<int>(sent.error().code);
      },
      limits);
  auto sock = Sock::tcp(rig.port, 4096);
  sock.send(get("/"));
  EXPECT_TRUE(eventually([&] { return error == static_cast<int>(Errc::kTimeout); })) << error;
}

// --- listening and ending

TEST(Server, UnixListenerKnowsItsPeer) {
  const auto path = ::testing::TempDir() + "stint-net-" + std::to_string(::getpid()) + ".sock";
  std::atomic<int> pid{0};
  Rig rig([&pid](Exchange& ex) -> rt::Co<void> {
    const auto& creds = ex.peer().unix_credentials;
    EXPECT_TRUE(creds.has_value());
    EXPECT_EQ(ex.peer().ip, "");
    EXPECT_EQ(creds->uid, ::getuid());
    pid = creds->pid;
    (void)co_await ex.respond(text("ok"));
  });
  ASSERT_TRUE(rig.server.listen_unix(path));
  struct stat file{};
  ASSERT_EQ(::stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777U, 0600U);
  auto sock = Sock::unix_path(path);
  sock.send(get("/"));
  EXPECT_THAT(sock.response(), EndsWith("ok"));
  EXPECT_EQ(pid, ::getpid());
  EXPECT_EQ(rig.server.listen_unix(path).error().reason.text(), "address in use");
  rig.server.stop();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Server, ReplacesADeadSocketFileAndNothingElse) {
  const auto base = ::testing::TempDir() + "stint-net-dead-" + std::to_string(::getpid());
  Rig rig(echo);
  const auto plain = base + ".txt";
  ASSERT_TRUE(std::fclose(std::fopen(plain.c_str(), "w")) == 0);
  EXPECT_EQ(rig.server.listen_unix(plain).error().reason.text(), "socket path is another file");
  EXPECT_TRUE(std::filesystem::exists(plain));
  std::filesystem::remove(plain);
  const auto dead = base + ".sock";
  {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    dead.copy(at.sun_path, sizeof at.sun_path - 1);
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    ::close(fd);
  }
  EXPECT_TRUE(rig.server.listen_unix(dead));
  EXPECT_EQ(rig.server.listen_unix(std::string(200, 'x')).error().reason.text(),
            "socket path empty or too long");
}

TEST(Server, AddressesThatCannotBeListenedOn) {
  Rig rig(echo);
  EXPECT_EQ(rig.server.listen_tcp("127.0.0.1", rig.port).error().reason.text(), "address in use");
  EXPECT_EQ(rig.server.listen_tcp("localhost", 0).error().reason.text(),
            "listen address is not numeric");
  const auto v6 = rig.server.listen_tcp("::1", 0);
  if (!v6) EXPECT_EQ(v6.error().code, Errc::kIo);  // a machine without IPv6
}

TEST(Server, DrainFinishesWhatIsInFlight) {
  rt::SharedEvent go;
  Rig rig([go](Exchange& ex) -> rt::Co<void> {
    EXPECT_TRUE(co_await go.wait());
    (void)co_await ex.respond(text("done"));
  });
  auto idle = rig.connect();
  auto busy = rig.connect();
  busy.send(get("/"));
  ASSERT_TRUE(eventually([&] { return rig.server.stats().requests == 1; }));
  ASSERT_TRUE(eventually([&] { return rig.server.stats().connections == 2; }));
  EXPECT_FALSE(rig.server.drain(30ms));
  EXPECT_EQ(idle.all(), "");  // closed, for nothing was going on
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(rig.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_NE(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);  // nobody listens
  ::close(fd);
  go.set();
  EXPECT_THAT(busy.all(), AllOf(HasSubstr("Connection: close\r\n"), EndsWith("done")));
  EXPECT_TRUE(rig.server.drain(5s));
}

TEST(Server, StopCutsAndWaitsForHandlers) {
  Waiting w;
  Rig rig([&w](Exchange& ex) { return wait_for_gone(ex, &w); });
  auto sock = rig.connect();
  sock.send(get("/"));
  ASSERT_TRUE(eventually([&] { return w.entered == 1; }));
  rig.server.stop();
  EXPECT_EQ(w.left, 1);
  EXPECT_EQ(sock.all(), "");
  rig.server.stop();
}

TEST(Server, ARuntimeThatStopsFirstLeaksNothing) {
  Waiting w;
  auto rig = std::make_unique<Rig>([&w](Exchange& ex) { return wait_for_gone(ex, &w); });
  auto busy = rig->connect(), idle = rig->connect();
  busy.send(get("/"));
  ASSERT_TRUE(eventually([&] { return w.entered == 1 && rig->server.stats().connections == 2; }));
  rig->runtime.stop();
  rig.reset();
  EXPECT_EQ(w.left, 1);  // it saw kCancelled and returned
}

}  // namespace
}  // namespace stint::net
// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)
