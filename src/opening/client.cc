#include "opener_impl.h"

namespace stint::opening {
namespace {

// What a stranger may not tell apart: whether there is such an agent, such a key, such a signature.
bool tells_too_much(Errc code) {
  return code == Errc::kWrongKey || code == Errc::kBadSignature || code == Errc::kUnsupported;
}

constexpr std::string_view kScope = "client-assertion";

std::optional<domain::Binding> key_of(const jose::Confirmation& cnf) {
  if (!cnf.jkt.empty()) return domain::Binding{domain::Binding::Kind::kDpop, cnf.jkt};
  if (!cnf.x5t_s256.empty())
    return domain::Binding{domain::Binding::Kind::kCertificate, cnf.x5t_s256};
  return std::nullopt;
}

}  // namespace

Outcome<Client> Opener::authenticate(std::string_view assertion_type, std::string_view assertion,
                                     std::string_view client_id,
                                     const std::optional<domain::Binding>& presented,
                                     WallTime now) {
  if (assertion.empty())
    return refuse({Errc::kMissing, "client_assertion is missing"}, Part::kRequest);
  if (assertion_type.empty())
    return refuse({Errc::kMissing, "client_assertion_type is missing"}, Part::kRequest);
  if (assertion_type != kClientAssertionType)
    return refuse({Errc::kUnsupported, "client_assertion_type is not known here"}, Part::kClient);
  auto read = asserted(assertion, client_id, now);
  if (!read) return std::unexpected(read.error());
  // Last of what is about the assertion itself: only what was good is remembered.
  if (const auto once = counted(read->client.agent(), read->jti, now); !once)
    return std::unexpected(once.error());
  if (read->key && read->key != presented) {
    // Nobody is suspected where no key was asked for: an instance may name its key everywhere.
    return std::unexpected(
        Refusal{.error = {Errc::kWrongKey, "the client assertion is for another key"},
                .part = Part::kClient,
                .signal = presented ? "key-mismatch" : "",
                .agent = read->client.agent()});
  }
  return std::move(read->client);
}

Outcome<Opener::Asserted> Opener::asserted(std::string_view assertion, std::string_view client_id,
                                           WallTime now) const {
  const auto failed = [] {
    return refuse({Errc::kUnauthenticated, "client authentication failed"}, Part::kClient);
  };
  const auto read = jose::UnverifiedAssertion::parse(assertion);
  if (!read) return refuse(read.error(), Part::kClient);
  const std::string& claimed = read->claimed_client_id();
  if (!client_id.empty() && client_id != claimed)
    return refuse({Errc::kWrongIssuer, "client_id is not the assertion's"}, Part::kClient);

  const auto directory = impl_->authority.directory();
  const auto* entry = directory->agent(claimed);
  if (entry == nullptr) return failed();
  auto verified =
      jose::verify_client_assertion(*read, entry->keys, impl_->authority.settings().issuer, now);
  if (!verified) {
    if (tells_too_much(verified.error().code)) return failed();
    return refuse(verified.error(), Part::kClient);
  }
  if (const auto restored = impl_->authority.restored();
      restored && verified->usable_from < *restored)
    return refuse({Errc::kReplayed, "the assertion may have been used before the restore"},
                  Part::kClient);
  switch (entry->agent.status) {
    case resource::AgentStatus::kActive:
      break;
    case resource::AgentStatus::kSuspended:
      return refuse({Errc::kDenied, "the agent is suspended"}, Part::kClient);
    case resource::AgentStatus::kRetired:
      return refuse({Errc::kDenied, "the agent is retired"}, Part::kClient);
  }
  return Asserted{
      .client = Client(verified->client_id, {.scope = std::string(kScope),
                                             .key = verified->client_id + '\0' + verified->jti,
                                             .expires = verified->exp + jose::kAssertionLeeway,
                                             .since = verified->usable_from}),
      .jti = verified->jti,
      .key = key_of(verified->cnf)};
}

Outcome<void> Opener::counted(std::string_view agent, std::string_view jti, WallTime now) {
  const Status once = impl_->assertions.once(agent, jti, now);
  if (once) return {};
  if (once.error().code == Errc::kReplayed)
    return refuse({Errc::kReplayed, "the client assertion was used before"}, Part::kClient);
  return refuse(once.error(), Part::kServer);
}

}  // namespace stint::opening
