#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "stint/audit/event.h"

// The words of enums in events, each in one table read both ways.
namespace stint::audit {

template <class E, std::size_t N>
using Words = std::array<std::pair<E, std::string_view>, N>;

inline constexpr Words<KeyUse, 2> kKeyUse{{{KeyUse::kToken, "token"}, {KeyUse::kLog, "log"}}};
inline constexpr Words<ResourceType, 7> kResourceType{{{ResourceType::kHuman, "human"},
                                                       {ResourceType::kGroup, "group"},
                                                       {ResourceType::kAgent, "agent"},
                                                       {ResourceType::kUpstream, "upstream"},
                                                       {ResourceType::kCredential, "credential"},
                                                       {ResourceType::kIssuer, "issuer"},
                                                       {ResourceType::kPolicy, "policy"}}};
inline constexpr Words<Operation, 3> kOperation{{{Operation::kCreate, "create"},
                                                 {Operation::kUpdate, "update"},
                                                 {Operation::kRetire, "retire"}}};
inline constexpr Words<MintedBy, 3> kMintedBy{{{MintedBy::kOpening, "opening"},
                                               {MintedBy::kHandle, "handle"},
                                               {MintedBy::kDelegation, "delegation"}}};
inline constexpr Words<Verdict, 3> kVerdict{
    {{Verdict::kPermit, "permit"}, {Verdict::kDeny, "deny"}, {Verdict::kAsk, "ask"}}};
inline constexpr Words<Ending, 6> kEnding{{{Ending::kCompleted, "completed"},
                                           {Ending::kUpstreamFailed, "upstream-failed"},
                                           {Ending::kCut, "cut"},
                                           {Ending::kClientGone, "client-gone"},
                                           {Ending::kTimedOut, "timed-out"},
                                           {Ending::kRefused, "refused"}}};
inline constexpr Words<Strength, 2> kStrength{
    {{Strength::kSoft, "soft"}, {Strength::kHard, "hard"}}};
inline constexpr Words<Actor::Kind, 4> kActorKind{{{Actor::Kind::kHuman, "human"},
                                                   {Actor::Kind::kAgent, "agent"},
                                                   {Actor::Kind::kOperator, "operator"},
                                                   {Actor::Kind::kServer, "server"}}};

constexpr const auto& words(KeyUse) { return kKeyUse; }
constexpr const auto& words(ResourceType) { return kResourceType; }
constexpr const auto& words(Operation) { return kOperation; }
constexpr const auto& words(MintedBy) { return kMintedBy; }
constexpr const auto& words(Verdict) { return kVerdict; }
constexpr const auto& words(Ending) { return kEnding; }
constexpr const auto& words(Strength) { return kStrength; }
constexpr const auto& words(Actor::Kind) { return kActorKind; }

template <class E>
constexpr std::string_view word(E value)
  requires requires { words(value); }
{
  for (const auto& [v, text] : words(value)) {
    if (v == value) return text;
  }
  __builtin_trap();
}

template <class E>
Status read_word(std::string_view text, E& value)
  requires requires { words(value); }
{
  for (const auto& [v, known] : words(value)) {
    if (known == text) {
      value = v;
      return {};
    }
  }
  return fail(Errc::kMalformed, "event word unknown");
}

// Those of domain and crypto have their own.
template <class E>
  requires requires(E e) { domain::text(e); }
std::string_view word(E value) {
  return domain::text(value);
}
inline std::string_view word(crypto::Alg alg) { return crypto::text(alg); }

template <class E>
Status take(Result<E> parsed, E& value) {
  if (!parsed) return fail(Errc::kMalformed, "event word unknown");
  value = *parsed;
  return {};
}
inline Status read_word(std::string_view t, domain::Consent& v) {
  return take(domain::parse_consent(t), v);
}
inline Status read_word(std::string_view t, domain::Sensitivity& v) {
  return take(domain::parse_sensitivity(t), v);
}
inline Status read_word(std::string_view t, domain::Why& v) {
  return take(domain::parse_why(t), v);
}
inline Status read_word(std::string_view t, domain::How& v) {
  return take(domain::parse_how(t), v);
}
inline Status read_word(std::string_view t, domain::ActionClass& v) {
  return take(domain::parse_action_class(t), v);
}
inline Status read_word(std::string_view t, domain::Answer& v) {
  return take(domain::parse_answer(t), v);
}
inline Status read_word(std::string_view t, crypto::Alg& v) {
  const auto alg = crypto::parse_alg(t);
  if (!alg) return fail(Errc::kMalformed, "event word unknown");
  v = *alg;
  return {};
}

}  // namespace stint::audit
