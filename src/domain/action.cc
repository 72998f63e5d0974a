#include "stint/domain/action.h"

#include <algorithm>
#include <array>

#include "texts.h"

namespace stint::domain {
namespace {

constexpr Texts<ActionClass, 9> kClasses{{
    {ActionClass::kRead, "read"},
    {ActionClass::kWrite, "write"},
    {ActionClass::kExecute, "execute"},
    {ActionClass::kExport, "export"},
    {ActionClass::kDelete, "delete"},
    {ActionClass::kShare, "share"},
    {ActionClass::kPrivilege, "privilege"},
    {ActionClass::kCredential, "credential"},
    {ActionClass::kUnclassified, "unclassified"},
}};
constexpr Texts<Sensitivity, 4> kSensitivities{{
    {Sensitivity::kPublic, "public"},
    {Sensitivity::kInternal, "internal"},
    {Sensitivity::kConfidential, "confidential"},
    {Sensitivity::kRestricted, "restricted"},
}};

bool lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool valid(std::string_view name, std::size_t most) {
  return !name.empty() && name.size() <= most && lower_or_digit(name.front()) &&
         std::ranges::all_of(
             name, [](char c) { return lower_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

}  // namespace

std::string_view text(ActionClass c) { return text_of(kClasses, c); }
Result<ActionClass> parse_action_class(std::string_view t) {
  return value_of(kClasses, t, "unknown action class");
}
std::string_view text(Sensitivity s) { return text_of(kSensitivities, s); }
Result<Sensitivity> parse_sensitivity(std::string_view t) {
  return value_of(kSensitivities, t, "unknown sensitivity");
}

bool valid_name(std::string_view name) { return valid(name, 64); }
bool valid_action(std::string_view name) { return valid(name, 96); }

bool valid_human(std::string_view name) {
  if (name.empty() || name.size() > 128 || name.starts_with("agent:")) return false;
  return std::ranges::all_of(name, [](char c) {
    return lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '@' ||
           c == '+' || c == '-';
  });
}

}  // namespace stint::domain
