#include "terminal.h"

#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdio>

#include "files.h"
#include "stint/codec/json.h"

namespace stint::cli {
namespace {

// Echo off for its life.
class Quiet {
 public:
  Quiet() {
    ok_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
    termios now = before_;
    now.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ok_ = ok_ && ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &now) == 0;
  }
  ~Quiet() {
    if (ok_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;
  bool ok() const { return ok_; }

 private:
  termios before_{};
  bool ok_ = false;
};

// Reads a byte at a time: what follows the line stays for others.
bool read_line(std::string& out, std::size_t limit) {
  out.reserve(limit);
  char c = 0;
  while (out.size() < limit) {
    const ssize_t n = ::read(STDIN_FILENO, &c, 1);
    if (n <= 0) return !out.empty();
    if (c == '\n') return true;
    out.push_back(c);
  }
  return false;
}

}  // namespace

void Terminal::say(std::string_view words) const { fmt::print(stderr, "{}\n", words); }

void Terminal::data(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Terminal::json(const boost::json::object& o) const { data(stint::json::write(o) + "\n"); }
void Terminal::json(const boost::json::value& v) const { data(stint::json::write(v) + "\n"); }

bool Terminal::interactive() const {
  return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
}

bool Terminal::confirm(std::string_view question) const {
  if (!interactive()) {
    say(fmt::format("{} There is no terminal to ask at: say --yes.", question));
    return false;
  }
  fmt::print(stderr, "{} [y/N] ", question);
  std::string answer;
  return read_line(answer, 64) && (answer == "y" || answer == "Y" || answer == "yes");
}

Outcome<std::string> Terminal::ask_secret(std::string_view prompt) const {
  if (!interactive())
    return std::unexpected(Failure::usage("there is no terminal to ask for the value at",
                                          "use a file or stdin as the credential's source"));
  const Quiet quiet;
  if (!quiet.ok())
    return std::unexpected(Failure::local("the terminal's echo cannot be turned off"));
  fmt::print(stderr, "{}: ", prompt);
  std::string value;
  const bool whole = read_line(value, 64 * 1024);
  fmt::print(stderr, "\n");
  if (whole) return value;
  wipe(value);
  return std::unexpected(Failure::local("no value was given"));
}

Outcome<Secret> Terminal::ask_new_secret(std::string_view prompt) const {
  auto first = ask_secret(prompt);
  if (!first) return std::unexpected(first.error());
  Secret secret(*std::move(first));
  auto again = ask_secret(fmt::format("{}, again", prompt));
  if (!again) return std::unexpected(again.error());
  const WipeAtEnd wiped(*again);
  if (!secret.matches(*again))
    return std::unexpected(Failure::local("the two differ: nothing was done"));
  return secret;
}

boost::json::object to_json(const Failure& f) {
  return {{"ok", false},
          {"status", f.status},
          {"type", f.type},
          {"title", f.title},
          {"detail", f.detail},
          {"reason", f.reason},
          {"task", f.task},
          {"decision", f.decision},
          {"approval", f.approval},
          {"retryable", f.exit == Exit::kTryAgain},
          {"next_steps", boost::json::array(f.next_steps.begin(), f.next_steps.end())}};
}

Exit Terminal::failed(const Failure& f, bool as_json) const {
  if (as_json) {
    json(to_json(f));
    return f.exit;
  }
  say(fmt::format("stint: {}", f.title));
  if (!f.detail.empty() && f.detail != f.title) say("  " + f.detail);
  if (!f.reason.empty() && f.reason != f.detail) say("  reason: " + f.reason);
  if (!f.approval.empty()) say("  approval: " + f.approval);
  if (!f.decision.empty()) say("  decision: " + f.decision + " (stint why " + f.decision + ")");
  for (const std::string& s : f.next_steps) say("  next: " + s);
  return f.exit;
}

Exit Terminal::usage(std::string_view words) const {
  say(fmt::format("stint: {}", words));
  return Exit::kUsage;
}

}  // namespace stint::cli
