#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/codec/json.h"
#include "stint/domain/approval.h"
#include "stint/domain/task.h"
#include "stint/resource/diff.h"
#include "stint/resource/resource.h"
#include "stint/store/event.h"

// What the API writes. Times are RFC 3339 in UTC; what is not there is null.
namespace stint::api {

json::Object view(const domain::Task& task);
// `task`: whose call it is, so that an approver sees who wants what for whom.
json::Object view(const domain::Approval& approval, const std::optional<domain::Task>& task);
json::Object view(const resource::PlanEntry& entry);
// The resource's stored form, as an object.
json::Object body_of(const resource::Resource& resource);

// {"seq":N,"event":{…}}, with the event's own bytes.
std::string event_text(const store::StoredEvent& event);

}  // namespace stint::api
