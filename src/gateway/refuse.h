#pragma once

#include <optional>
#include <span>
#include <string>

#include "stint/authority/types.h"
#include "stint/base/error.h"
#include "stint/http/git.h"
#include "stint/http/message.h"

namespace stint::gateway {

// Why a decided call did not go through, in the form that its client reads: a problem document, or
// git's own words.
struct Refused {
  http::Response response;
  bool drain = false;  // git reads the answer to a push only after it has sent all of it
  std::optional<Error> challenge;  // a 401: what WWW-Authenticate says
};

// Decisions that were no permit: one, or one for each part of a push. A deny among them speaks for
// all, since no approval would help. `issuer` gives the approvals' address.
Refused refuse(std::span<const authority::Verdict> verdicts, TaskId task, const std::string& issuer,
               const std::optional<http::GitCall>& git, const http::ReceivePackRequest* push);

// Anything else, after authentication.
Refused refuse(const Error& error, std::optional<TaskId> task,
               const std::optional<http::GitCall>& git, const http::ReceivePackRequest* push);

}  // namespace stint::gateway
