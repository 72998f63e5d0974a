#include "stint/resource/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "stint/codec/json.h"

namespace stint::resource {
namespace {

using Key = std::pair<Kind, std::string>;
constexpr std::size_t kReadable = 200;

std::map<Key, Resource> keyed(const Resources& r) {
  std::map<Key, Resource> out;
  for (Resource& one : r.all()) {
    Key key{kind_of(one), name_of(one)};
    out.emplace(std::move(key), std::move(one));
  }
  return out;
}

json::Object object(const Resource& r) {
  auto parsed = json::parse_object(encode(r), {.bytes = 8 * 1024 * 1024, .depth = 32});
  return parsed ? *std::move(parsed) : json::Object{};  // encode() gives nothing else
}

std::string shown(const json::Value* v) {
  if (v == nullptr) return "";
  std::string text = json::canonical(*v);
  if (text.size() > kReadable) return fmt::format("({} bytes)", text.size());
  return text;
}

void compare(std::string_view prefix, const json::Object& a, const json::Object& b,
             std::vector<FieldChange>& out) {
  std::set<std::string_view> names;
  for (const auto& m : a) names.insert(m.key());
  for (const auto& m : b) names.insert(m.key());
  for (const std::string_view name : names) {
    const json::Value *before = a.if_contains(name), *after = b.if_contains(name);
    if (before != nullptr && after != nullptr) {
      if (*before == *after) continue;
      if (before->is_object() && after->is_object()) {
        compare(fmt::format("{}{}.", prefix, name), before->get_object(), after->get_object(), out);
        continue;
      }
    }
    out.push_back({fmt::format("{}{}", prefix, name), shown(before), shown(after)});
  }
}

// Equal sizes may hide that a long value differs: say so.
void mark_equal_sizes(std::vector<FieldChange>& changes) {
  for (FieldChange& c : changes)
    if (c.before == c.after) c.after += ", other bytes";
}

}  // namespace

std::string_view text(Verb v) {
  switch (v) {
    case Verb::kCreate:
      return "create";
    case Verb::kUpdate:
      return "update";
    case Verb::kRetire:
      return "retire";
    case Verb::kUnchanged:
      return "unchanged";
  }
  __builtin_trap();
}

std::vector<PlanEntry> diff(const Resources& current, const Resources& desired) {
  const auto have = keyed(current), want = keyed(desired);
  std::vector<PlanEntry> out, retired, same;
  for (const auto& [key, resource] : want) {  // Kind's order: named before naming
    PlanEntry entry{Verb::kCreate, key.first, key.second, {}};
    if (const auto it = have.find(key); it != have.end()) {
      entry.verb = it->second == resource ? Verb::kUnchanged : Verb::kUpdate;
      if (entry.verb == Verb::kUpdate) {
        compare("", object(it->second), object(resource), entry.changes);
        mark_equal_sizes(entry.changes);
      }
    }
    (entry.verb == Verb::kUnchanged ? same : out).push_back(std::move(entry));
  }
  for (const auto& [key, resource] : have)
    if (!want.contains(key)) retired.push_back({Verb::kRetire, key.first, key.second, {}});
  out.insert(out.end(), retired.rbegin(), retired.rend());
  out.insert(out.end(), same.begin(), same.end());
  return out;
}

Resources apply(const Resources& current, const Resources& desired,
                const std::vector<PlanEntry>& plan) {
  auto state = keyed(current);
  const auto want = keyed(desired);
  for (const PlanEntry& e : plan) {
    const Key key{e.kind, e.name};
    switch (e.verb) {
      case Verb::kCreate:
      case Verb::kUpdate:
        if (const auto it = want.find(key); it != want.end())
          state.insert_or_assign(key, it->second);
        break;
      case Verb::kRetire:
        state.erase(key);
        break;
      case Verb::kUnchanged:
        break;
    }
  }
  Resources out;
  for (auto& [key, resource] : state) out.add(std::move(resource));
  return out;
}

bool changes(const std::vector<PlanEntry>& plan) {
  return std::ranges::any_of(plan, [](const PlanEntry& e) { return e.verb != Verb::kUnchanged; });
}

std::string describe(const std::vector<PlanEntry>& plan) {
  constexpr char kSigns[] = {'+', '~', '-', ' '};
  std::array<std::size_t, 4> counts{};
  std::string out;
  for (const PlanEntry& e : plan) {
    const auto verb = static_cast<std::size_t>(e.verb);
    ++counts[verb];
    if (e.verb == Verb::kUnchanged) continue;
    out += fmt::format("{} {} {}\n", kSigns[verb], text(e.kind), e.name);
    for (const FieldChange& c : e.changes)
      out += fmt::format("    {}: {} -> {}\n", c.field, c.before.empty() ? "(none)" : c.before,
                         c.after.empty() ? "(none)" : c.after);
  }
  return out + fmt::format("{} to create, {} to update, {} to retire, {} unchanged\n", counts[0],
                           counts[1], counts[2], counts[3]);
}

}  // namespace stint::resource
