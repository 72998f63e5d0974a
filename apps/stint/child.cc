#include "child.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace stint::cli {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const std::string& t : texts) out.push_back(const_cast<char*>(t.c_str()));
  out.push_back(nullptr);
  return out;
}

std::string path_in(const std::vector<std::string>& env) {
  for (const std::string& e : env)
    if (e.starts_with("PATH=")) return e.substr(5);
  return "/usr/local/bin:/usr/bin:/bin";
}

// Where execvpe would look. Before the fork: afterwards only what a signal handler may do is safe.
std::vector<std::string> candidates(const std::string& command, const std::string& path) {
  if (command.find('/') != std::string::npos) return {command};
  std::vector<std::string> out;
  std::size_t at = 0;
  while (at <= path.size()) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string folder = path.substr(at, end - at);
    out.push_back((folder.empty() ? "." : folder) + "/" + command);
    at = end + 1;
  }
  return out;
}

std::vector<int> open_files() {
  std::vector<int> out;
  DIR* const dir = ::opendir("/proc/self/fd");
  if (dir == nullptr) return out;
  while (const dirent* e = ::readdir(dir))
    if (e->d_name[0] != '.' && std::atoi(e->d_name) != ::dirfd(dir))
      out.push_back(std::atoi(e->d_name));
  ::closedir(dir);
  std::ranges::sort(out);
  return out;
}

}  // namespace

// In the forked child: only system calls. Sockets that libraries open are not all close-on-exec.
void Child::close_what_is_ours() const {
  unsigned from = STDERR_FILENO + 1;
  for (const int fd : given_) {
    if (fd < static_cast<int>(from)) continue;
    if (static_cast<unsigned>(fd) > from)
      ::close_range(from, static_cast<unsigned>(fd) - 1, CLOSE_RANGE_CLOEXEC);
    from = static_cast<unsigned>(fd) + 1;
  }
  ::close_range(from, ~0U, CLOSE_RANGE_CLOEXEC);
}

Child::Child() : given_(open_files()) {
  ::sigemptyset(&handled_);
  for (const int s : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGCHLD}) ::sigaddset(&handled_, s);
  ::pthread_sigmask(SIG_BLOCK, &handled_, &before_);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

Outcome<void> Child::start(const std::vector<std::string>& argv,
                           const std::vector<std::string>& env) {
  const auto files = candidates(argv.front(), path_in(env));
  const auto arguments = pointers(argv), variables = pointers(env);
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return std::unexpected(Failure::local("cannot make a pipe"));
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (::getppid() != parent) ::_exit(125);  // it died before the line above
    ::signal(SIGPIPE, SIG_DFL);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    close_what_is_ours();
    int error = ENOENT;
    for (const std::string& file : files) {
      ::execve(file.c_str(), arguments.data(), variables.data());
      if (errno != ENOENT && errno != ENOTDIR) error = errno;
    }
    [[maybe_unused]] const ssize_t n = ::write(report[1], &error, sizeof error);
    ::_exit(error == ENOENT ? 127 : 126);
  }
  ::close(report[1]);
  int error = 0;
  const bool failed =
      pid_ < 0 || ::read(report[0], &error, sizeof error) == static_cast<ssize_t>(sizeof error);
  ::close(report[0]);
  if (!failed) return {};
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  return std::unexpected(
      Failure::local(fmt::format("cannot run {}", argv.front()),
                     pid_ < 0 ? "no further process can be started" : std::strerror(error)));
}

bool Child::reap(int& status) const {
  bool ended = false;
  int s = 0;
  pid_t who = 0;
  while ((who = ::waitpid(-1, &s, WNOHANG)) > 0) {
    if (who != pid_) continue;  // an orphan that came to us
    ended = true;
    status = WIFSIGNALED(s) ? 128 + WTERMSIG(s) : WEXITSTATUS(s);
  }
  return ended;
}

int Child::supervise(std::chrono::milliseconds every, const std::function<void()>& tick) {
  const timespec pause{static_cast<time_t>(every.count() / 1000),
                       static_cast<long>(every.count() % 1000) * 1'000'000};
  int status = 0;
  for (;;) {
    if (reap(status)) return status;
    siginfo_t info{};
    const int got = ::sigtimedwait(&handled_, &info, &pause);
    if (got == SIGCHLD) continue;
    if (got < 0) {
      if (errno == EAGAIN) tick();
      continue;
    }
    // SI_KERNEL: from the terminal, which told the child as well.
    if (info.si_code != SI_KERNEL) ::kill(pid_, got);
  }
}

}  // namespace stint::cli
