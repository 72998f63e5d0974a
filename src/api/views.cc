#include "views.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "stint/codec/hex.h"
#include "stint/domain/json.h"
#include "stint/opening/wanted.h"

namespace stint::api {
namespace {

json::Value time(const std::optional<WallTime>& t) {
  return t ? json::Value(opening::rfc3339(*t)) : json::Value(nullptr);
}
template <class T>
json::Value or_null(const std::optional<T>& v) {
  return v ? json::Value(*v) : json::Value(nullptr);
}
json::Value or_null(const std::string& v) {
  return v.empty() ? json::Value(nullptr) : json::Value(v);
}
template <class T>
json::Value text_or_null(const std::optional<T>& v) {
  return v ? json::Value(domain::text(*v)) : json::Value(nullptr);
}
json::Array texts(const std::vector<std::string>& v) { return json::Array(v.begin(), v.end()); }

// Canonical JSON that we wrote; anything else stays text.
json::Value embedded(const std::string& text) {
  if (text.empty()) return nullptr;
  auto value = json::parse(text);
  return value ? *std::move(value) : json::Value(text);
}

json::Value field(const std::string& text) { return embedded(text); }

}  // namespace

json::Object view(const domain::Task& t) {
  const bool dpop = t.binding.kind == domain::Binding::Kind::kDpop;
  return {{"id", t.id.str()},
          {"state", domain::text(t.state)},
          {"why", text_or_null(t.why)},
          {"how", text_or_null(t.how)},
          {"purpose", t.purpose},
          {"reference", or_null(t.reference)},
          {"agent", t.agent},
          {"human", or_null(t.human)},
          {"consent", domain::text(t.consent)},
          {"acr", or_null(t.acr)},
          {"auth_time", time(t.auth_time)},
          {"cnf", json::Object{{dpop ? "jkt" : "x5t#S256", t.binding.thumbprint}}},
          {"grants", domain::to_json(t.grants)},
          {"environment", or_null(t.environment)},
          {"sensitivity", domain::text(t.ceiling)},
          {"opened", time(t.opened)},
          {"deadline", time(t.deadline)},
          {"closed", time(t.closed)},
          {"last_used", time(t.last_used)},
          {"last_present", time(t.last_present)},
          {"idle_seconds", t.idle_limit.count()},
          {"attended", t.attended},
          {"presence_seconds", t.presence_limit.count()},
          {"budget", json::Object{{"requests", or_null(t.budget.requests)},
                                  {"bytes_out", or_null(t.budget.bytes_out)}}},
          {"spend", json::Object{{"requests", t.spend.requests}, {"bytes_out", t.spend.bytes_out}}},
          {"risk", t.risk},
          {"parent", t.parent ? json::Value(t.parent->str()) : json::Value(nullptr)},
          {"depth", t.depth},
          {"version", t.version}};
}

json::Object view(const domain::Approval& a, const std::optional<domain::Task>& task) {
  json::Object out{
      {"id", a.id.str()},
      {"state", domain::text(a.state)},
      {"words", a.words},
      {"task", a.call.task.str()},
      {"call", json::Object{{"upstream", a.call.upstream},
                            {"action", a.call.action},
                            {"class", domain::text(a.call.action_class)},
                            {"resource", a.call.resource},
                            {"method", a.call.method},
                            {"target", a.call.target},
                            {"arguments", embedded(a.call.arguments)}}},
      {"digest", codec::encode_hex(std::string_view(
                     reinterpret_cast<const char*>(a.call_digest.data()), a.call_digest.size()))},
      {"groups", texts(a.groups)},
      {"four_eyes", a.four_eyes},
      {"for_task_allowed", a.for_task_allowed},
      {"requested", time(a.requested)},
      {"expires", time(a.expires)},
      {"answer", text_or_null(a.answer)},
      {"answered_by", or_null(a.answered_by)},
      {"answered", time(a.answered)},
      {"version", a.version}};
  if (task) {
    out["agent"] = task->agent;
    out["human"] = or_null(task->human);
    out["purpose"] = task->purpose;
    out["reference"] = or_null(task->reference);
  }
  return out;
}

json::Object view(const resource::PlanEntry& e) {
  json::Array changes;
  for (const auto& c : e.changes)
    changes.push_back(
        json::Object{{"field", c.field}, {"before", field(c.before)}, {"after", field(c.after)}});
  return {{"verb", resource::text(e.verb)},
          {"kind", resource::text(e.kind)},
          {"name", e.name},
          {"changes", std::move(changes)}};
}

json::Object body_of(const resource::Resource& resource) {
  auto object = json::parse_object(resource::encode(resource), {.bytes = 64 * 1024 * 1024});
  return object ? *std::move(object) : json::Object();
}

std::string event_text(const store::StoredEvent& event) {
  return "{\"seq\":" + std::to_string(event.seq) + ",\"event\":" + event.bytes + "}";
}

}  // namespace stint::api
