#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/authority/authority.h"
#include "stint/base/clock.h"
#include "stint/base/entropy.h"
#include "stint/base/error.h"
#include "stint/domain/task.h"
#include "stint/jose/access_token.h"
#include "stint/opening/wanted.h"
#include "stint/proof/gate.h"
#include "stint/rt/co.h"
#include "stint/trust/issuer_keys.h"

namespace stint::opening {

// What a refusal is about: OAuth has an error code for each, the API a problem.
enum class Part : std::uint8_t {
  kRequest,  // malformed, or something is missing
  kClient,   // who the agent's instance is (invalid_client)
  kSubject,  // the ID token, the parent's token, the child's assertion, or the handle
  kDetails,  // authorization_details: what is asked for
  kTarget,   // `resource`: for whom the token is
  kPolicy,   // may not, though all of it is true
  kServer,   // not recorded, not decided, paused, or a quota used up: later may work
};

struct Refusal {
  Error error;
  Part part = Part::kRequest;
  // A literal for authority::Signal::name, "": nothing to report. With the token that it is about,
  // whose signature was good.
  std::string_view signal = {};
  std::optional<TaskId> task = {};
  std::optional<TokenId> token = {};
  std::string agent = {};  // whose assertion it is, where that was good and is refused all the same
};
template <class T>
struct [[nodiscard]] Outcome : std::expected<T, Refusal> {
  using std::expected<T, Refusal>::expected;
};

// Where a request came in, for policies, events and signals.
struct Where {
  std::string_view endpoint;  // literal: "token-endpoint", "api"
  std::string ip;
  bool fresh_proof = false;
};

// An agent's instance that proved to be it. Only Opener makes one.
class Client {
 public:
  const std::string& agent() const { return agent_; }
  // For authority's commands: the assertion is spent in their transaction too.
  const authority::SingleUse& spend() const { return spend_; }

 private:
  friend class Opener;
  Client(std::string agent, authority::SingleUse spend)
      : agent_(std::move(agent)), spend_(std::move(spend)) {}
  std::string agent_;
  authority::SingleUse spend_;
};

// A human whose ID token was good, and whom an operator declared. Only Opener makes one.
class Person {
 public:
  const std::string& name() const { return name_; }  // resource::Human::name; `sub`
  // The human's own groups and those that the ID token says, as far as they are declared; sorted,
  // unique.
  const std::vector<std::string>& groups() const { return groups_; }
  bool in_group(std::string_view group) const;
  const std::string& acr() const { return acr_; }
  std::optional<WallTime> auth_time() const { return auth_time_; }
  // The claim `may_act` (RFC 8693 section 4.4): the only agent that may act for the human.
  const std::optional<std::string>& may_act() const { return may_act_; }

 private:
  friend class Opener;
  Person() = default;
  std::string name_;
  std::vector<std::string> groups_;
  std::string acr_;
  std::optional<WallTime> auth_time_;
  std::optional<std::string> may_act_;
};

// A task's access token, shown by the client that it was minted for and with the key that it is
// bound to: leave to delegate. Only Opener makes one. Whether its task lives is for delegate().
class Parent {
 public:
  TaskId task() const { return token_.task(); }
  const jose::AccessToken& claims() const { return token_.claims(); }

 private:
  friend class Opener;
  explicit Parent(jose::VerifiedToken token) : token_(std::move(token)) {}
  jose::VerifiedToken token_;
};

// The instance that a child is for: its agent said which key it holds. Only Opener makes one.
class Child {
 public:
  const std::string& agent() const { return agent_.agent(); }
  const domain::Binding& binding() const { return binding_; }
  const authority::SingleUse& spend() const { return agent_.spend(); }

 private:
  friend class Opener;
  Child(Client agent, domain::Binding binding, std::string jti, WallTime seen)
      : agent_(std::move(agent)), binding_(std::move(binding)), jti_(std::move(jti)), seen_(seen) {}
  Client agent_;
  domain::Binding binding_;
  std::string jti_;
  WallTime seen_;  // verified then
};

inline constexpr std::string_view kClientAssertionType =
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

// The one way in: what a token request and POST /v1/tasks have in common. Verifies who asks and for
// whom, reads what is wanted, and runs the command.
//
// Threads:   any. Ownership: borrows its parts; outlives its coroutines.
// Blocking:  never; person() and borrowed() may wait for an issuer's keys.
// Limits:    assertions of 8 KiB, ID tokens of 16 KiB; assertions are remembered for their life
//            (2,000,000 at most, then kLimit).
// Closed:    what cannot be verified now is refused.
class Opener {
 public:
  Opener(authority::Authority& authority, trust::IssuerKeys& keys, Entropy& entropy);
  ~Opener();
  Opener(const Opener&) = delete;
  Opener& operator=(const Opener&) = delete;

