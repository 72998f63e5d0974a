#include "stint/opening/opener.h"

#include <algorithm>

#include "opener_impl.h"
#include "stint/domain/json.h"

namespace stint::opening {
namespace {

// scheme ":" …, and nothing that RFC 8707 section 2 forbids.
bool absolute_uri(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == 0 || colon == std::string_view::npos || text.size() > 2048) return false;
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
}

}  // namespace

domain::OpenOrder order_of(Wanted&& w, std::string agent, domain::Binding&& binding) {
  return {.purpose = std::move(w.purpose),
          .reference = std::move(w.reference),
          .agent = std::move(agent),
          .binding = std::move(binding),
          .human = {},
          .acr = {},
          .auth_time = {},
          .grants = std::move(w.grants),
          .environment = std::move(w.environment),
          .ceiling = w.ceiling.value_or(domain::Sensitivity::kRestricted),
          .life = w.life,
          .idle_limit = w.idle_limit,
          .attended = w.attended,
          .presence_limit = w.presence_limit,
          .budget = w.budget};
}

authority::OpenRequest request_of(domain::OpenOrder&& order, const Client& client,
                                  std::optional<std::string>&& audience, const Where& where) {
  return {.order = std::move(order),
          .groups = {},
          .audience = std::move(audience),
          .spend = {client.spend()},
          .request = {.ip = where.ip, .fresh_proof = where.fresh_proof},
          .actor = authority::Actor::agent(client.agent())};
}

Part part_of(Errc code) {
  switch (code) {
    case Errc::kMalformed:
    case Errc::kTooLarge:
    case Errc::kConflict:  // the reference is bound to another task
    case Errc::kUnknownKey:
    case Errc::kMissing:
      return Part::kDetails;
    case Errc::kDenied:
      return Part::kPolicy;
    case Errc::kNotFound:
    case Errc::kWrongAudience:
      return Part::kTarget;
    case Errc::kReplayed:
      return Part::kClient;
    case Errc::kTaskClosed:
    case Errc::kExpired:
    case Errc::kRevoked:
    case Errc::kWrongKey:
      return Part::kSubject;
    default:  // not decided or not recorded; a parent paused, its children too many for now
      return Part::kServer;
  }
}

Opener::Opener(authority::Authority& authority, trust::IssuerKeys& keys, Entropy& entropy)
    : impl_(std::make_unique<Impl>(authority, keys, entropy)) {}
Opener::~Opener() = default;

Outcome<std::optional<std::string>> Opener::named_audience(
    const std::vector<std::string>& resources, const std::vector<std::string>& audiences) const {
  const auto directory = impl_->authority.directory();
  const std::string& issuer = impl_->authority.settings().issuer;
  const auto unknown = [] {
    return refuse({Errc::kWrongAudience, "resource is not known here"}, Part::kTarget);
  };
  std::optional<std::string> chosen;
  const auto choose = [&](std::string_view audience) {
    if (chosen && *chosen != audience) return false;
    chosen = std::string(audience);
    return true;
  };
  const auto several = [] {
    return refuse({Errc::kWrongAudience, "a token is for one resource"}, Part::kTarget);
  };
  for (const std::string& r : resources) {
    if (!absolute_uri(r))
      return refuse({Errc::kMalformed, "resource is not an absolute URI without fragment"},
                    Part::kTarget);
    if (r != issuer && directory->upstream_by_audience(r) == nullptr) return unknown();
    if (!choose(r)) return several();
  }
  for (const std::string& a : audiences) {
    const auto* by_name = directory->upstream(a);
    const std::string& audience = by_name != nullptr ? by_name->audience : a;
    if (audience != issuer && directory->upstream_by_audience(audience) == nullptr)
      return unknown();
    if (!choose(audience)) return several();
  }
  return chosen;
}

Outcome<std::string> Opener::audience(const std::vector<std::string>& resources,
                                      const std::vector<std::string>& audiences,
                                      const std::vector<domain::Grant>& grants) const {
  auto named = named_audience(resources, audiences);
  if (!named) return std::unexpected(named.error());
  const auto directory = impl_->authority.directory();
  if (!*named) {
    if (grants.empty()) return refuse({Errc::kMissing, "resource is missing"}, Part::kTarget);
    const std::string& first = grants.front().upstream;
    if (std::ranges::any_of(grants, [&](const auto& g) { return g.upstream != first; }))
      return refuse({Errc::kWrongAudience, "several upstreams are wanted: name one as resource"},
                    Part::kTarget);
    const auto* upstream = directory->upstream(first);
    if (upstream == nullptr)
      return refuse({Errc::kNotFound, "a grant names an unknown upstream"}, Part::kDetails);
    return upstream->audience;
  }
  if (**named == impl_->authority.settings().issuer) return **std::move(named);
  const auto* upstream = directory->upstream_by_audience(**named);
  if (upstream == nullptr || std::ranges::none_of(grants, [&](const auto& g) {
        return g.upstream == upstream->upstream.name;
      }))
    return refuse({Errc::kWrongAudience, "no grant is for this resource"}, Part::kTarget);
  return **std::move(named);
}

void Opener::refused(policy::Operation operation, const Client& client, const Refusal& refusal,
                     const Where& where) const {
  impl_->authority.refused({.operation = operation,
                            .agent = client.agent(),
                            .task = refusal.task,
                            .token = refusal.token,
                            .ip = where.ip},
                           refusal.error);
}

rt::Co<Outcome<authority::Opened>> Opener::open(Client client, std::optional<Person> person,
                                                domain::Binding binding, Wanted wanted,
                                                std::optional<std::string> audience, Where where) {
  const auto directory = impl_->authority.directory();
  const auto refused_here = [&](Error error, Part part) {
    impl_->authority.refused({.operation = policy::Operation::kOpen,
                              .agent = client.agent(),
                              .human = person ? std::optional(person->name()) : std::nullopt,
                              .ip = where.ip},
                             error);
    return refuse(error, part);
  };
  if (const Status known = check_known(wanted.grants, *directory); !known)
    co_return refused_here(known.error(), Part::kDetails);
  if (person && person->may_act() && *person->may_act() != client.agent())
    co_return refused_here({Errc::kDenied, "the human lets another client act"}, Part::kPolicy);
  // Where an operator said it, the environment is the agent's: policies judge by it.
  if (const auto* agent = directory->agent(client.agent());
      agent != nullptr && !agent->agent.environment.empty()) {
    if (!wanted.environment.empty() && wanted.environment != agent->agent.environment)
      co_return refused_here({Errc::kDenied, "the agent works in another environment"},
                             Part::kDetails);
    wanted.environment = agent->agent.environment;
  }

  domain::OpenOrder order = order_of(std::move(wanted), client.agent(), std::move(binding));
  order.consent = person ? domain::Consent::kExchange : domain::Consent::kAutonomous;
  if (person) {
    order.human = person->name();
    order.acr = person->acr();
    order.auth_time = person->auth_time();
  }
  auto request = request_of(std::move(order), client, std::move(audience), where);
  if (person) request.groups = person->groups();
  auto opened = co_await impl_->authority.open_task(std::move(request));
  if (!opened) co_return refuse(opened.error(), part_of(opened.error().code));
  co_return *std::move(opened);
}

}  // namespace stint::opening
