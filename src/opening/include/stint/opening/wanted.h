#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/authority/directory.h"
#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/domain/grant.h"
#include "stint/domain/task.h"

namespace stint::opening {

// What a client asks for. Who it is, for whom, and its key are not in here: Opener adds what was
// verified.
struct Wanted {
  std::string purpose, reference, environment;  // environment "": the agent's own
  std::optional<std::chrono::seconds> life;     // none: the default
  std::chrono::seconds idle_limit{0};
  bool attended = false;
  std::chrono::seconds presence_limit{0};  // attended and 0: 30 s
  std::optional<domain::Sensitivity> ceiling;
  domain::Budget budget;
  std::vector<domain::Grant> grants;
};

// Threads: any. Limits: 64 KiB of text, domain's GrantLimits. All strict: an unknown type, member
// or value is refused, never passed over (RFC 9396 section 5), but that names exist is known only
// to check_known().
//
// An RFC 9396 array with exactly one object of type "stint_task" {purpose, reference, deadline (RFC
// 3339) or ttl (seconds), environment, idle (seconds), attended, presence (seconds), sensitivity,
// budget: {requests, bytes_out}} and one or more of type "stint_grant" {upstream, actions,
// resources, exclusive}. Errors: those of json::parse, kMissing "authorization_details: …",
// kUnknownKey, kMalformed, kTooLarge, kExpired "authorization_details: deadline has passed".
Result<Wanted> parse_details(std::string_view array, WallTime now);
// A refresh: objects of type "stint_grant" alone.
Result<std::vector<domain::Grant>> parse_narrowing(std::string_view array);
// The members of POST /v1/tasks: the same, with "idle_seconds", "presence_seconds" and "grants": an
// array of {upstream, actions, resources, exclusive}. `body` has no other members: take out
// `resource`, `subject_token`, `client_assertion`, `client_assertion_type` first.
Result<Wanted> parse_body(const boost::json::object& body, WallTime now);

// Errors: kNotFound "a grant names an unknown upstream", "a grant names an unknown action".
Status check_known(const std::vector<domain::Grant>& grants, const authority::Directory& directory);

// What was granted, for the response: the stint_task object with "id" and the real "deadline", then
// `grants` (the task's, or those of one token). An authorization_details array.
boost::json::array granted_details(const domain::Task& task, std::span<const domain::Grant> grants);

// RFC 3339 in UTC with milliseconds, "Z"; and its reading (any offset). Errors: kMalformed.
std::string rfc3339(WallTime t);
Result<WallTime> parse_rfc3339(std::string_view text);

}  // namespace stint::opening
