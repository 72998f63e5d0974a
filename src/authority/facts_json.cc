#include "facts_json.h"

#include <algorithm>
#include <map>
#include <string>

#include "stint/codec/json.h"

namespace stint::authority {
namespace {

using audit::SortedWriter;

// A map is sorted by bytes: for ASCII names that is RFC 8785's order, and names of routes are
// ASCII.
std::string arguments_text(const std::map<std::string, std::string>& arguments) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  std::string out = "{";
  for (const auto& [key, value] : arguments) {
    if (!std::ranges::all_of(key, is_ascii)) {
      json::Object tree;
      for (const auto& [name, text] : arguments) tree[name] = text;
      return json::canonical(tree);
    }
    if (out.size() > 1) out += ',';
    audit::append_json_string(out, key);
    out += ':';
    audit::append_json_string(out, value);
  }
  return out + '}';
}

void put_request(SortedWriter& w, const policy::RequestFacts& r) {
  w.begin("request");
  if (!r.arguments.empty()) w.add_raw("arguments", arguments_text(r.arguments));
  w.add("fresh_proof", r.fresh_proof);
  w.add("hour", r.hour);
  w.add("ip", r.ip);
  w.add("method", r.method);
  w.add("minute", r.minute);
  w.add("path", r.path);
  w.add("weekday", r.weekday);
  w.end();
}

void put_task(SortedWriter& w, const policy::TaskFacts& t) {
  w.begin("task");
  w.add("age_seconds", t.age_seconds);
  w.add("attended", t.attended);
  w.add("autonomous", t.autonomous);
  if (t.bytes_left) w.add("bytes_left", *t.bytes_left);
  w.add("ceiling", t.ceiling);
  w.add("depth", t.depth);
  w.add("environment", t.environment);
  w.add("grants", t.grants);
  w.add("id", t.id);
  w.add("inherits_human_read", t.inherits_human_read);
  w.add("life_seconds", t.life_seconds);
  w.add("purpose", t.purpose);
  w.add("reference", t.reference);
  if (t.requests_left) w.add("requests_left", *t.requests_left);
  w.end();
}

// Missing members take their defaults: facts of an older release stay readable.
class Reader {
 public:
  explicit Reader(const json::Object* o) : o_(o) {}
  void get(std::string_view key, std::string& out) const {
    if (const auto* v = find(key); v != nullptr && v->is_string()) out = v->get_string().c_str();
  }
  void get(std::string_view key, std::int64_t& out) const {
    if (const auto* v = find(key); v != nullptr && v->is_int64()) out = v->get_int64();
  }
  void get(std::string_view key, std::optional<std::int64_t>& out) const {
    if (const auto* v = find(key); v != nullptr && v->is_int64()) out = v->get_int64();
  }
  void get(std::string_view key, bool& out) const {
    if (const auto* v = find(key); v != nullptr && v->is_bool()) out = v->get_bool();
  }
  void get(std::string_view key, std::vector<std::string>& out) const {
    if (const auto* v = find(key); v != nullptr && v->is_array())
      if (auto list = json::strings(v->get_array())) out = *std::move(list);
  }
  const json::Object* object(std::string_view key) const {
    const auto* v = find(key);
    return v != nullptr && v->is_object() ? &v->get_object() : nullptr;
  }

