#include "stint/domain/json.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "stint/codec/hex.h"
#include "stint/codec/json.h"

namespace stint::domain {
namespace {

using json::Object;
using std::chrono::seconds;

constexpr json::Limits kStored{.bytes = 512 * 1024, .depth = 16};

json::Array array_of(const std::vector<std::string>& v) {
  json::Array out;
  out.reserve(v.size());
  for (const auto& s : v) out.emplace_back(s);
  return out;
}

// Reads members one after the other and keeps the first error: the fields below stay a table.
class Reader {
 public:
  explicit Reader(const Object& object) : object_(object) {}

  std::string str(std::string_view key) { return std::string(take(json::string_at(object_, key))); }
  std::int64_t num(std::string_view key) { return take(json::int_at(object_, key)); }
  bool flag(std::string_view key) { return take(json::bool_at(object_, key)); }
  WallTime time(std::string_view key) { return from_unix_millis(num(key)); }
  std::optional<std::string> maybe_str(std::string_view key) {
    const auto v = take(json::optional_string_at(object_, key));
    return v ? std::optional(std::string(*v)) : std::nullopt;
  }
  std::optional<std::int64_t> maybe_num(std::string_view key) {
    return take(json::optional_int_at(object_, key));
  }
  std::optional<WallTime> maybe_time(std::string_view key) {
    const auto v = maybe_num(key);
    return v ? std::optional(from_unix_millis(*v)) : std::nullopt;
  }
  std::vector<std::string> list(std::string_view key) {
    const auto* a = take(json::array_at(object_, key));
    return a != nullptr ? take(json::strings(*a)) : std::vector<std::string>();
  }
  const Object* object(std::string_view key) { return take(json::object_at(object_, key)); }
  const json::Array* array(std::string_view key) { return take(json::array_at(object_, key)); }

  template <class T>
  T take(Result<T> r) {
    if (r) return *std::move(r);
    if (!error_) error_ = r.error();
    return T{};
  }
  // An id or enum, which has no empty value: the first error leaves a nullopt.
  template <class T>
  std::optional<T> take_maybe(Result<T> r) {
    if (r) return *std::move(r);
    if (!error_) error_ = r.error();
    return std::nullopt;
  }
  Status status() const { return error_ ? Status(std::unexpected(*error_)) : Status(); }

