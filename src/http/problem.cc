#include "stint/http/problem.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "stint/codec/json.h"

namespace stint::http {
namespace {

// What a client can do, by groups of codes that ask for the same.
constexpr std::string_view kFixRequest = "Change the request; the same one will be refused again.";
constexpr std::string_view kNewToken =
    "Get a new token for this task with the task's handle, and prove possession of its key.";
constexpr std::string_view kWaitAndRetry = "Wait a moment and send the same request again.";
constexpr std::string_view kAskOperator =
    "Ask the operator: the service cannot record what it does.";
constexpr std::string_view kNewTask = "Nothing more can be done in this task; open another one.";

ProblemKind make(Errc code, unsigned status, std::string_view title, bool retryable,
                 std::string_view step) {
  return {status, name(code), title, retryable, step};
}

boost::json::value text_or_null(const std::string& text) {
  if (text.empty()) return nullptr;
  return boost::json::string(text);
}

}  // namespace

ProblemKind problem_kind(Errc c) {
  switch (c) {  // no default: a new code does not compile until it is placed here
    case Errc::kMalformed:
      return make(c, 400, "Malformed request", false, kFixRequest);
    case Errc::kTooLarge:
      return make(c, 413, "Too large", false, kFixRequest);
    case Errc::kBadSignature:
      return make(c, 401, "Signature does not verify", false, kNewToken);
    case Errc::kExpired:
      return make(c, 401, "Expired", false, kNewToken);
    case Errc::kWrongAudience:
      return make(c, 401, "Meant for another service", false, kNewToken);
    case Errc::kDenied:
      return make(c, 403, "Denied", false,
                  "Run `stint why` with the decision's id to see what would have to change.");
    case Errc::kStale:
      return make(c, 503, "State too old to decide on", true, kWaitAndRetry);
    case Errc::kUnavailable:
      return make(c, 503, "Unavailable", true, kWaitAndRetry);
    case Errc::kNotFound:
      return make(c, 404, "Not found", false, kFixRequest);
    case Errc::kConflict:
      return make(c, 409, "Conflict", false, "Read the present state and decide anew.");
    case Errc::kUnsupported:
      return make(c, 400, "Not supported", false, kFixRequest);
    case Errc::kReplayed:
      return make(c, 401, "Used before", false, "Make a new proof: each is good once.");
    case Errc::kNotYetValid:
      return make(c, 401, "Not yet valid", false, "Check the clock of the machine that signed.");
    case Errc::kWrongIssuer:
      return make(c, 401, "Unknown issuer", false, kNewToken);
    case Errc::kWrongKey:
      return make(c, 401, "Another key", false, kNewToken);
    case Errc::kWrongType:
      return make(c, 401, "Another kind of token", false, kNewToken);
    case Errc::kLimit:
      return make(c, 429, "Limit reached", true, kWaitAndRetry);
    case Errc::kTaskClosed:
      return make(c, 401, "Task closed", false, kNewTask);
    case Errc::kTaskPaused:
      return make(c, 403, "Task paused", true,
                  "Wait until the cause is gone, or ask for the task to be resumed.");
    case Errc::kTimeout:
      return make(c, 504, "Timed out", true, kWaitAndRetry);
    case Errc::kCancelled:
      return make(c, 503, "Cancelled", true, kWaitAndRetry);
    case Errc::kIo:
      return make(c, 503, "Storage failed", true, kAskOperator);
    case Errc::kStorageFull:
      return make(c, 503, "Storage full", true, kAskOperator);
    case Errc::kReadOnly:
      return make(c, 503, "Storage is read-only", true, kAskOperator);
    case Errc::kInternal:
      return make(c, 500, "Internal error", false, "Report it with the decision's id.");
    case Errc::kUnauthenticated:
      return make(c, 401, "Not authenticated", false, "Send the task's token and a DPoP proof.");
    case Errc::kNonceRequired:
      return make(c, 401, "Nonce required", true,
                  "Repeat with the nonce of the DPoP-Nonce header in the proof.");
    case Errc::kMissing:
      return make(c, 400, "Something required is missing", false, kFixRequest);
    case Errc::kUnknownKey:
      return make(c, 400, "Unknown member", false, kFixRequest);
    case Errc::kWrongMethod:
      return make(c, 405, "Wrong method", false, kFixRequest);
    case Errc::kWrongTarget:
      return make(c, 400, "Wrong target", false, kFixRequest);
    case Errc::kRevoked:
      return make(c, 401, "Revoked", false,
                  "Ask for a new token; when that is refused too, open a new task.");
    case Errc::kApprovalRequired:
      return make(c, 403, "Approval required", true,
                  "Wait for the approval, then send exactly the same request once.");
    case Errc::kPreconditionFailed:
      return make(c, 412, "Precondition failed", false, "Read the present state and decide anew.");
    case Errc::kGone:
      return make(c, 410, "No longer kept", false, "Begin anew with the present state.");
  }
  __builtin_trap();
}

Problem Problem::of(const Error& error) {
  const ProblemKind kind = problem_kind(error.code);
  Problem out;
  out.status = kind.status;
  out.type = kind.type;
  out.title = kind.title;
  out.detail = error.reason.text();
  out.reason = error.reason.text();
  out.retryable = kind.retryable;
  out.next_steps.emplace_back(kind.next_step);
  return out;
}

std::string to_json(const Problem& p) {
  boost::json::array steps;
  for (const std::string& s : p.next_steps) steps.emplace_back(boost::json::string(s));
  boost::json::object o;
  o["type"] = "urn:stint:problem:" + p.type;
  o["title"] = p.title;
  o["status"] = p.status;
  o["detail"] = text_or_null(p.detail);
  o["reason"] = text_or_null(p.reason);
  o["task"] = p.task ? boost::json::value(p.task->str()) : boost::json::value(nullptr);
  o["decision"] = p.decision ? boost::json::value(p.decision->str()) : boost::json::value(nullptr);
  o["retryable"] = p.retryable;
  o["next_steps"] = std::move(steps);
  if (p.approval)
    o["approval"] = boost::json::object{
        {"id", p.approval->id.str()}, {"url", p.approval->url}, {"expires", p.approval->expires}};
  return json::write(o);
}

Response to_response(const Problem& problem, std::optional<unsigned> retry_after_seconds) {
  Response out;
  out.status = problem.status;
  out.headers.add("Content-Type", "application/problem+json");
  out.headers.add("Cache-Control", "no-store");
  if (retry_after_seconds) out.headers.add("Retry-After", std::to_string(*retry_after_seconds));
  out.body = to_json(problem);
  return out;
}

}  // namespace stint::http
