#include "stint/policy/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <initializer_list>
#include <set>
#include <span>
#include <utility>

#include "stint/codec/nearest.h"
#include "stint/codec/yaml.h"

namespace stint::policy {
namespace {

using yaml::Node;

// Where a key's value goes; false: the value has the wrong form.
struct Key {
  std::string_view name;
  std::function<bool(const Node&)> set;
};

class Parser {
 public:
  explicit Parser(std::string_view file) : file_(file) {}

  void problem(const Node& at, std::string message) {
    problems_.push_back({std::string(file_), static_cast<std::size_t>(at.line),
                         static_cast<std::size_t>(at.column), std::move(message)});
  }

  void map(const Node& node, const char* what, std::initializer_list<Key> keys) {
    if (!node.is_map()) return problem(node, fmt::format("{} must be a map", what));
    for (const auto& [name, value] : node.map) {
      const auto key = std::ranges::find(keys, name.scalar, &Key::name);
      if (key == keys.end()) {
        std::vector<std::string_view> known;
        for (const Key& k : keys) known.push_back(k.name);
        const std::string_view near = codec::nearest(name.scalar, known);
        problem(name, fmt::format("unknown key `{}`{}", name.scalar,
                                  near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
      } else if (!key->set(value)) {
        problem(value, fmt::format("`{}` has the wrong form", name.scalar));
      }
    }
  }

  void facts(const Node& node, Facts& f);
  void row(const Node& node, const Facts& base);
  Table parse(std::string_view text);

 private:
  std::string_view file_;
  std::vector<PolicyProblem> problems_;
  std::vector<Row> rows_;
  std::set<std::string> names_;
};

// One setter for each form of value.
bool read(const Node& n, std::string& out) {
  if (n.is_scalar()) out = n.scalar;
  return n.is_scalar();
}
bool read(const Node& n, bool& out) {
  const auto value = yaml::as_bool(n);
  if (value) out = *value;
  return value.has_value();
}
bool read(const Node& n, std::int64_t& out) {
  const auto value = yaml::as_int(n);
  if (value) out = *value;
  return value.has_value();
}
bool read(const Node& n, std::optional<std::int64_t>& out) {
  if (n.is_null()) {
    out.reset();
    return true;
  }
  return read(n, out.emplace());
}
bool read(const Node& n, std::vector<std::string>& out) {
  if (!n.is_sequence() || !std::ranges::all_of(n.seq, &Node::is_scalar)) return false;
  out.clear();
  for (const Node& item : n.seq) out.push_back(item.scalar);
  return true;
}
bool read(const Node& n, std::map<std::string, std::string>& out) {
  const auto plain = [](const yaml::Member& m) { return m.value.is_scalar(); };
  if (!n.is_map() || !std::ranges::all_of(n.map, plain)) return false;
  out.clear();
  for (const auto& [name, value] : n.map) out[name.scalar] = value.scalar;
  return true;
}
bool read(const Node& n, Outcome& out) {
  for (const Outcome o : {Outcome::kPermit, Outcome::kDeny, Outcome::kAsk}) {
    if (n.is_scalar() && n.scalar == text(o)) {
      out = o;
      return true;
    }
  }
  return false;
}
bool read(const Node& n, Operation& out) {
  for (const Operation o :
       {Operation::kCall, Operation::kOpen, Operation::kDelegate, Operation::kMint}) {
    if (n.is_scalar() && n.scalar == text(o)) {
      out = o;
      return true;
    }
  }
  return false;
}

template <class T>
Key to(std::string_view name, T& out) {
  return {name, [&out](const Node& n) { return read(n, out); }};
}
// A value that is also marked as given.
template <class T>
Key to(std::string_view name, T& out, bool& given) {
  return {name, [&out, &given](const Node& n) {
            given = true;
            return read(n, out);
          }};
}
// null takes the whole record away.
template <class T, class Members>
Key record(std::string_view name, std::optional<T>& out, Members members) {
  return {name, [&out, members](const Node& n) {
            if (n.is_null()) {
              out.reset();
            } else {
              if (!out) out.emplace();
              members(n, *out);
            }
            return true;
          }};
}
template <class T, class Members>
Key record(std::string_view name, T& out, Members members) {
  return {name, [&out, members](const Node& n) {
            members(n, out);
            return true;
          }};
}

void Parser::facts(const Node& node, Facts& f) {
  const auto task = [this](const Node& n, TaskFacts& t) {
    map(n, "task",
        {to("id", t.id), to("purpose", t.purpose), to("reference", t.reference),
         to("environment", t.environment), to("ceiling", t.ceiling), to("age", t.age_seconds),
         to("life", t.life_seconds), to("depth", t.depth), to("attended", t.attended),
         to("autonomous", t.autonomous), to("inherits_human_read", t.inherits_human_read),
         to("requests_left", t.requests_left), to("bytes_left", t.bytes_left),
         to("grants", t.grants)});
  };
  const auto human = [this](const Node& n, HumanFacts& h) {
    map(n, "human", {to("id", h.id), to("groups", h.groups), to("present", h.present)});
  };
  const auto agent = [this](const Node& n, AgentFacts& a) {
    map(n, "agent",
        {to("name", a.name), to("owner", a.owner), to("status", a.status), to("labels", a.labels)});
  };
  const auto upstream = [this](const Node& n, UpstreamFacts& u) {
    map(n, "upstream",
        {to("name", u.name), to("kind", u.kind), to("sensitivity", u.sensitivity),
         to("labels", u.labels)});
  };
  const auto request = [this](const Node& n, RequestFacts& r) {
    map(n, "request",
        {to("ip", r.ip), to("method", r.method), to("path", r.path), to("weekday", r.weekday),
         to("hour", r.hour), to("minute", r.minute), to("fresh_proof", r.fresh_proof),
         to("arguments", r.arguments)});
  };
  const auto risk = [this](const Node& n, RiskFacts& r) { map(n, "risk", {to("score", r.score)}); };
  const auto approval = [this](const Node& n, ApprovalFacts& a) {
    map(n, "approval",
        {to("granted", a.granted), to("by", a.by), to("age", a.age_seconds),
         to("four_eyes", a.four_eyes)});
  };
  map(node, "facts",
      {to("operation", f.operation), to("action", f.action), to("class", f.action_class),
       to("granted", f.granted), to("resource", f.resource), record("task", f.task, task),
       record("human", f.human, human), record("agent", f.agent, agent),
       record("upstream", f.upstream, upstream), record("request", f.request, request),
       record("risk", f.risk, risk), record("approval", f.approval, approval)});
}

void Parser::row(const Node& node, const Facts& base) {
  Row r;
  r.line = static_cast<std::size_t>(node.line);
  r.facts = base;
  bool has_name = false, has_want = false, has_by = false;
  const auto set = [this](const Node& n, Facts& f) { facts(n, f); };
  map(node, "a row",
      {to("name", r.name, has_name), to("want", r.want, has_want), to("by", r.by, has_by),
       to("error", r.error), to("approvers", r.approvers, r.check_approvers),
       to("four_eyes", r.four_eyes, r.check_four_eyes), to("step_up", r.step_up, r.check_step_up),
       to("close", r.close, r.check_close), record("set", r.facts, set)});
  if (!node.is_map()) return;
  if (!has_name || !has_want || !has_by) problem(node, "a row needs `name`, `want` and `by`");
  if (has_name && !names_.insert(r.name).second) problem(node, "a row of this name exists");
  std::ranges::sort(r.by);
  std::ranges::sort(r.approvers);
  rows_.push_back(std::move(r));
}

Table Parser::parse(std::string_view text) {
  const auto documents = yaml::parse_documents(text);
  if (!documents) {
    const auto& e = documents.error();
    problems_.push_back({std::string(file_), static_cast<std::size_t>(e.line),
                         static_cast<std::size_t>(e.column), std::string(e.error.reason.text())});
    return std::unexpected(std::move(problems_));
  }
  if (documents->empty()) problem(Node{}, "the table is empty");
  for (const Node& document : *documents) {
    Facts base;
    // `base` first, wherever it stands.
    if (const Node* node = document.find("base")) facts(*node, base);
    const Key ignore{"base", [](const Node&) { return true; }};
    const Key rows{"rows", [&](const Node& n) {
                     if (!n.is_sequence() || n.seq.empty()) return false;
                     for (const Node& node : n.seq) row(node, base);
                     return true;
                   }};
    map(document, "a table", {ignore, rows});
    if (document.is_map() && document.find("rows") == nullptr) problem(document, "no `rows`");
  }
  if (!problems_.empty()) return std::unexpected(std::move(problems_));
  return std::move(rows_);
}

std::string list(const std::vector<std::string>& names) {
  std::string out = "[";
  for (const std::string& name : names) out += (out.size() == 1 ? "" : ", ") + name;
  return out + "]";
}

void compare(std::string& out, const char* what, bool want, bool got) {
  if (want != got) out += fmt::format("{}: wanted {}, got {}. ", what, want, got);
}
void compare(std::string& out, const char* what, const std::vector<std::string>& want,
             const std::vector<std::string>& got) {
  if (want != got) out += fmt::format("{}: wanted {}, got {}. ", what, list(want), list(got));
}

}  // namespace

Table parse_table(std::string_view file, std::string_view text) { return Parser(file).parse(text); }

std::vector<RowResult> run_table(const PolicySet& set, const std::vector<Row>& rows) {
  std::vector<RowResult> results;
  for (const Row& row : rows) {
    const Decision d = set.decide(row.facts);
    RowResult r{.name = row.name, .line = row.line, .difference = {}};
    if (d.outcome != row.want) {
      r.difference +=
          fmt::format("wanted {}, got {} ({}). ", text(row.want), text(d.outcome), d.reason);
    }
    compare(r.difference, "by", row.by, d.policies);
    compare(r.difference, "error", row.error, d.error);
    if (row.check_approvers) compare(r.difference, "approvers", row.approvers, d.approvers);
    if (row.check_four_eyes) compare(r.difference, "four_eyes", row.four_eyes, d.four_eyes);
    if (row.check_step_up) compare(r.difference, "step_up", row.step_up, d.step_up);
    if (row.check_close) compare(r.difference, "close", row.close, d.close);
    if (!r.difference.empty()) r.difference.pop_back();
    r.passed = r.difference.empty();
    results.push_back(std::move(r));
  }
  return results;
}

}  // namespace stint::policy
