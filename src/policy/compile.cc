#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <iterator>
#include <map>
#include <span>

#include "encode.h"
#include "engine.h"
#include "stint/codec/nearest.h"

namespace stint::policy {
namespace {

constexpr std::size_t kMaxFile = 256 * 1024, kMaxAll = 4 * 1024 * 1024, kMaxPolicies = 10'000;

using Problems = std::vector<PolicyProblem>;
using Files = std::vector<PolicyFile>;

PolicyProblem at(const PolicyFile& file, std::size_t offset, std::string message) {
  const std::string_view before = std::string_view(file.text).substr(0, offset);
  const auto line = static_cast<std::size_t>(std::ranges::count(before, '\n')) + 1;
  const std::size_t start = before.rfind('\n') + 1;  // npos + 1 is 0
  return {file.name, line, before.size() - start + 1, std::move(message)};
}

std::string hint(std::string_view word, std::span<const std::string_view> known) {
  const std::string_view near = codec::nearest(word, known);
  return near.empty() ? std::string() : fmt::format("; did you mean `{}`?", near);
}

// Reads what our own Rust side wrote, so only checks what memory safety needs.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  std::size_t u32() { return number<std::uint32_t>(); }
  std::uint64_t u64() { return number<std::uint64_t>(); }
  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::string text() {
    const std::size_t n = std::min(u32(), rest_.size());
    std::string out(rest_.substr(0, n));
    rest_.remove_prefix(n);
    return out;
  }

 private:
  template <class T>
  T number() {
    T value{};
    if (rest_.size() < sizeof value) {
      rest_ = {};
      return value;
    }
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }
  std::string_view rest_;
};

struct Literal {
  std::uint8_t kind;  // 0 action, 1 upstream, 2 agent
  std::string name;
};

// A policy as the Rust side describes it.
struct Raw {
  std::size_t file = 0, offset = 0;
  bool forbids = false;
  std::uint64_t mask = 0;
  std::map<std::string, std::string> annotations;
  std::vector<Literal> literals;
};

std::vector<Raw> read_policies(std::string_view bytes) {
  Reader r(bytes);
  std::vector<Raw> all(std::min(r.u32(), kMaxPolicies + 1));
  for (Raw& p : all) {
    p.file = r.u32();
    p.offset = r.u32();
    p.forbids = r.u8() != 0;
    p.mask = r.u64();
    for (std::size_t n = r.u32(); n > 0; --n) {
      std::string key = r.text();
      p.annotations.emplace(std::move(key), r.text());
    }
    for (std::size_t n = r.u32(); n > 0; --n) {
      const std::uint8_t kind = r.u8();
      p.literals.push_back({kind, r.text()});
    }
  }
  return all;
}

Problems read_problems(const Files& files, std::string_view bytes) {
  Reader r(bytes);
  Problems problems;
  for (std::size_t n = r.u32(); n > 0; --n) {
    const std::size_t file = r.u32();
    const bool has_offset = r.u8() != 0;
    const std::size_t offset = r.u32();
    std::string message = r.text();
    if (file >= files.size()) {
      problems.push_back({"", 0, 0, std::move(message)});
    } else if (has_offset) {
      problems.push_back(at(files[file], offset, std::move(message)));
    } else {
      problems.push_back({files[file].name, 0, 0, std::move(message)});
    }
  }
  return problems;
}

bool kebab(std::string_view id) {
  return !id.empty() && id.size() <= 64 && id.front() != '-' && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

bool group_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '@';
  });
}

// Our own rules about one policy, beside the language's.
class Checker {
 public:
  Checker(const PolicyFile& file, const Raw& raw, Problems& problems)
      : file_(file), raw_(raw), problems_(problems) {}

  PolicyInfo info(std::size_t number) {
    PolicyInfo info;
    info.file = file_.name;
    info.line = at(file_, raw_.offset, "").line;
    info.forbids = raw_.forbids;
    names();
    info.id = value("id").value_or(fmt::format("{}:{}", file_.name, number));
    if (has("id") && !kebab(info.id)) {
      problem("id", "@id must be 1-64 of a-z, 0-9 and '-'");
    }
    info.because = value("because").value_or("");
    info.unless = value("unless_text").value_or("");
    lifts(info);
    return info;
  }

  void vocabulary(const Vocabulary& known) {
    for (const Literal& literal : raw_.literals) {
      const auto& list = literal.kind == 0   ? known.actions
                         : literal.kind == 1 ? known.upstreams
                                             : known.agents;
      const bool given = literal.kind == 0   ? known.has_actions
                         : literal.kind == 1 ? known.has_upstreams
                                             : known.has_agents;
      if (!given || std::ranges::find(list, literal.name) != list.end()) continue;
      const char* what = literal.kind == 0 ? "action" : literal.kind == 1 ? "upstream" : "agent";
      const std::vector<std::string_view> views(list.begin(), list.end());
      add(fmt::format("\"{}\"", literal.name),
          fmt::format("unknown {} `{}`{}", what, literal.name, hint(literal.name, views)));
    }
  }

 private:
  static constexpr std::array<std::string_view, 7> kNames = {
      "id", "ask", "because", "unless_text", "for_task", "step_up", "close"};

  bool has(const std::string& name) const { return raw_.annotations.contains(name); }
  std::optional<std::string> value(const std::string& name) const {
    const auto found = raw_.annotations.find(name);
    if (found == raw_.annotations.end()) return std::nullopt;
    return found->second;
  }
  void problem(const std::string& annotation, std::string message) {
    add("@" + annotation, std::move(message));
  }
  // At the first `word` from the policy's start on.
  void add(std::string_view word, std::string message) {
    const std::size_t found = file_.text.find(word, raw_.offset);
    problems_.push_back(
        at(file_, found == std::string::npos ? raw_.offset : found, std::move(message)));
  }

