#include "stint/opening/wanted.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "stint/codec/json.h"
#include "stint/domain/json.h"

namespace stint::opening {
namespace {

using std::chrono::seconds;

// Longer than any task, short enough that no arithmetic on it overflows.
constexpr std::int64_t kMostSeconds = 366LL * 24 * 3600;
constexpr seconds kDefaultPresence{30};
constexpr json::Limits kLimits{.bytes = 64 * 1024, .depth = 8};

Result<std::optional<seconds>> seconds_at(const json::Object& o, std::string_view key) {
  const auto n = STINT_TRY(json::optional_int_at(o, key));
  if (!n) return std::optional<seconds>();
  if (*n < 0 || *n > kMostSeconds)
    return fail(Errc::kMalformed, "a number of seconds is out of range");
  return std::optional(seconds(*n));
}

Result<std::string> text_at(const json::Object& o, std::string_view key) {
  const auto s = STINT_TRY(json::optional_string_at(o, key));
  return std::string(s.value_or(""));
}

// "ttl" in seconds, or "deadline" as a time; not both, which could contradict each other.
Result<std::optional<seconds>> life_of(const json::Object& o, WallTime now) {
  const auto ttl = STINT_TRY(seconds_at(o, "ttl"));
  const auto deadline = STINT_TRY(json::optional_string_at(o, "deadline"));
  if (!deadline) return ttl;
  if (ttl) return fail(Errc::kMalformed, "deadline and ttl exclude each other");
  const WallTime at = STINT_TRY(parse_rfc3339(*deadline));
  if (at <= now) return fail(Errc::kExpired, "the deadline has passed");
  return std::optional(std::chrono::floor<seconds>(at - now));
}

Result<domain::Budget> budget_of(const json::Object& o) {
  const json::Object* const b = STINT_TRY(json::optional_object_at(o, "budget"));
  domain::Budget out;
  if (b == nullptr) return out;
  STINT_TRY(json::only_keys(*b, {"requests", "bytes_out"}));
  out.requests = STINT_TRY(json::optional_int_at(*b, "requests"));
  out.bytes_out = STINT_TRY(json::optional_int_at(*b, "bytes_out"));
  return out;
}

// What the task object and the API's body share; `idle` and `presence` are their names for these.
Result<Wanted> common(const json::Object& o, WallTime now, std::string_view idle,
                      std::string_view presence) {
  Wanted w{.purpose = std::string(STINT_TRY(json::string_at(o, "purpose"))),
           .reference = STINT_TRY(text_at(o, "reference")),
           .environment = STINT_TRY(text_at(o, "environment")),
           .life = STINT_TRY(life_of(o, now)),
           .idle_limit = STINT_TRY(seconds_at(o, idle)).value_or(seconds(0)),
           .attended = STINT_TRY(json::optional_bool_at(o, "attended")).value_or(false),
           .presence_limit = STINT_TRY(seconds_at(o, presence)).value_or(seconds(0)),
           .budget = STINT_TRY(budget_of(o))};
  if (const auto s = STINT_TRY(json::optional_string_at(o, "sensitivity")))
    w.ceiling = STINT_TRY(domain::parse_sensitivity(*s));
  if (w.attended && w.presence_limit == seconds(0)) w.presence_limit = kDefaultPresence;
  return w;
}

Result<json::Array> array_of(std::string_view text) {
  auto value = STINT_TRY(json::parse(text, kLimits));
  if (!value.is_array()) return fail(Errc::kMalformed, "authorization_details is not an array");
  return std::move(value.get_array());
}

Result<std::string_view> type_of(const json::Value& v) {
  if (!v.is_object()) return fail(Errc::kMalformed, "authorization_details holds a non-object");
  return json::string_at(v.get_object(), "type");
}

}  // namespace

Result<Wanted> parse_details(std::string_view array, WallTime now) {
  const auto details = STINT_TRY(array_of(array));
  std::optional<Wanted> wanted;
  std::vector<domain::Grant> grants;
  for (const json::Value& v : details) {
    const std::string_view type = STINT_TRY(type_of(v));
    if (type == "stint_grant") {
      grants.push_back(STINT_TRY(domain::grant_from_json(v)));
    } else if (type == "stint_task") {
      if (wanted)
        return fail(Errc::kMalformed, "authorization_details holds two stint_task objects");
      const json::Object& o = v.get_object();
      STINT_TRY(
          json::only_keys(o, {"type", "purpose", "reference", "deadline", "ttl", "environment",
                              "idle", "attended", "presence", "sensitivity", "budget"}));
      wanted = STINT_TRY(common(o, now, "idle", "presence"));
    } else {
      return fail(Errc::kUnknownKey, "authorization_details type is not known here");
    }
  }
  if (!wanted) return fail(Errc::kMissing, "authorization_details needs a stint_task object");
  if (grants.empty())
    return fail(Errc::kMissing, "authorization_details needs a stint_grant object");
  wanted->grants = STINT_TRY(domain::normalise(std::move(grants)));
  return *std::move(wanted);
}

Result<std::vector<domain::Grant>> parse_narrowing(std::string_view array) {
  const auto details = STINT_TRY(array_of(array));
  std::vector<domain::Grant> grants;
  for (const json::Value& v : details) {
    if (STINT_TRY(type_of(v)) != "stint_grant")
      return fail(Errc::kUnknownKey, "a refresh takes stint_grant objects alone");
    grants.push_back(STINT_TRY(domain::grant_from_json(v)));
  }
  if (grants.empty()) return fail(Errc::kMissing, "authorization_details is empty");
  return domain::normalise(std::move(grants));
}

Result<Wanted> parse_body(const json::Object& body, WallTime now) {
  STINT_TRY(json::only_keys(
      body, {"purpose", "reference", "deadline", "ttl", "environment", "idle_seconds", "attended",
             "presence_seconds", "sensitivity", "budget", "grants"}));
  Wanted w = STINT_TRY(common(body, now, "idle_seconds", "presence_seconds"));
  for (const json::Value& v : *STINT_TRY(json::array_at(body, "grants"))) {
    if (!v.is_object()) return fail(Errc::kMalformed, "a grant is an object");
    json::Object grant = v.get_object();
    if (!grant.contains("type")) grant["type"] = "stint_grant";  // the array says what they are
    w.grants.push_back(STINT_TRY(domain::grant_from_json(json::Value(std::move(grant)))));
  }
  if (w.grants.empty()) return fail(Errc::kMissing, "a task needs at least one grant");
  w.grants = STINT_TRY(domain::normalise(std::move(w.grants)));
  return w;
}

Status check_known(const std::vector<domain::Grant>& grants,
                   const authority::Directory& directory) {
  for (const domain::Grant& g : grants) {
    const auto* upstream = directory.upstream(g.upstream);
    if (upstream == nullptr) return fail(Errc::kNotFound, "a grant names an unknown upstream");
    for (const std::string& action : g.actions)
      if (std::ranges::find(upstream->actions, action, &resource::ActionRule::action) ==
          upstream->actions.end())
        return fail(Errc::kNotFound, "a grant names an unknown action");
  }
  return {};
}

json::Array granted_details(const domain::Task& task, std::span<const domain::Grant> grants) {
  json::Object t{{"type", "stint_task"},
                 {"id", task.id.str()},
                 {"purpose", task.purpose},
                 {"opened", rfc3339(task.opened)},
                 {"deadline", rfc3339(task.deadline)}};
  if (!task.reference.empty()) t["reference"] = task.reference;
  if (!task.environment.empty()) t["environment"] = task.environment;
  if (task.idle_limit > seconds(0)) t["idle"] = task.idle_limit.count();
  if (task.attended) {
    t["attended"] = true;
    t["presence"] = task.presence_limit.count();
  }
  t["sensitivity"] = domain::text(task.ceiling);
  if (task.budget.requests || task.budget.bytes_out) {
    json::Object budget;
    if (task.budget.requests) budget["requests"] = *task.budget.requests;
    if (task.budget.bytes_out) budget["bytes_out"] = *task.budget.bytes_out;
    t["budget"] = std::move(budget);
  }
  if (task.parent) t["parent"] = task.parent->str();
  json::Array out = domain::to_json(grants);
  out.insert(out.begin(), std::move(t));
  return out;
}

}  // namespace stint::opening