  // --- who ---
  // private_key_jwt (RFC 7523 as updated): `aud` is our issuer, alg and key are registered for the
  // agent, each jti counts once, here and (by Client::spend) in the store. `client_id`: as sent, ""
  // when it was not; must agree. `presented`: the key that the request proved, where it had to; an
  // assertion that names a key in `cnf` is good with that key alone, so that what a child gave its
  // parent does not make the parent the child. Part kClient.
  // Errors: kMissing (part kRequest), kUnsupported "client_assertion_type is not known here",
  // kUnauthenticated "client authentication failed" (no such agent, no such key, bad signature: not
  // told apart), the other errors of jose::verify_client_assertion, kWrongIssuer "client_id is not
  // the assertion's", kDenied "the agent is suspended", "the agent is retired", kWrongKey
  // "the client assertion is for another key" (with the assertion's agent, and where a key was
  // presented the signal "key-mismatch"), kReplayed "the client assertion was used before", kLimit
  // (part kServer).
  Outcome<Client> authenticate(std::string_view assertion_type, std::string_view assertion,
                               std::string_view client_id,
                               const std::optional<domain::Binding>& presented, WallTime now);

  // An ID token of a declared issuer, no older than its max_age, for a declared human. The API
  // takes people in by this too. Part kSubject. Errors: kWrongIssuer "id token issuer is not
  // trusted", those of jose::verify_id_token, kExpired "id token is too old", kNotFound "the human
  // is not known here"; kUnavailable (part kServer).
  rt::Co<Outcome<Person>> person(std::string id_token, WallTime now);

  // Whether a text that was refused is a human's ID token of a trusted issuer (good signature,
  // expired or not) or the value of an upstream's credential: offered by an agent, it was borrowed.
  // The caller reports signal "borrowed-session".
  rt::Co<bool> borrowed(std::string offered);

  // --- for whom the token is ---
  // The values of `resource` (RFC 8707), and of `audience` (RFC 8693), which may also be
  // an upstream's name; all must mean the same one. nullopt: nothing was sent. Part kTarget.
  // Errors: kMalformed "resource is not an absolute URI without fragment", kWrongAudience "resource
  // is not known here", "a token is for one resource".
  Outcome<std::optional<std::string>> named_audience(
      const std::vector<std::string>& resources, const std::vector<std::string>& audiences) const;
  // The same for a task with these grants; when nothing was sent, the audience of their only
  // upstream. There is no audience for everything.
  // Errors: also kWrongAudience "no grant is for this resource", "several upstreams are wanted:
  // name one as resource".
  Outcome<std::string> audience(const std::vector<std::string>& resources,
                                const std::vector<std::string>& audiences,
                                const std::vector<domain::Grant>& grants) const;

  // --- the commands ---
  // What they refuse is an event (rule 10). This is for what is refused before them, of a client
  // that is known: the person, the parent's token, the child.
  void refused(policy::Operation operation, const Client& client, const Refusal& refusal,
               const Where& where) const;
  // Autonomous without a person. `audience`: mint the first token for it; none: no token.
  rt::Co<Outcome<authority::Opened>> open(Client client, std::optional<Person> person,
                                          domain::Binding binding, Wanted wanted,
                                          std::optional<std::string> audience, Where where);
  // A child of the task of `parent`, which `client` asks for (docs/adr/0010). The human is the
  // parent's; the first token ends with the parent's at the latest. The child's assertion counts
  // here: what is wrong with the rest of the request, said before, does not use it up. Errors: also
  // kReplayed "the client assertion was used before", kDenied "the agent works in another
  // environment" (the child's: the environment is the parent's task's).
  rt::Co<Outcome<authority::Opened>> delegate(Client client, Parent parent, Child child,
                                              Wanted wanted, std::optional<std::string> audience,
                                              Where where);

  // --- delegation: who gives, who takes (delegation.cc) ---
  // An access token of ours, for any audience, as subject_token: signature, issuer, times; minted
  // for `client` and bound to the key that it `presented`. Part kSubject. Errors: those of
  // jose::AccessTokenVerifier; kWrongKey "the subject token is bound to another key", "the subject
  // token belongs to another client", both with the signal "key-mismatch".
  Outcome<Parent> parent(std::string_view compact, const Client& client,
                         const domain::Binding& presented, WallTime now) const;
  // The child's own client assertion as actor_token, whose `cnf` (RFC 7800) names the key that the
  // child holds; not counted yet. Part kSubject. Errors: kMissing "actor_token is missing",
  // "actor_token names no key: it needs cnf"; those of authenticate().
  Outcome<Child> child(std::string_view actor_token, WallTime now) const;

 private:
  struct Impl;
  struct Asserted;
  Outcome<Asserted> asserted(std::string_view assertion, std::string_view client_id,
                             WallTime now) const;
  Outcome<void> counted(std::string_view agent, std::string_view jti, WallTime now);
  std::unique_ptr<Impl> impl_;
};

}  // namespace stint::opening
