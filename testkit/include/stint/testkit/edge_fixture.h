#pragma once

#include <boost/json/object.hpp>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stint/authority/authority.h"
#include "stint/codec/json.h"
#include "stint/crypto/system_entropy.h"
#include "stint/domain/json.h"
#include "stint/jose/client_assertion.h"
#include "stint/jose/dpop.h"
#include "stint/jose/jws.h"
#include "stint/keys/key_ring.h"
#include "stint/opening/opener.h"
#include "stint/policy/pack.h"
#include "stint/proof/gate.h"
#include "stint/rt/runtime.h"
#include "stint/store/store.h"
#include "stint/testkit/manual_clock.h"
#include "stint/testkit/reveal.h"
#include "stint/testkit/temp_dir.h"
#include "stint/testkit/test_store.h"
#include "stint/trust/issuer_keys.h"
#include "stint/vault/vault.h"

// Everything behind the edge (store, keys, vault, authority, gate, opener) on a real store in a
// temporary folder with a clock that stands still, and the far side of it: agents and an identity
// provider whose test keys are known. For tests of opening, oauth, gateway and api, which link
// those modules; this header only includes them.
//
//   agents     coder, helper (active; coder may work autonomously), idler (suspended)
//   humans     alice@example.com, bob@example.com (approvers), root@example.com (admins)
//   upstreams  git (kGit, credential git-password), desk (kHttp: ticket.read, ticket.reply,
//              ticket.export)
namespace stint::testkit {

inline constexpr std::string_view kIssuer = "http://127.0.0.1:7443";
inline constexpr std::string_view kGateway = "http://127.0.0.1:7444";
inline constexpr std::string_view kTokenUrl = "http://127.0.0.1:7443/oauth/token";
inline constexpr std::string_view kIdpUrl = "https://idp.test";
inline constexpr std::string_view kPlantedSecret = "test-password-planted";

template <class T>
T must_have(Result<T> r) {
  if (!r) std::abort();  // the caller's test cannot go on; a debugger shows r.error()
  return *std::move(r);
}

// An agent's instance: what it signs assertions with, and the key that its tokens are bound to.
struct TestAgent {
  std::string name;
  crypto::PrivateKey key, dpop;
  std::string kid;
  std::string jkt() const { return jose::thumbprint(dpop.public_key()); }
};

class Edge {
 public:
  // `vfs`: the name of the SQLite VFS to open the store with, for faulty disks.
  explicit Edge(const std::string& vfs = {}, const proof::GateLimits& limits = {})
      : coder(agent("coder", crypto::Alg::kES256)),
        helper(agent("helper", crypto::Alg::kEdDSA)),
        idler(agent("idler", crypto::Alg::kES256)),
        idp_key(make_key(crypto::Alg::kES256)),
        gate(entropy, limits) {
    store = must_have(open_test_store(dir.path(), clock, vfs));
    keys = must_have(keys::KeyRing::open(*store, root, "stint.test", entropy, clock.wall()));
    vault = must_have(vault::Vault::open(*store, root, entropy));
    authority =
        must_have(authority::Authority::open({*store, *keys, *vault, clock, entropy}, settings()));
    issuer_keys = std::make_unique<trust::IssuerKeys>(clock, no_network);
    opener = std::make_unique<opening::Opener>(*authority, *issuer_keys, entropy);
    apply(declared());
  }
  ~Edge() {
    if (store) store->stop();  // before what its commands borrow
  }
  Edge(const Edge&) = delete;

  static authority::Settings settings() {
    return {.issuer = std::string(kIssuer), .gateway_url = std::string(kGateway)};
  }

