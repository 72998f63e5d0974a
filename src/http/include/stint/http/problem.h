#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/error.h"
#include "stint/base/id.h"
#include "stint/http/message.h"

namespace stint::http {

// What a code means to an HTTP client. `type` is the NAME of urn:stint:problem:NAME.
struct ProblemKind {
  unsigned status;
  std::string_view type;
  std::string_view title;
  bool retryable;
  std::string_view next_step;  // a sentence for whoever (or whatever agent) reads it
};
ProblemKind problem_kind(Errc code);

// RFC 9457 problem details with the members of 3-interfaces "Refusals". All members are written
// always, empty ones as null or []: clients need not ask which are there.
//
// Ownership: owns its text. What goes into `detail` is for the client: never a secret, never what
// was sent.
struct Problem {
  struct Approval {
    ApprovalId id;
    std::string url;
    std::string expires;  // RFC 3339
  };

  unsigned status = 500;
  std::string type;  // NAME; the document says urn:stint:problem:NAME
  std::string title;
  std::string detail;  // a sentence about this occurrence
  std::string reason;  // the literal that the code gave
  std::optional<TaskId> task;
  std::optional<DecisionId> decision;
  bool retryable = false;
  std::vector<std::string> next_steps;
  std::optional<Approval> approval;  // with type approval-required

  // From an Error: everything of problem_kind(), reason and detail from its literal.
  static Problem of(const Error& error);
};

std::string to_json(const Problem& problem);

// With Content-Type application/problem+json and Cache-Control no-store; Retry-After when
// `retry_after_seconds` is given.
Response to_response(const Problem& problem,
                     std::optional<unsigned> retry_after_seconds = std::nullopt);

}  // namespace stint::http
