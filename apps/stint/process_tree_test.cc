#include "process_tree.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace stint::cli {
namespace {

TEST(ProcessStat, TheParentIsReadBehindAnyName) {
  EXPECT_EQ(parent_in_stat("12 (sh) S 7 12 12 0 -1"), 7);
  EXPECT_EQ(parent_in_stat("12 (a) S 1 (b) R 9 1"),
            9);  // a name may hold "(b) R"… from the last ')'
  EXPECT_EQ(parent_in_stat("12 (x ) y) Z 44 1"), 44);
  EXPECT_EQ(parent_in_stat("12 (sh"), std::nullopt);
  EXPECT_EQ(parent_in_stat("12 (sh)"), std::nullopt);
  EXPECT_EQ(parent_in_stat(""), std::nullopt);
}

constexpr std::string_view kTable =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n"
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 "
    "1 0\n"
    "   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 "
    "4711 1\n"
    "   2: 0100007F:C351 0100007F:1F90 06 00000000:00000000 00:00000000 00000000     0        0 0 "
    "1 0\n"
    "   3: 0200007F:C352 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 99 "
    "1 0\n";

TEST(SocketInode, FindsTheVeryConnection) {
  EXPECT_EQ(socket_inode(kTable, 50000, 8080), 4711U);
  EXPECT_EQ(socket_inode(kTable, 8080, 50000), std::nullopt) << "ends exchanged";
  EXPECT_EQ(socket_inode(kTable, 50001, 8080), std::nullopt) << "held by nobody any more";
  EXPECT_EQ(socket_inode(kTable, 50002, 8080), std::nullopt) << "another loopback address";
  EXPECT_EQ(socket_inode(kTable, 50003, 8080), std::nullopt) << "not there";
  EXPECT_EQ(socket_inode("", 1, 2), std::nullopt);
  EXPECT_EQ(socket_inode("heading\n 1: short\n", 1, 2), std::nullopt);
}

TEST(Descends, WalksUpAndNeverCountsItself) {
  const std::map<int, int> parents{{10, 1}, {11, 10}, {12, 11}, {20, 1}, {30, 31}, {31, 30}};
  EXPECT_TRUE(descends(11, 10, parents));
  EXPECT_TRUE(descends(12, 10, parents));
  EXPECT_FALSE(descends(10, 10, parents));
  EXPECT_FALSE(descends(20, 10, parents));
  EXPECT_FALSE(descends(99, 10, parents));
  EXPECT_FALSE(descends(30, 10, parents)) << "a loop ends";
}

struct Socket {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ~Socket() {
    if (fd >= 0) ::close(fd);
  }
};

std::uint16_t port_of(int fd) {
  sockaddr_in a{};
  socklen_t n = sizeof a;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &n);
  return ntohs(a.sin_port);
}

// A process of ours that connects, tells its port and waits to be ended.
TEST(ProcessTree, TellsAChildsConnectionFromOthers) {
  const Socket listener;
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(listener.fd, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(::listen(listener.fd, 8), 0);
  at.sin_port = htons(port_of(listener.fd));
  int told[2];
  ASSERT_EQ(::pipe(told), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) ::_exit(1);
    const std::uint16_t port = port_of(fd);
    if (::write(told[1], &port, sizeof port) != sizeof port) ::_exit(1);
    for (;;) ::pause();
  }
  std::uint16_t port = 0;
  ASSERT_EQ(::read(told[0], &port, sizeof port), static_cast<ssize_t>(sizeof port));
  const std::uint16_t ours = ntohs(at.sin_port);
  ProcessTree tree(::getpid());
  EXPECT_TRUE(tree.holds(port, ours));
  EXPECT_TRUE(tree.holds(port, ours)) << "and again, from memory";
  ProcessTree of_child(child);
  EXPECT_FALSE(of_child.holds(port, ours)) << "the root itself does not count";

  const Socket mine;  // of this process: not a descendant of itself
  ASSERT_EQ(::connect(mine.fd, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  EXPECT_FALSE(tree.holds(port_of(mine.fd), ours));

  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(tree.holds(port, ours)) << "nobody holds it now";
  ::close(told[0]);
  ::close(told[1]);
}

}  // namespace
}  // namespace stint::cli
