#include "process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <memory>
#include <vector>

namespace stint::cli {
namespace {

struct CloseDir {
  void operator()(DIR* d) const { ::closedir(d); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

std::string read_proc(const std::string& path) {
  std::string out;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return out;
  char buffer[16 * 1024];
  ssize_t n = 0;
  while ((n = ::read(fd, buffer, sizeof buffer)) > 0) {
    out.append(buffer, static_cast<std::size_t>(n));
    if (out.size() > 16 * 1024 * 1024) break;
  }
  ::close(fd);
  return out;
}

std::vector<int> numbers_in(const std::string& path) {
  std::vector<int> out;
  const Dir dir(::opendir(path.c_str()));
  if (!dir) return out;
  while (const dirent* e = ::readdir(dir.get())) {
    const std::string_view name(e->d_name);
    int n = 0;
    const auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), n);
    if (ec == std::errc() && end == name.data() + name.size()) out.push_back(n);
  }
  return out;
}

bool has_socket(int pid, std::uint64_t inode) {
  const std::string wanted = fmt::format("socket:[{}]", inode);
  const std::string folder = fmt::format("/proc/{}/fd", pid);
  for (const int fd : numbers_in(folder)) {
    char link[64];
    const ssize_t n = ::readlink(fmt::format("{}/{}", folder, fd).c_str(), link, sizeof link);
    if (n > 0 && std::string_view(link, static_cast<std::size_t>(n)) == wanted) return true;
  }
  return false;
}

// "0100007F:1F90": an address as the kernel writes it, and a port, both hexadecimal.
std::optional<std::uint16_t> loopback_port(std::string_view text) {
  if (text.size() != 13 || !text.starts_with("0100007F:")) return std::nullopt;
  std::uint16_t port = 0;
  const auto [end, ec] = std::from_chars(text.data() + 9, text.data() + 13, port, 16);
  if (ec != std::errc() || end != text.data() + 13) return std::nullopt;
  return port;
}

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> out;
  std::size_t at = 0;
  while ((at = line.find_first_not_of(' ', at)) != std::string_view::npos) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    out.push_back(line.substr(at, end - at));
    at = end;
  }
  return out;
}

}  // namespace

std::optional<int> parent_in_stat(std::string_view stat) {
  const std::size_t bracket = stat.rfind(')');
  if (bracket == std::string_view::npos || bracket + 4 >= stat.size()) return std::nullopt;
  const std::string_view rest = stat.substr(bracket + 4);  // ") S "
  int parent = 0;
  const auto [end, ec] = std::from_chars(rest.data(), rest.data() + rest.size(), parent);
  if (ec != std::errc()) return std::nullopt;
  return parent;
}

std::optional<std::uint64_t> socket_inode(std::string_view text, std::uint16_t local,
                                          std::uint16_t remote) {
  std::size_t at = text.find('\n');  // the first line is a heading
  while (at != std::string_view::npos && at + 1 < text.size()) {
    const std::size_t end = text.find('\n', at + 1);
    const auto line = text.substr(at + 1, end == std::string_view::npos ? end : end - at - 1);
    at = end;
    const auto w = words(line);
    if (w.size() < 10 || loopback_port(w[1]) != local || loopback_port(w[2]) != remote) continue;
    std::uint64_t inode = 0;
    const auto [stop, ec] = std::from_chars(w[9].data(), w[9].data() + w[9].size(), inode);
    if (ec != std::errc() || inode == 0) return std::nullopt;
    return inode;
  }
  return std::nullopt;
}

bool descends(int pid, int root, const std::map<int, int>& parents) {
  for (int steps = 0; steps < 4096; ++steps) {  // a loop cannot be, but costs nothing to survive
    const auto found = parents.find(pid);
    if (found == parents.end() || found->second <= 1)
      return found != parents.end() && found->second == root;
    if (found->second == root) return true;
    pid = found->second;
  }
  return false;
}

bool ProcessTree::someone_holds(std::uint64_t inode) const {
  std::map<int, int> parents;
  for (const int pid : numbers_in("/proc"))
    if (const auto parent = parent_in_stat(read_proc(fmt::format("/proc/{}/stat", pid))))
      parents.emplace(pid, *parent);
  for (const auto& [pid, parent] : parents)
    if (descends(pid, root_, parents) && has_socket(pid, inode)) return true;
  return false;
}

bool ProcessTree::holds(std::uint16_t peer_port, std::uint16_t our_port) {
  const auto inode = socket_inode(read_proc("/proc/net/tcp"), peer_port, our_port);
  if (!inode) return false;
  if (known_.contains(*inode)) return true;
  if (!someone_holds(*inode)) return false;
  if (known_.size() >= 4096) known_.clear();
  known_.insert(*inode);
  return true;
}

}  // namespace stint::cli
