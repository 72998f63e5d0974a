#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "failure.h"
#include "stint/base/clock.h"
#include "stint/base/entropy.h"
#include "stint/base/id.h"
#include "stint/codec/json.h"
#include "stint/crypto/sign.h"
#include "stint/domain/grant.h"
#include "stint/domain/task.h"
#include "stint/http/message.h"
#include "stint/net/tls.h"
#include "stint/rt/co.h"
#include "stint/rt/event.h"

namespace stint::cli {

// An agent's registered key, from a file of mode 0600: a private JWK, or PKCS#8 as PEM.
struct Identity {
  std::string agent;
  crypto::PrivateKey key;
  std::string kid;  // "" when the file names none: then the server takes the key for its algorithm
};
Outcome<Identity> load_identity(const std::string& agent, const std::string& path);

// What a task is opened with.
struct Wish {
  std::string purpose, reference, environment;
  std::optional<std::int64_t> ttl, idle;  // seconds
  domain::Budget budget;
  std::vector<domain::Grant> grants;
  std::string id_token;  // "": autonomous
};

struct UpstreamAddress {
  std::string name, kind, url, audience;
};

// An agent's instance and its one task: client of the authorization server (RFC 6749, 7523, 8693,
// 9396, 9449). Makes its DPoP key at construction; the key, the handle and the tokens stay in this
// object.
//
// Threads:   one executor's, but for construction. Concurrent callers share one mint.
// Ownership: borrows clock and entropy. Blocking: never; every wait is a co_await.
// Errors:    the server's own words (Failure). use_dpop_nonce is answered by one repetition, what
//            is only unavailable by two.
class TaskClient {
 public:
  TaskClient(const Clock& clock, Entropy& entropy, net::TlsClient tls, std::string addr,
             Identity identity, crypto::PrivateKey dpop_key);

  rt::Co<Outcome<void>> discover();
  rt::Co<Outcome<void>> open(Wish wish);
  // After open(): asks where the gateway is, and what the task's upstreams are.
  rt::Co<Outcome<void>> introduce();
  // A token for an upstream ("": for the server's own API), minted now unless one is good for a
  // while still.
  rt::Co<Outcome<std::string>> token_for(std::string upstream);
  // Mints one whatever there is: shows the server that we are still here.
  rt::Co<Outcome<void>> renew();
  // Closes the task as completed; when that fails, revokes its handle.
  rt::Co<Outcome<void>> end();

  const std::string& task() const { return task_; }
  const std::string& deadline() const { return deadline_; }
  const std::string& handle() const { return handle_; }  // for `stint task open` alone
  const std::string& gateway() const { return gateway_; }
  const json::Array& details() const { return details_; }  // what was granted
  const std::vector<domain::Grant>& grants() const { return grants_; }
  const std::vector<UpstreamAddress>& upstreams() const { return upstreams_; }

  // A proof for one request, and the nonce that the answer brought.
  Outcome<std::string> proof(std::string_view method, const std::string& url,
                             std::string_view token);
  void note_nonce(const std::string& url, const http::Headers& headers);
  void forget_token(const std::string& upstream) { tokens_.erase(upstream); }
  // GET or POST at the API with the task's own token.
  rt::Co<Outcome<http::Response>> api(std::string method, std::string path, std::string body);

 private:
  struct Token {
    std::string text;
    WallTime expires, renew_at;
  };
  std::string random_text();
  std::string audience_of(const std::string& upstream) const;
  Outcome<std::string> assertion();
  rt::Co<Outcome<http::Response>> send(std::string method, std::string url, http::Headers headers,
                                       std::string body);
  rt::Co<Outcome<json::Object>> token_request(
      std::vector<std::pair<std::string, std::string>> form);
  rt::Co<Outcome<std::string>> mint(std::string upstream);
  Outcome<void> keep_token(const std::string& upstream, const json::Object& reply);

  const Clock& clock_;
  Entropy& entropy_;
  net::TlsClient tls_;
  std::string addr_;
  Identity identity_;
  crypto::PrivateKey dpop_;
  std::string issuer_, gateway_, token_endpoint_, revocation_endpoint_;
  std::string task_, deadline_, handle_;
  json::Array details_;
  std::vector<domain::Grant> grants_;
  std::vector<UpstreamAddress> upstreams_;
  std::map<std::string, Token> tokens_;             // by upstream
  std::map<std::string, rt::SharedEvent> minting_;  // those under way
  std::map<std::string, std::string> nonces_;       // by origin
};

}  // namespace stint::cli
