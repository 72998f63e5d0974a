// A socket stands in for the service manager; what it hears is compared byte by byte.
#include "supervisor.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>

#include "stint/testkit/temp_dir.h"

namespace stint::cli {
namespace {

using namespace std::chrono_literals;

// Listens as a service manager does; `name` as in $NOTIFY_SOCKET.
class Manager {
 public:
  explicit Manager(const std::string& name) : fd_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    name.copy(at.sun_path, name.size());
    if (name.front() == '@') at.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    if (::bind(fd_, reinterpret_cast<const sockaddr*>(&at), size) != 0) std::abort();
  }
  ~Manager() { ::close(fd_); }
  Manager(const Manager&) = delete;

  std::string hears() const {  // "" when nothing was said
    char text[256];
    const ssize_t n = ::recv(fd_, text, sizeof text, MSG_DONTWAIT);
    return n < 0 ? "" : std::string(text, static_cast<std::size_t>(n));
  }

 private:
  int fd_;
};

Supervisor told_at(std::string socket) { return {std::move(socket), "", "", 1}; }

TEST(Supervisor, TellsAtAPath) {
  const testkit::TempDir dir;
  const Manager manager(dir.file("notify"));
  ASSERT_TRUE(told_at(dir.file("notify")).tell("READY=1"));
  EXPECT_EQ(manager.hears(), "READY=1");
  EXPECT_EQ(manager.hears(), "");
}

TEST(Supervisor, TellsAtAnAbstractName) {
  const std::string name = "@stint-supervisor-test-" + std::to_string(::getpid());
  const Manager manager(name);
  ASSERT_TRUE(told_at(name).tell("WATCHDOG=1"));
  EXPECT_EQ(manager.hears(), "WATCHDOG=1");
}

TEST(Supervisor, NobodyToTellIsNoError) { EXPECT_TRUE(told_at("").tell("READY=1")); }

TEST(Supervisor, SaysWhenItCouldNotTell) {
  const testkit::TempDir dir;
  const std::string long_name(sizeof(sockaddr_un::sun_path), 'x');
  struct Row {
    std::string socket;
    std::string_view reason;
  };
  const Row rows[] = {
      {"relative", "NOTIFY_SOCKET names no socket"},
      {"/", "NOTIFY_SOCKET names no socket"},
      {"@", "NOTIFY_SOCKET names no socket"},
      {"/" + long_name, "NOTIFY_SOCKET names no socket"},
      {"@" + long_name, "NOTIFY_SOCKET names no socket"},
      {dir.file("nobody-listens"), "the service manager cannot be told"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.socket);
    const auto told = told_at(row.socket).tell("READY=1");
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error().reason.text(), row.reason);
  }
}

TEST(Supervisor, BeatsAThirdOfTheWatchdogsPatience) {
  struct Row {
    const char *usec, *pid;
    std::optional<std::chrono::milliseconds> beat;
  };
  const Row rows[] = {
      {"60000000", "4711", 20s},
      {"60000000", "", 20s},
      {"1", "", 1ms},
      {"", "", std::nullopt},
      {"0", "", std::nullopt},
      {"-3", "", std::nullopt},
      {"60s", "", std::nullopt},
      {"999999999999999999999", "", std::nullopt},
      {"60000000", "4712", std::nullopt},
      {"60000000", "x", std::nullopt},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(row.usec) + " of " + row.pid);
    EXPECT_EQ(Supervisor("", row.usec, row.pid, 4711).beat(), row.beat);
  }
}

TEST(Supervisor, StoppingAsksForTheTimeItMayTake) {
  EXPECT_EQ(stopping(45s), "STOPPING=1\nEXTEND_TIMEOUT_USEC=45000000");
}

}  // namespace
}  // namespace stint::cli
