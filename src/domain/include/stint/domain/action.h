#pragma once

#include <cstdint>
#include <string_view>

#include "stint/base/error.h"

namespace stint::domain {

// What kind of thing an action does to an upstream (2-domain). An action that no file classified is
// kUnclassified: the shipped policies ask for it.
enum class ActionClass : std::uint8_t {
  kRead,
  kWrite,
  kExecute,
  kExport,
  kDelete,
  kShare,
  kPrivilege,
  kCredential,
  kUnclassified,
};

std::string_view text(ActionClass c);
Result<ActionClass> parse_action_class(std::string_view text);  // kMalformed

// export, delete, share, privilege, credential.
constexpr bool high_risk(ActionClass c) {
  switch (c) {
    case ActionClass::kExport:
    case ActionClass::kDelete:
    case ActionClass::kShare:
    case ActionClass::kPrivilege:
    case ActionClass::kCredential:
      return true;
    case ActionClass::kRead:
    case ActionClass::kWrite:
    case ActionClass::kExecute:
    case ActionClass::kUnclassified:
      return false;
  }
  __builtin_trap();
}

// How much harm a leak of an upstream's data does; a task has a ceiling.
enum class Sensitivity : std::uint8_t { kPublic, kInternal, kConfidential, kRestricted };
std::string_view text(Sensitivity s);
Result<Sensitivity> parse_sensitivity(std::string_view text);  // kMalformed

// Names of agents, upstreams, credentials, groups: [a-z0-9] then [a-z0-9._-], at most 64 bytes.
bool valid_name(std::string_view name);
// Names of actions: the same alphabet, at most 96 bytes.
bool valid_action(std::string_view name);
// Names of humans become `sub`: 1-128 bytes of [A-Za-z0-9._@+-], not starting with "agent:".
bool valid_human(std::string_view name);

}  // namespace stint::domain
