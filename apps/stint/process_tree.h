#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

namespace stint::cli {

// The number after ") <state> " in /proc/PID/stat: the parent. A command's name may hold anything,
// brackets and spaces too, so it is read from the last ')'.
std::optional<int> parent_in_stat(std::string_view stat);

// The inode of the socket whose local end is 127.0.0.1:`local` and whose remote end is
// 127.0.0.1:`remote`, from the text of /proc/net/tcp. 0 and absent: nobody holds it.
std::optional<std::uint64_t> socket_inode(std::string_view proc_net_tcp, std::uint16_t local,
                                          std::uint16_t remote);

// Whether `pid` descends from `root`, by the parents given (pid -> parent). Not of itself.
bool descends(int pid, int root, const std::map<int, int>& parents);

// Says whether the other end of a loopback connection is held by a process that descends from
// `root`, and by nobody of another user. Reads /proc; a process whose files cannot be read counts
// as foreign. Answers are kept by the socket's inode, which is not used twice while the machine
// runs long enough to matter (2^32 sockets), never by its port, which is.
//
// Threads: one. Blocking: on /proc; ~0.1 ms for a known socket, a walk over all processes for a new
// one. Limits: 4,096 known sockets.
class ProcessTree {
 public:
  explicit ProcessTree(int root) : root_(root) {}
  bool holds(std::uint16_t peer_port, std::uint16_t our_port);

 private:
  bool someone_holds(std::uint64_t inode) const;
  int root_;
  std::unordered_set<std::uint64_t> known_;
};

}  // namespace stint::cli
