#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/log.h"
#include "stint/resource/parse.h"

namespace stint::resource {

enum class RootKeySource : std::uint8_t { kFile, kSystemd, kPassphrase, kPkcs11 };
enum class Durability : std::uint8_t { kBatched, kStrict };  // of data-plane records of reads

// stint.yaml. Every value has a default that is safe on one machine.
struct Config {
  struct Server {
    std::string issuer;        // https://HOST:7443; empty: from listen.control
    std::string gateway;       // empty: from listen.gateway
    std::string trust_domain;  // shown in receipts and checkpoints; empty: the issuer's host
  } server;
  struct Listen {  // HOST:PORT, [IPv6]:PORT or unix:/path; empty: not served
    std::string control = "127.0.0.1:7443";
    std::string gateway = "127.0.0.1:7444";
    std::string decision;
    std::string operations = "127.0.0.1:7446";
  } listen;
  struct Tls {  // paths, as written; both or none
    std::string cert_file, key_file;
    bool client_certificates = true;  // requested, never required
  } tls;
  struct Store {
    std::string path;  // of SQLite's file; empty: $STINT_HOME/stint.db
    std::string url;   // of a PostgreSQL database, instead
    std::string password_file;
  } store;
  struct RootKey {
    RootKeySource source = RootKeySource::kFile;
    std::string path;      // kFile; empty: $STINT_HOME/root.key
    bool create = true;    // kFile, kPkcs11: made on first start
    std::string uri;       // kPkcs11: RFC 7512, names the token and the AES key in it
    std::string module;    // kPkcs11: the library to load
    std::string pin_file;  // kPkcs11; empty: the systemd credential stint-pkcs11-pin
  } root_key;
  struct Tokens {
    std::chrono::seconds ttl{300};
    std::string alg = "ES256";  // ES256, RS256, EdDSA
    std::chrono::seconds dpop_max_age{60};
    bool dpop_nonce = true;  // at the API; elsewhere always
  } tokens;
  struct Keys {                                                // that sign tokens
    std::chrono::seconds rotate_every{std::chrono::days(30)};  // 0: only when asked to
    std::chrono::seconds publish_ahead{600};                   // in the JWKS before it signs
  } keys;
  struct Tasks {
    std::chrono::seconds default_life{3600};
    std::chrono::seconds max_life{24 * 3600};
    std::int64_t max_depth = 4;
    std::int64_t max_children = 32;
  } tasks;
  struct Approvals {
    std::chrono::seconds ttl{600};
  } approvals;
  struct Limits {
    std::int64_t contexts = 0;  // threads of the network runtime; 0: one a core
    std::int64_t connections = 10'000;
    std::int64_t connections_per_ip = 1'000;
    std::int64_t header_bytes = 16 * 1024;
    std::int64_t api_body_bytes = 1024 * 1024;
    std::chrono::seconds header_timeout{10};
    std::chrono::seconds idle_timeout{60};
    std::chrono::seconds drain_timeout{30};
  } limits;
  struct Feed {
    std::chrono::seconds max_age{2};  // a live view older than this denies (promise S2)
  } feed;
  struct Audit {
    Durability durability = Durability::kBatched;
    std::chrono::seconds checkpoint_every{10};
  } audit;
  struct Log {
    log::Level level = log::Level::kInfo;
  } log;
};

// "127.0.0.1:7443" taken apart.
struct ListenAddress {
  std::string host;  // an IP address or `localhost`; IPv6 without brackets
  std::uint16_t port = 0;
  std::string unix_path;  // set: nothing else is
  bool loopback() const;  // also true for a unix socket
};
std::optional<ListenAddress> parse_listen(std::string_view text);

// Environment variables by name. Only STINT_SECTION__KEY (two underscores) is read here; lists are
// separated by commas.
using Environment = std::map<std::string, std::string, std::less<>>;

// The file's values (none given: the defaults), then the environment's over them. Unknown keys and
// variables, bad values, a public address without TLS, and contradictions are all reported at once;
// a variable's problem has its name as `file` and line 0.
// Threads: any. Limits: 256 KiB.
std::expected<Config, std::vector<Problem>> parse_config(const std::optional<File>& file,
                                                         const Environment& environment);

}  // namespace stint::resource