 private:
  const json::Value* find(std::string_view key) const {
    return o_ != nullptr ? o_->if_contains(key) : nullptr;
  }
  const json::Object* o_;
};

policy::Operation operation_of(std::string_view text) {
  for (const auto op :
       {policy::Operation::kOpen, policy::Operation::kDelegate, policy::Operation::kMint})
    if (policy::text(op) == text) return op;
  return policy::Operation::kCall;
}

void put_facts(SortedWriter& w, const policy::Facts& f) {
  w.add("action", f.action);
  w.begin("agent");
  w.add("labels", f.agent.labels);
  w.add("name", f.agent.name);
  w.add("owner", f.agent.owner);
  w.add("status", f.agent.status);
  w.end();
  if (f.approval && f.approval->granted) {
    w.begin("approval");
    w.add("age_seconds", f.approval->age_seconds);
    w.add("by", f.approval->by);
    w.add("four_eyes", f.approval->four_eyes);
    w.add("granted", true);
    w.end();
  }
  w.add("class", f.action_class);
  w.add("granted", f.granted);
  if (f.human) {
    w.begin("human");
    w.add("groups", f.human->groups);
    w.add("id", f.human->id);
    w.add("present", f.human->present);
    w.end();
  }
  w.add("operation", policy::text(f.operation));
  put_request(w, f.request);
  w.add("resource", f.resource);
  w.add("risk", f.risk.score);
  put_task(w, f.task);
  w.begin("upstream");
  w.add("kind", f.upstream.kind);
  w.add("labels", f.upstream.labels);
  w.add("name", f.upstream.name);
  w.add("sensitivity", f.upstream.sensitivity);
  w.end();
}

}  // namespace

audit::Canonical facts_to_json(const policy::Facts& f) {
  return SortedWriter::object([&](SortedWriter& w) { put_facts(w, f); });
}

Result<policy::Facts> facts_from_json(std::string_view text) {
  const json::Object o = STINT_TRY(json::parse_object(text));
  const Reader top(&o);
  policy::Facts f;
  std::string operation;
  top.get("operation", operation);
  f.operation = operation_of(operation);
  top.get("action", f.action);
  top.get("class", f.action_class);
  top.get("granted", f.granted);
  top.get("resource", f.resource);
  top.get("risk", f.risk.score);

  const Reader agent(top.object("agent"));
  agent.get("name", f.agent.name);
  agent.get("owner", f.agent.owner);
  agent.get("status", f.agent.status);
  agent.get("labels", f.agent.labels);

  const Reader upstream(top.object("upstream"));
  upstream.get("name", f.upstream.name);
  upstream.get("kind", f.upstream.kind);
  upstream.get("sensitivity", f.upstream.sensitivity);
  upstream.get("labels", f.upstream.labels);

  const Reader task(top.object("task"));
  task.get("id", f.task.id);
  task.get("purpose", f.task.purpose);
  task.get("reference", f.task.reference);
  task.get("environment", f.task.environment);
  task.get("ceiling", f.task.ceiling);
  task.get("age_seconds", f.task.age_seconds);
  task.get("life_seconds", f.task.life_seconds);
  task.get("depth", f.task.depth);
  task.get("attended", f.task.attended);
  task.get("autonomous", f.task.autonomous);
  task.get("inherits_human_read", f.task.inherits_human_read);
  task.get("requests_left", f.task.requests_left);
  task.get("bytes_left", f.task.bytes_left);
  task.get("grants", f.task.grants);

  const Reader request(top.object("request"));
  request.get("ip", f.request.ip);
  request.get("method", f.request.method);
  request.get("path", f.request.path);
  request.get("weekday", f.request.weekday);
  request.get("hour", f.request.hour);
  request.get("minute", f.request.minute);
  request.get("fresh_proof", f.request.fresh_proof);
  if (const auto* o_request = top.object("request"))
    if (const auto* arguments = Reader(o_request).object("arguments"))
      for (const auto& [key, value] : *arguments)
        if (value.is_string()) f.request.arguments[key] = value.get_string().c_str();

  if (const auto* h = top.object("human")) {
    policy::HumanFacts human;
    const Reader r(h);
    r.get("id", human.id);
    r.get("groups", human.groups);
    r.get("present", human.present);
    f.human = std::move(human);
  }
  if (const auto* a = top.object("approval")) {
    const Reader r(a);
    r.get("granted", f.approval->granted);
    r.get("by", f.approval->by);
    r.get("age_seconds", f.approval->age_seconds);
    r.get("four_eyes", f.approval->four_eyes);
  }
  return f;
}

}  // namespace stint::authority
