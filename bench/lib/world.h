#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stint/authority/authority.h"
#include "stint/base/clock.h"
#include "stint/crypto/root_key.h"
#include "stint/crypto/sign.h"
#include "stint/crypto/system_entropy.h"
#include "stint/jose/access_token.h"
#include "stint/keys/key_ring.h"
#include "stint/proof/gate.h"
#include "stint/reaper/reaper.h"
#include "stint/store/store.h"
#include "stint/vault/vault.h"

namespace stint::bench {

inline constexpr std::string_view kIssuer = "https://127.0.0.1:7443";
inline constexpr std::string_view kGateway = "https://127.0.0.1:7444";

// What the service wires behind its listeners, with the shipped policies, on a store in `directory`
// which it makes or opens again, or on a PostgreSQL that other worlds share, with the root key that
// is in `directory`; the reaper runs. Upstreams, each with the action ticket.read on
// GET /tickets/{id}: "plain" without a credential, "vendor" with one, put into a header.
class World {
 public:
  struct Options {
    std::string directory;
    std::string postgres;  // URL of a database to share, instead of a file in `directory`
    std::string vendor_url = "http://127.0.0.1:1";
    bool apply = true;  // declare the resources; not over a store that has them
    bool reaper = true;
  };
  explicit World(const Options& options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  struct Session {
    TaskId task;
    std::string token;
  };
  // A task for alice by coder, bound to this key, with a token for the upstream.
  Session session(const domain::Binding& binding, const std::string& upstream);
  authority::OpenRequest order(const domain::Binding& binding, const std::string& upstream) const;

  // The view counts from now on, as the reaper would have it.
  void confirm();
  // Waits until everything recorded so far is on disk; returns the number of events.
  store::Seq flush();

  SystemClock clock;
  crypto::SystemEntropy entropy;
  crypto::RootKey root;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<keys::KeyRing> keys;
  std::unique_ptr<vault::Vault> vault;
  std::unique_ptr<authority::Authority> authority;
  std::unique_ptr<reaper::Reaper> reaper;
};

// A request with a proof of its own, to the upstream "plain".
struct Prepared {
  http::RequestHead head;
  std::string htu, target;
};
Prepared prepare_call(World& world, const proof::Gate& gate, const crypto::PrivateKey& key,
                      const std::string& token, std::size_t i);

// Authorizes one request, as a gateway does before it forwards: proof, token, live task, route,
// policy, record.
class Authorizer {
 public:
  Authorizer(World& world, proof::Gate& gate);
  // `htu` as the client knows the URL. The error of a refused proof, or the command's.
  rt::Co<Result<authority::Verdict>> operator()(const http::RequestHead& head,
                                                const http::Peer& peer, std::string_view upstream,
                                                std::string_view htu, std::string_view target);

 private:
  World& world_;
  proof::Gate& gate_;
  jose::AccessTokenVerifier verifier_;
};

}  // namespace stint::bench