 private:
  const Object& object_;
  std::optional<Error> error_;
};

void put(Object& o, std::string_view key, const std::optional<std::int64_t>& v) {
  if (v) o[key] = *v;
}
void put(Object& o, std::string_view key, const std::optional<WallTime>& v) {
  if (v) o[key] = unix_millis(*v);
}

Object to_json(const Budget& b) {
  Object o;
  put(o, "requests", b.requests);
  put(o, "bytes_out", b.bytes_out);
  return o;
}

Result<Budget> budget_from(const Object& o) {
  STINT_TRY(json::only_keys(o, {"requests", "bytes_out"}));
  Reader r(o);
  Budget b{.requests = r.maybe_num("requests"), .bytes_out = r.maybe_num("bytes_out")};
  STINT_TRY(r.status());
  return b;
}

Result<std::vector<Grant>> grants_from(const json::Array& a) {
  std::vector<Grant> out;
  out.reserve(a.size());
  for (const auto& v : a) out.push_back(STINT_TRY(grant_from_json(v)));
  return out;
}

Result<Call> call_from(const Object& o) {
  STINT_TRY(json::only_keys(
      o, {"task", "upstream", "action", "class", "resource", "method", "target", "arguments"}));
  Reader r(o);
  const auto task = r.take_maybe(TaskId::parse(r.str("task")));
  const auto action_class = r.take_maybe(parse_action_class(r.str("class")));
  std::string upstream = r.str("upstream"), action = r.str("action"), resource = r.str("resource"),
              method = r.str("method"), target = r.str("target"), arguments = r.str("arguments");
  STINT_TRY(r.status());
  return Call{*task,
              std::move(upstream),
              std::move(action),
              *action_class,
              std::move(resource),
              std::move(method),
              std::move(target),
              std::move(arguments)};
}

Status read_state(Reader& r, Task& t) {
  const auto state = r.take_maybe(parse_state(r.str("state")));
  if (const auto why = r.maybe_str("why")) t.why = r.take_maybe(parse_why(*why));
  if (const auto how = r.maybe_str("how")) t.how = r.take_maybe(parse_how(*how));
  t.closed = r.maybe_time("closed");
  if (state) t.state = *state;
  STINT_TRY(r.status());
  // A row that says two things at once was not written by us.
  if (t.why.has_value() != (t.state == State::kPaused) ||
      t.how.has_value() != (t.state == State::kClosed) || t.how.has_value() != t.closed.has_value())
    return fail(Errc::kMalformed, "task state contradicts itself");
  return {};
}

Result<Binding> binding_from(const Object& o) {
  STINT_TRY(json::only_keys(o, {"jkt", "x5t#S256"}));
  if (o.size() != 1) return fail(Errc::kMalformed, "binding needs one key");
  Reader r(o);
  if (o.contains("jkt")) {
    Binding b{Binding::Kind::kDpop, r.str("jkt")};
    STINT_TRY(r.status());
    return b;
  }
  Binding b{Binding::Kind::kCertificate, r.str("x5t#S256")};
  STINT_TRY(r.status());
  return b;
}

}  // namespace

json::Object to_json(const Grant& grant) {
  json::Object o{
      {"type", "stint_grant"}, {"upstream", grant.upstream}, {"actions", array_of(grant.actions)}};
  if (!grant.resources.empty()) o["resources"] = array_of(grant.resources);
  if (grant.exclusive) o["exclusive"] = true;
  return o;
}

json::Array to_json(std::span<const Grant> grants) {
  json::Array out;
  out.reserve(grants.size());
  for (const Grant& g : grants) out.push_back(to_json(g));
  return out;
}

Result<Grant> grant_from_json(const json::Value& value) {
  if (!value.is_object()) return fail(Errc::kMalformed, "a grant is an object");
  const auto& o = value.get_object();
  STINT_TRY(json::only_keys(o, {"type", "upstream", "actions", "resources", "exclusive"}));
  Reader r(o);
  if (r.str("type") != "stint_grant" && r.status()) return fail(Errc::kMalformed, "grant type");
  Grant g{.upstream = r.str("upstream"), .actions = r.list("actions")};
  if (o.contains("resources")) {
    g.resources = r.list("resources");
    // [] would read as "none" to a person and means "all" here: say it by leaving it out.
    if (g.resources.empty()) return fail(Errc::kMalformed, "grant with an empty resource list");
  }
  if (o.contains("exclusive")) g.exclusive = r.flag("exclusive");
  STINT_TRY(r.status());
  return g;
}

Result<std::vector<Grant>> decode_grants(std::string_view array) {
  if (array.empty()) return std::vector<Grant>();
  const auto value = STINT_TRY(json::parse(array, kStored));
  if (!value.is_array()) return fail(Errc::kMalformed, "grants are an array");
  return grants_from(value.get_array());
}

json::Object to_json(const Call& call) {
  return {{"task", call.task.str()},   {"upstream", call.upstream},
          {"action", call.action},     {"class", text(call.action_class)},
          {"resource", call.resource}, {"method", call.method},
          {"target", call.target},     {"arguments", call.arguments}};
}

std::string encode(const Task& t) {
  Object o{{"id", t.id.str()},
           {"purpose", t.purpose},
           {"reference", t.reference},
           {"agent", t.agent},
           {"cnf",
            {{t.binding.kind == Binding::Kind::kDpop ? "jkt" : "x5t#S256", t.binding.thumbprint}}},
           {"consent", text(t.consent)},
           {"acr", t.acr},
           {"grants", to_json(std::span(t.grants))},
           {"environment", t.environment},
           {"ceiling", text(t.ceiling)},
           {"opened", unix_millis(t.opened)},
           {"deadline", unix_millis(t.deadline)},
           {"idle_limit", t.idle_limit.count()},
           {"attended", t.attended},
           {"presence_limit", t.presence_limit.count()},
           {"budget", to_json(t.budget)},
           {"spent_requests", t.spend.requests},
           {"spent_bytes_out", t.spend.bytes_out},
           {"risk", t.risk},
           {"depth", t.depth},
           {"state", text(t.state)},
           {"last_used", unix_millis(t.last_used)},
           {"last_present", unix_millis(t.last_present)},
           {"version", static_cast<std::int64_t>(t.version)}};
  if (t.human) o["human"] = *t.human;
  put(o, "auth_time", t.auth_time);
  if (t.parent) o["parent"] = t.parent->str();
  if (t.why) o["why"] = text(*t.why);
  if (t.how) o["how"] = text(*t.how);
  put(o, "closed", t.closed);
  return json::write(o);
}

Result<Task> decode_task(std::string_view body) {
  const Object o = STINT_TRY(json::parse_object(body, kStored));
  STINT_TRY(json::only_keys(o, {"id",
                                "purpose",
                                "reference",
                                "agent",
                                "cnf",
                                "consent",
                                "acr",
                                "grants",
                                "environment",
                                "ceiling",
                                "opened",
                                "deadline",
                                "idle_limit",
                                "attended",
                                "presence_limit",
                                "budget",
                                "spent_requests",
                                "spent_bytes_out",
                                "risk",
                                "depth",
                                "state",
                                "last_used",
                                "last_present",
                                "version",
                                "human",
                                "auth_time",
                                "parent",
                                "why",
                                "how",
                                "closed"}));
  Reader r(o);
  const auto id = r.take_maybe(TaskId::parse(r.str("id")));
  const auto consent = r.take_maybe(parse_consent(r.str("consent")));
  const auto ceiling = r.take_maybe(parse_sensitivity(r.str("ceiling")));
  const Object* cnf = r.object("cnf");
  const Object* budget = r.object("budget");
  const json::Array* grants = r.array("grants");
  STINT_TRY(r.status());

  Task t{.id = *id,
         .purpose = r.str("purpose"),
         .reference = r.str("reference"),
         .agent = r.str("agent"),
         .binding = STINT_TRY(binding_from(*cnf)),
         .human = r.maybe_str("human"),
         .consent = *consent,
         .acr = r.str("acr"),
         .auth_time = r.maybe_time("auth_time"),
         .grants = STINT_TRY(grants_from(*grants)),
         .environment = r.str("environment"),
         .ceiling = *ceiling,
         .opened = r.time("opened"),
         .deadline = r.time("deadline"),
         .idle_limit = seconds(r.num("idle_limit")),
         .attended = r.flag("attended"),
         .presence_limit = seconds(r.num("presence_limit")),
         .budget = STINT_TRY(budget_from(*budget)),
         .spend = {r.num("spent_requests"), r.num("spent_bytes_out")},
         .risk = static_cast<int>(r.num("risk")),
         .depth = static_cast<int>(r.num("depth")),
         .last_used = r.time("last_used"),
         .last_present = r.time("last_present"),
         .version = static_cast<std::uint64_t>(r.num("version"))};
  if (const auto parent = r.maybe_str("parent")) t.parent = r.take_maybe(TaskId::parse(*parent));
  STINT_TRY(read_state(r, t));
  STINT_TRY(r.status());
  return t;
}

std::string encode(const Approval& a) {
  Object o{{"id", a.id.str()},
           {"call", to_json(a.call)},
           {"digest", codec::encode_hex(crypto::view(a.call_digest))},
           {"words", a.words},
           {"groups", array_of(a.groups)},
           {"four_eyes", a.four_eyes},
           {"for_task_allowed", a.for_task_allowed},
           {"requested", unix_millis(a.requested)},
           {"expires", unix_millis(a.expires)},
           {"state", text(a.state)},
           {"answered_by", a.answered_by},
           {"version", static_cast<std::int64_t>(a.version)}};
  if (a.answer) o["answer"] = text(*a.answer);
  put(o, "answered", a.answered);
  return json::write(o);
}

Result<Approval> decode_approval(std::string_view body) {
  const Object o = STINT_TRY(json::parse_object(body, kStored));
  STINT_TRY(json::only_keys(
      o, {"id", "call", "digest", "words", "groups", "four_eyes", "for_task_allowed", "requested",
          "expires", "state", "answered_by", "version", "answer", "answered"}));
  Reader r(o);
  const auto id = r.take_maybe(ApprovalId::parse(r.str("id")));
  const auto state = r.take_maybe(parse_approval_state(r.str("state")));
  const Object* call = r.object("call");
  STINT_TRY(r.status());
  Approval a{.id = *id,
             .call = STINT_TRY(call_from(*call)),
             .words = r.str("words"),
             .groups = r.list("groups"),
             .four_eyes = r.flag("four_eyes"),
             .for_task_allowed = r.flag("for_task_allowed"),
             .requested = r.time("requested"),
             .expires = r.time("expires"),
             .state = *state,
             .answered_by = r.str("answered_by"),
             .answered = r.maybe_time("answered"),
             .version = static_cast<std::uint64_t>(r.num("version"))};
  a.call_digest = digest(a.call);
  if (const auto answer = r.maybe_str("answer")) a.answer = r.take_maybe(parse_answer(*answer));
  // Bound to its call at rest too: a row whose digest does not match its call opens nothing.
  if (r.str("digest") != codec::encode_hex(crypto::view(a.call_digest)) && r.status())
    return fail(Errc::kMalformed, "approval digest");
  STINT_TRY(r.status());
  return a;
}

}  // namespace stint::domain
