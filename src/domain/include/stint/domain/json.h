#pragma once

#include <boost/json/fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/domain/approval.h"
#include "stint/domain/task.h"

// The stored and wire forms. Reading is strict: an unknown, missing or ill-typed member is an
// error, since what we wrote ourselves can only differ when something is wrong.
namespace stint::domain {

boost::json::object to_json(const Grant& grant);  // {"type":"stint_grant",…}, RFC 9396
boost::json::array to_json(std::span<const Grant> grants);
Result<Grant> grant_from_json(const boost::json::value& value);
// A JSON array of grants as text: the claim `authorization_details`. "" is none.
Result<std::vector<Grant>> decode_grants(std::string_view array);

boost::json::object to_json(const Call& call);

std::string encode(const Task& task);
Result<Task> decode_task(std::string_view body);
std::string encode(const Approval& approval);
Result<Approval> decode_approval(std::string_view body);

}  // namespace stint::domain
