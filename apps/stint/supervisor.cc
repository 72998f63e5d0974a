#include "supervisor.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>

namespace stint::cli {
namespace {

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value <= 0) return std::nullopt;
  return value;
}

}  // namespace

Supervisor::Supervisor(std::string socket, std::string_view watchdog_usec,
                       std::string_view watchdog_pid, pid_t self)
    : socket_(std::move(socket)) {
  const bool ours = watchdog_pid.empty() || whole_number(watchdog_pid) == std::int64_t{self};
  const auto patience = whole_number(watchdog_usec);
  if (!ours || !patience) return;
  const std::chrono::milliseconds third(*patience / 3000);
  beat_ = std::max(third, std::chrono::milliseconds(1));
}

Status Supervisor::tell(std::string_view message) const {
  if (socket_.empty()) return {};
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  const bool abstract = socket_.front() == '@';
  // A path needs its closing zero; an abstract name begins with one and has none at its end.
  const std::size_t room = sizeof to.sun_path - (abstract ? 0 : 1);
  if ((!abstract && socket_.front() != '/') || socket_.size() < 2 || socket_.size() > room)
    return fail(Errc::kMalformed, "NOTIFY_SOCKET names no socket");
  socket_.copy(to.sun_path, socket_.size());
  if (abstract) to.sun_path[0] = '\0';
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size() + (abstract ? 0 : 1));
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(Errc::kIo, "the service manager cannot be told");
  ssize_t sent = -1;
  do {
    sent = ::sendto(fd, message.data(), message.size(), MSG_NOSIGNAL,
                    reinterpret_cast<const sockaddr*>(&to), size);
  } while (sent < 0 && errno == EINTR);
  ::close(fd);
  if (sent != static_cast<ssize_t>(message.size()))
    return fail(Errc::kIo, "the service manager cannot be told");
  return {};
}

std::string stopping(std::chrono::seconds within) {
  return fmt::format("STOPPING=1\nEXTEND_TIMEOUT_USEC={}",
                     std::chrono::duration_cast<std::chrono::microseconds>(within).count());
}

}  // namespace stint::cli