  void names() {
    for (const auto& [name, text] : raw_.annotations) {
      if (std::ranges::find(kNames, name) == kNames.end()) {
        problem(name, fmt::format("unknown annotation `@{}`{}", name, hint(name, kNames)));
      }
    }
  }

  bool reads(std::string_view path) const { return (raw_.mask & fact_bit(path)) != 0; }

  void lifts(PolicyInfo& info) {
    for (const char* name : {"ask", "for_task", "step_up", "close"}) {
      if (has(name) && !raw_.forbids) {
        problem(name, fmt::format("@{} belongs on a forbid: a permit denies nothing", name));
      }
    }
    if (has("ask")) {
      info.ask = value("ask")->empty() ? "approvers" : *value("ask");
      if (!group_name(info.ask)) problem("ask", "@ask needs the name of a group");
      if (!reads("approval.granted") && !reads("approval.four_eyes")) {
        problem("ask", "@ask without context.approval.granted: no approval could lift it");
      }
    }
    info.for_task = has("for_task");
    if (info.for_task && *value("for_task") != "allowed") {
      problem("for_task", "@for_task takes \"allowed\"");
    }
    if (info.for_task && !has("ask")) problem("for_task", "@for_task without @ask");
    info.step_up = has("step_up");
    if (info.step_up && !reads("request.fresh_proof")) {
      problem("step_up", "@step_up without context.request.fresh_proof: no proof could lift it");
    }
    info.close = has("close");
    if (info.close && (info.step_up || has("ask"))) {
      problem("close", "@close with @ask or @step_up: a closed task is not asked about");
    }
  }

  const PolicyFile& file_;
  const Raw& raw_;
  Problems& problems_;
};

Problems over_limits(const Files& files) {
  Problems problems;
  std::size_t all = 0;
  for (const PolicyFile& file : files) {
    all += file.text.size();
    if (file.text.size() > kMaxFile) {
      problems.push_back({file.name, 0, 0, "policy file over 256 KiB"});
    }
  }
  if (all > kMaxAll) problems.push_back({"", 0, 0, "policies over 4 MiB in all"});
  return problems;
}

std::string pack(const Files& files) {
  std::string out;
  const auto number = [&out](std::size_t n) {
    const auto value = static_cast<std::uint32_t>(n);
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  number(files.size());
  for (const PolicyFile& file : files) {
    number(file.text.size());
    out += file.text;
  }
  return out;
}

// The two lists of facts, here and in cedar/src/facts.rs, are one.
bool same_facts() {
  for (std::size_t i = 0; i <= fact_paths().size(); ++i) {
    const StintCedarText text = stint_cedar_leaf(i);
    const std::string_view want = i < fact_paths().size() ? fact_paths()[i] : std::string_view();
    if (std::string_view(text.data, text.size) != want) return false;
  }
  return true;
}

}  // namespace

std::string_view schema_text() {
  const StintCedarText text = stint_cedar_schema();
  return {text.data, text.size};
}

PolicySet::Compiled PolicySet::compile(const std::vector<PolicyFile>& files,
                                       const Vocabulary& known) {
  Problems problems = over_limits(files);
  if (!problems.empty()) return std::unexpected(std::move(problems));
  if (!same_facts()) {
    return std::unexpected(Problems{{"", 0, 0, "this build mixes two versions of the facts"}});
  }
  const std::string input = pack(files);
  StintCedarBytes bytes{};
  auto impl = std::make_shared<Impl>();
  impl->cedar.reset(stint_cedar_compile(reinterpret_cast<const std::uint8_t*>(input.data()),
                                        input.size(), &bytes));
  const std::string out(reinterpret_cast<const char*>(bytes.data), bytes.size);
  stint_cedar_free_bytes(bytes);
  if (impl->cedar == nullptr) {
    problems = read_problems(files, out);
    if (problems.empty()) problems.push_back({"", 0, 0, "the policy compiler failed"});
    return std::unexpected(std::move(problems));
  }

  const std::vector<Raw> raw = read_policies(out);
  if (raw.size() > kMaxPolicies) {
    return std::unexpected(Problems{{"", 0, 0, "more than 10,000 policies"}});
  }
  std::map<std::string, std::size_t> first_with_id, count_in_file;
  for (const Raw& policy : raw) {
    const PolicyFile& file = files[policy.file];
    Checker checker(file, policy, problems);
    PolicyInfo info = checker.info(++count_in_file[file.name]);
    checker.vocabulary(known);
    const auto [other, fresh] = first_with_id.try_emplace(info.id, impl->infos.size());
    if (!fresh) {
      const PolicyInfo& before = impl->infos[other->second];
      problems.push_back(at(
          file, policy.offset,
          fmt::format("policy id `{}` is taken by {} line {}", info.id, before.file, before.line)));
    }
    impl->infos.push_back(std::move(info));
    impl->masks.push_back(policy.mask);
    impl->mask |= policy.mask;
  }
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return PolicySet(std::move(impl));
}

const std::vector<PolicyInfo>& PolicySet::policies() const { return impl_->infos; }

const PolicyInfo* PolicySet::find(std::string_view id) const {
  const auto found = std::ranges::find(impl_->infos, id, &PolicyInfo::id);
  return found == impl_->infos.end() ? nullptr : &*found;
}

std::vector<std::string> PolicySet::reads() const {
  std::vector<std::string> out;
  for (const std::string_view path : fact_paths()) {
    if ((impl_->mask & fact_bit(path)) != 0) out.emplace_back(path);
  }
  return out;
}

}  // namespace stint::policy
