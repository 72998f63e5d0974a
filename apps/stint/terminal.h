#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "exit.h"
#include "failure.h"
#include "stint/base/secret.h"

namespace stint::cli {

// Where a verb speaks: data on stdout, words for people on stderr.
// Threads: one. Ownership: none. Errors: a closed stdout is the caller's business, as for any tool.
class Terminal {
 public:
  void say(std::string_view words) const;         // stderr, with a line feed
  void data(std::string_view text) const;         // stdout, as it is
  void json(const boost::json::object& o) const;  // stdout, one line
  void json(const boost::json::value& v) const;

  // False without a terminal: a script says --yes, silence never does.
  bool confirm(std::string_view question) const;
  // One line typed with the echo off. Errors: no terminal.
  Outcome<std::string> ask_secret(std::string_view prompt) const;
  // The same, twice, for what cannot be looked up afterwards. Errors: also that they differ.
  Outcome<Secret> ask_new_secret(std::string_view prompt) const;
  bool interactive() const;  // stdin and stderr are terminals

  // Says what failed: title, detail, reason, next steps; or the whole of it as JSON.
  Exit failed(const Failure& failure, bool as_json = false) const;
  Exit usage(std::string_view words) const;
};

// As --json says it.
boost::json::object to_json(const Failure& failure);

}  // namespace stint::cli