  // What an operator declared. Change a copy and apply() it.
  resource::Resources declared() const {
    resource::Resources r;
    r.add(resource::Issuer{.name = "idp",
                           .url = std::string(kIdpUrl),
                           .audiences = {"stint"},
                           .jwks = jwks(idp_key, "idp-test"),
                           .groups_claim = "groups"});
    for (const char* group : {"admins", "approvers"}) r.add(resource::Group{.name = group});
    r.add(human("alice@example.com", "alice-sub", {}));
    r.add(human("bob@example.com", "bob-sub", {"approvers"}));
    r.add(human("root@example.com", "root-sub", {"admins"}));
    for (const TestAgent* a : {&coder, &helper, &idler})
      r.add(resource::Agent{.name = a->name,
                            .owner = "alice@example.com",
                            .status = a == &idler ? resource::AgentStatus::kSuspended
                                                  : resource::AgentStatus::kActive,
                            .trust = {{.jwks = jwks(a->key, a->kid)}}});
    r.add(resource::Credential{.name = "git-password"});
    r.add(resource::Upstream{.name = "git",
                             .kind = resource::UpstreamKind::kGit,
                             .url = "http://127.0.0.1:1/git",
                             .inject = resource::Injection{.credential = "git-password",
                                                           .as = resource::Injection::As::kBasic,
                                                           .username = "stint"}});
    using domain::ActionClass;
    r.add(resource::Upstream{
        .name = "desk",
        .kind = resource::UpstreamKind::kHttp,
        .url = "http://127.0.0.1:1",
        .actions = {{"ticket.read", ActionClass::kRead, "GET /tickets/{id}"},
                    {"ticket.reply", ActionClass::kWrite, "POST /tickets/{id}/replies"},
                    {"ticket.export", ActionClass::kExport, "GET /tickets.csv"}}});
    for (const auto& file : policy::shipped_pack())
      r.add(resource::Policy{.name = file.name, .text = file.text});
    r.add(resource::Policy{
        .name = "autonomous.cedar",
        .text = "@id(\"coder-alone\")\npermit (principal == Agent::\"coder\", action == "
                "Action::\"task.open\", resource) when { context.task.autonomous };\n"});
    return r;
  }

  void apply(resource::Resources resources) {
    std::map<std::string, Secret> values;
    values.emplace("git-password", Secret(std::string(kPlantedSecret)));
    must_have(rt::block_on(authority->apply(std::move(resources), std::move(values), std::nullopt,
                                            authority::Actor::local_operator(0))));
  }

  // --- what an agent sends ---
  std::string fresh_id() { return TokenId::random(entropy).str(); }

  std::string assertion(const TestAgent& a, std::string_view audience = kIssuer,
                        std::string_view jti = {}) {
    return must_have(jose::make_client_assertion(a.key, a.kid, a.name, audience,
                                                 jti.empty() ? fresh_id() : std::string(jti),
                                                 clock.wall(), std::chrono::seconds(60)));
  }
  // What a child gives to whoever delegates to it: its assertion, which names its key.
  std::string actor_token(const TestAgent& child) {
    const json::Object claims{{"iss", child.name},
                              {"sub", child.name},
                              {"aud", kIssuer},
                              {"jti", fresh_id()},
                              {"exp", unix_seconds(clock.wall()) + 60},
                              {"cnf", json::Object{{"jkt", child.jkt()}}}};
    return must_have(jose::sign({.typ = "client-authentication+jwt", .kid = child.kid},
                                json::write(claims), child.key));
  }
  // With the present nonce unless told otherwise.
  std::string proof(const crypto::PrivateKey& key, std::string_view method, std::string_view url,
                    std::string_view access_token = {}) {
    const std::string nonce = gate.nonce(clock.wall());
    return proof_with_nonce(key, method, url, access_token, nonce);
  }
  std::string proof_with_nonce(const crypto::PrivateKey& key, std::string_view method,
                               std::string_view url, std::string_view access_token,
                               std::string_view nonce) {
    const std::string jti = fresh_id();
    return must_have(jose::make_proof(key, {.method = method,
                                            .htu = url,
                                            .now = clock.wall(),
                                            .jti = jti,
                                            .access_token = access_token,
                                            .nonce = nonce}));
  }
  // As the identity provider signs it; `extra` adds or replaces claims.
  std::string id_token(std::string_view subject = "alice-sub", const json::Object& extra = {}) {
    json::Object claims{{"iss", kIdpUrl},
                        {"sub", subject},
                        {"aud", "stint"},
                        {"iat", unix_seconds(clock.wall())},
                        {"exp", unix_seconds(clock.wall()) + 300}};
    for (const auto& [key, value] : extra) claims[key] = value;
    return must_have(jose::sign({.typ = "JWT", .kid = "idp-test"}, json::write(claims), idp_key));
  }

