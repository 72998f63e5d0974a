#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "stint/resource/resource.h"

namespace stint::resource {

enum class Verb : std::uint8_t { kCreate, kUpdate, kRetire, kUnchanged };
std::string_view text(Verb v);

// One field that differs, as canonical JSON; "" where it is absent. Long values (keys, policies)
// are given as their size, since nobody reads them in a plan.
struct FieldChange {
  std::string field;
  std::string before, after;
  bool operator==(const FieldChange&) const = default;
};

struct PlanEntry {
  Verb verb = Verb::kUnchanged;
  Kind kind = Kind::kGroup;
  std::string name;
  std::vector<FieldChange> changes;  // kUpdate only
  bool operator==(const PlanEntry&) const = default;
};

// What has to be done so that `current` becomes `desired`. Creates and updates come in an order in
// which what is named precedes what names it, then retirements in the reverse of that order, then
// what stays. Pure; diff(x, x) has only kUnchanged; applying every entry to `current` gives
// `desired`.
std::vector<PlanEntry> diff(const Resources& current, const Resources& desired);

// Applies a plan that diff() made for the same two states.
Resources apply(const Resources& current, const Resources& desired,
                const std::vector<PlanEntry>& plan);

// True when something has to be done.
bool changes(const std::vector<PlanEntry>& plan);

// For people: a line an entry ("+ agent coder"), two spaces and the fields below an update, then a
// summary line. Unchanged entries are only counted.
std::string describe(const std::vector<PlanEntry>& plan);

}  // namespace stint::resource
