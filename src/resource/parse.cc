#include "stint/resource/parse.h"

#include <fmt/format.h>

#include <algorithm>

#include "reader.h"
#include "stint/policy/policy_set.h"
#include "stint/policy/table.h"

namespace stint::resource {

void Reader::know(const Resources& existing) {
  for (const Resource& r : existing.all())
    declared_[kind_of(r)].try_emplace(name_of(r), Position{"(existing)", 0, 0});
  for (const Upstream& u : existing.upstreams)
    for (const ActionRule& a : actions_of(u)) actions_.insert(a.action);
}

void Reader::finish() {
  for (const Reference& r : references_) {
    std::vector<std::string_view> known;
    std::string kinds;
    bool found = false;
    for (const Kind k : r.kinds) {
      kinds += (kinds.empty() ? "" : " or ") + std::string(text(k));
      const auto& names = declared_[k];
      found = found || names.contains(r.name);
      for (const auto& [name, position] : names) known.push_back(name);
    }
    if (found) continue;
    report_.at(r.at.file, r.at.line, r.at.column,
               fmt::format("no {} is named {}{}", kinds, quoted(r.name), hint(r.name, known)));
  }
  check_policies();
}

void Reader::check_policies() {
  if (out_.policies.empty()) return;
  std::vector<policy::PolicyFile> files;
  for (const Policy& p : out_.policies) files.push_back({p.name, p.text});
  policy::Vocabulary known;
  known.actions.assign(actions_.begin(), actions_.end());
  for (const auto& [name, at] : declared_[Kind::kUpstream]) known.upstreams.push_back(name);
  for (const auto& [name, at] : declared_[Kind::kAgent]) known.agents.push_back(name);
  known.has_actions = known.has_upstreams = known.has_agents = true;
  const auto set = policy::PolicySet::compile(files, known);
  if (!set) {
    for (const policy::PolicyProblem& p : set.error())
      report_.at(p.file, static_cast<int>(p.line), static_cast<int>(p.column), p.message);
    return;
  }
  std::vector<std::string_view> groups;
  for (const auto& [name, at] : declared_[Kind::kGroup]) groups.push_back(name);
  for (const policy::PolicyInfo& p : set->policies()) {
    if (p.ask.empty() || declared_[Kind::kGroup].contains(p.ask)) continue;
    report_.at(p.file, static_cast<int>(p.line), 1,
               fmt::format("policy {} asks group {}, which nobody declared{}", quoted(p.id),
                           quoted(p.ask), hint(p.ask, groups)));
  }
}

namespace {

void read_yaml(const File& file, Reader& reader, Report& report) {
  const auto docs = yaml::parse_documents(file.bytes);
  if (!docs) {
    const auto& e = docs.error();
    report.at(file.path, e.line, e.column, std::string(e.error.reason.text()));
    return;
  }
  for (const yaml::Node& doc : *docs) reader.document(file.path, doc);
}

void read_table(const File& file, Report& report) {
  const auto table = policy::parse_table(file.path, file.bytes);
  if (table) return;
  for (const policy::PolicyProblem& p : table.error())
    report.at(p.file, static_cast<int>(p.line), static_cast<int>(p.column), p.message);
}

bool within_limits(std::span<const File> files, const Limits& limits, Report& report) {
  if (files.size() > limits.files)
    report.at("", 0, 0, fmt::format("more than {} files", limits.files));
  std::size_t total = 0;
  for (const File& f : files) {
    total += f.bytes.size();
    if (f.bytes.size() > limits.file_bytes)
      report.at(f.path, 0, 0, fmt::format("larger than {} bytes", limits.file_bytes));
  }
  if (total > limits.total_bytes)
    report.at("", 0, 0, fmt::format("more than {} bytes in all", limits.total_bytes));
  return report.clean();
}

}  // namespace

std::expected<Resources, std::vector<Problem>> parse(std::span<const File> files,
                                                     const Lookup& lookup, const Known& known,
                                                     const Limits& limits) {
  Report report(limits.problems);
  if (!within_limits(files, limits, report)) return std::unexpected(report.take());
  Reader reader(report, lookup);
  for (const File& f : files) {
    const std::string_view path = f.path;
    if (path.ends_with(".cedar"))
      reader.policy(f.path, f.bytes);
    else if (path.ends_with("_test.yaml") || path.ends_with("_test.yml"))
      read_table(f, report);
    else if (path.ends_with(".yaml") || path.ends_with(".yml"))
      read_yaml(f, reader, report);
    else
      report.at(f.path, 0, 0, "neither .yaml nor .cedar");
    if (reader.count() > limits.resources) {
      report.at(f.path, 0, 0, fmt::format("more than {} resources in all", limits.resources));
      break;
    }
  }
  if (known.existing != nullptr) reader.know(*known.existing);
  reader.finish();
  if (!report.clean()) return std::unexpected(report.take());
  return reader.take();
}

}  // namespace stint::resource
