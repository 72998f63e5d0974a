#pragma once

#include <expected>
#include <string>
#include <vector>

#include "exit.h"
#include "stint/base/error.h"
#include "stint/http/message.h"

namespace stint::cli {

// Why a verb could not do its work, in the words that the server gave: a problem document (RFC
// 9457), an OAuth error (RFC 6749 section 5.2), or what went wrong before any answer.
struct Failure {
  Exit exit = Exit::kRefused;
  unsigned status = 0;  // 0: no answer
  std::string title, detail, reason, type, task, decision, approval;
  std::vector<std::string> next_steps;

  static Failure of(const Error& error, std::string what);
  static Failure local(std::string title, std::string detail = "");
  static Failure usage(std::string title, std::string detail = "");
  // Of a response that is not 2xx. Text from the server is shown, control characters replaced.
  static Failure of_response(const http::Response& response);
};

template <class T>
using Outcome = std::expected<T, Failure>;

// Nothing that moves a terminal's cursor or colours it: control characters become '?', except line
// feed and tab. What a server or an agent wrote goes to people only through here.
std::string printable(std::string_view text);

}  // namespace stint::cli