  // --- a task, opened without a wire ---
  static std::vector<domain::Grant> git_grants() {
    return {{.upstream = "git",
             .actions = {"git.fetch", "git.push", "git.ref.delete"},
             .resources = {"demo/readme.git"}}};
  }
  authority::Opened open(const TestAgent& a, std::vector<domain::Grant> grants = git_grants(),
                         std::string audience = std::string(kGateway) + "/u/git") {
    return must_have(rt::block_on(
        authority->open_task({.order = {.purpose = "fix the typo in README",
                                        .agent = a.name,
                                        .binding = {domain::Binding::Kind::kDpop, a.jkt()},
                                        .human = "alice@example.com",
                                        .grants = std::move(grants)},
                              .audience = std::move(audience),
                              .actor = authority::Actor::agent(a.name)})));
  }
  static std::string text_of(const Secret& secret) {
    return std::string(RevealKeyForTest::reveal(secret));
  }

  // --- what was recorded ---
  std::size_t count(std::string_view kind) {
    std::size_t n = 0;
    for (const auto& e : log()) n += e.kind == kind ? 1U : 0U;
    return n;
  }
  // Names of the signals so far, in order.
  std::vector<std::string> signals() {
    std::vector<std::string> out;
    for (const auto& e : log()) {
      if (e.kind != "signal") continue;
      const json::Object event = must_have(json::parse_object(e.bytes));
      out.emplace_back(must_have(json::string_at(event, "name")));
    }
    return out;
  }
  std::vector<store::StoredEvent> log() {
    // What is recorded is committed with or before this.
    must_have(store->write_sync([](store::Tx& tx) -> Result<bool> {
      tx.no_event();
      return true;
    }));
    return must_have(store->events(0, 10'000));
  }

  static std::string jwks(const crypto::PrivateKey& key, std::string_view kid) {
    return must_have(jose::JwkSet::of({{key.public_key(), key.alg(), std::string(kid)}})).to_json();
  }
  crypto::PrivateKey make_key(crypto::Alg alg) {
    return must_have(crypto::PrivateKey::generate(alg, entropy));
  }
  // Time goes by, and the view of live tasks keeps up with it.
  void pass(std::chrono::milliseconds by) {
    clock.advance(by);
    confirm_view(*authority, *store);
    authority->keep_leases();
  }
  static rt::Co<Result<http::Response>> no_network(std::string) {
    co_return fail(Errc::kUnavailable, "no network in tests");
  }

  TempDir dir;
  ManualClock clock;
  crypto::SystemEntropy entropy;
  crypto::RootKey root = crypto::RootKey::generate(entropy);
  TestAgent coder, helper, idler;
  crypto::PrivateKey idp_key;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<keys::KeyRing> keys;
  std::unique_ptr<vault::Vault> vault;
  std::unique_ptr<authority::Authority> authority;
  proof::Gate gate;
  std::unique_ptr<trust::IssuerKeys> issuer_keys;
  std::unique_ptr<opening::Opener> opener;

 private:
  TestAgent agent(std::string name, crypto::Alg alg) {
    std::string kid = name + "-test";
    return {.name = std::move(name),
            .key = make_key(alg),
            .dpop = make_key(crypto::Alg::kES256),
            .kid = std::move(kid)};
  }
  static resource::Human human(std::string name, std::string subject,
                               std::vector<std::string> groups) {
    return {.name = std::move(name),
            .issuer = "idp",
            .subject = std::move(subject),
            .email = {},
            .groups = std::move(groups)};
  }
};

}  // namespace stint::testkit
