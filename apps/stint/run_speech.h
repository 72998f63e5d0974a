#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "terminal.h"

namespace stint::cli {

// What `stint run` says of its task, on stderr: stdout is its command's. Words for people, or with
// --json one object a line with a member "event": opened, environment, note, over, failed, ended.
// Threads: one. Ownership: borrows the terminal.
class RunSpeech {
 public:
  enum class Form : std::uint8_t { kWords, kJson };
  RunSpeech(const Terminal& io, Form form, bool quiet) : io_(io), form_(form), quiet_(quiet) {}

  void opened(std::string_view task, std::string_view deadline, std::chrono::seconds idle) const;
  // Variables of the command that look like secrets; `kept`: it does not get them.
  void environment(const std::vector<std::string>& secrets, bool kept) const;
  void note(std::string_view text) const;     // not when quiet
  void warning(std::string_view text) const;  // always
  void ended(std::string_view task, std::string_view how) const;
  // Before its command: said once, and the command goes on.
  void over(const Failure& why) const;
  Exit failed(const Failure& why) const;

 private:
  bool json() const { return form_ == Form::kJson; }
  const Terminal& io_;
  Form form_;
  bool quiet_;
};

}  // namespace stint::cli
