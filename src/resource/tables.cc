#include <array>

#include "shape.h"

namespace stint::resource {
namespace {

using enum Type;
constexpr bool kRequired = true;

constexpr Field kSchemaKey{"$schema", kText, "where an editor finds this schema"};

constexpr Field kHumanFields[] = {
    kSchemaKey,
    {"human", kText, "name; becomes `sub` of tokens", kRequired},
    {"issuer", kText, "name of the issuer that knows this person", kRequired},
    {"subject", kText, "`sub` of that issuer's ID tokens", kRequired},
    {"email", kText, "for people who read"},
    {"groups", kTexts, "names of groups"},
};
constexpr Shape kHuman{"human", "A person, known by issuer and subject.", kHumanFields};

constexpr Field kGroupFields[] = {
    kSchemaKey,
    {"group", kText, "name", kRequired},
    {"description", kText, "for people who read"},
};
constexpr Shape kGroup{"group", "A set of people, for ownership and approvals.", kGroupFields};

constexpr std::string_view kTrustKinds[] = {"private_key_jwt"};
constexpr Field kTrustFields[] = {
    {"kind", kChoice, "how an instance proves that it is the agent", kRequired, kTrustKinds},
    {"jwks_file", kText, "file with the public JWK Set, relative to this one"},
    {"jwks", kObject, "the public JWK Set itself"},
};
constexpr Shape kTrust{"trust", "One way for instances to prove that they are the agent.",
                       kTrustFields};
constexpr std::string_view kStatuses[] = {"active", "suspended", "retired"};
constexpr Field kAgentFields[] = {
    kSchemaKey,
    {"agent", kText, "name", kRequired},
    {"owner", kText, "name of the human or group that answers for it", kRequired},
    {"description", kText, "for people who read"},
    {"status", kChoice, "suspended and retired agents open no task", false, kStatuses},
    {"environment", kText, "environment of its tasks when they name none"},
    {"labels", kTexts, "words that policies can ask for"},
    {"trust", kMaps, "how its instances prove themselves", kRequired, {}, &kTrust},
    {"edge_verifier", kBool, "may follow /v1/feed: what no longer counts, of every agent"},
};
constexpr Shape kAgent{"agent", "A registered non-human identity.", kAgentFields};

constexpr std::string_view kAs[] = {"header", "basic"};
constexpr Field kInjectFields[] = {
    {"credential", kText, "name of the credential", kRequired},
    {"as", kChoice, "a header, or HTTP Basic", false, kAs},
    {"name", kText, "as header: the header's name; Authorization when absent"},
    {"format", kText, "as header: the value, with {secret} in it"},
    {"username", kText, "as basic: the user; the credential is the password"},
};
constexpr Shape kInject{"inject", "How the credential gets into a request.", kInjectFields};
constexpr std::string_view kClasses[] = {"read",   "write", "execute",   "export",
                                         "delete", "share", "privilege", "credential"};
constexpr Field kActionFields[] = {
    {"action", kText, "name, unique in its upstream", kRequired},
    {"class", kChoice, "what kind of thing it does", kRequired, kClasses},
    {"match", kText, "METHOD /path/{parameter}?query=value", kRequired},
};
constexpr Shape kAction{"action", "Which requests are this action.", kActionFields};
constexpr Field kUpstreamLimitFields[] = {
    {"request_bytes", kSize, "most bytes of a request's body", false, {}, nullptr, 0, kMaxSize},
    {"response_bytes", kSize, "most bytes of an answer's body", false, {}, nullptr, 0, kMaxSize},
    {"connect_timeout", kDuration, "for a connection", false, {}, nullptr, 1, 300},
    {"response_timeout", kDuration, "to the answer's first byte", false, {}, nullptr, 1, 3600},
    {"idle_timeout", kDuration, "between two bytes", false, {}, nullptr, 1, 3600},
    {"concurrent", kInt, "calls under way at once", false, {}, nullptr, 1, 100'000},
};
constexpr Shape kUpstreamLimits{"limits", "Bounds of each call.", kUpstreamLimitFields};
constexpr Field kUpstreamTlsFields[] = {
    {"ca_file", kText, "PEM file of the only roots to trust, relative to this one", kRequired},
};
constexpr Shape kUpstreamTls{"tls", "Whom to believe about the upstream.", kUpstreamTlsFields};
constexpr std::string_view kUpstreamKinds[] = {"http", "git"};
constexpr std::string_view kSensitivities[] = {"public", "internal", "confidential", "restricted"};
constexpr std::string_view kUnmatched[] = {"deny", "ask"};
constexpr std::string_view kAlgs[] = {"ES256", "RS256", "EdDSA"};
constexpr Field kUpstreamFields[] = {
    kSchemaKey,
    {"upstream", kText, "name; part of the gateway's paths", kRequired},
    {"kind", kChoice, "how its requests are understood", kRequired, kUpstreamKinds},
    {"url", kText, "http or https, with the path that all requests begin with", kRequired},
    {"description", kText, "for people who read"},
    {"sensitivity", kChoice, "harm that a leak of its data does", kRequired, kSensitivities},
    {"labels", kTexts, "words that policies can ask for"},
    {"inject", kMap, "the credential that its requests carry", false, {}, &kInject},
    {"actions", kMaps, "kind http: what can be done to it", false, {}, &kAction},
    {"unmatched", kChoice, "what no action matches: deny, or ask a person", false, kUnmatched},
    {"limits", kMap, "bounds of each call", false, {}, &kUpstreamLimits},
    {"tls", kMap, "whom to believe about it", false, {}, &kUpstreamTls},
    {"token_alg", kChoice, "signature of tokens for it; as the service says when absent", false,
     kAlgs},
};
constexpr Shape kUpstream{"upstream", "A protected service.", kUpstreamFields};

constexpr std::string_view kSources[] = {"file", "stdin", "prompt"};
constexpr Field kCredentialFields[] = {
    kSchemaKey,
    {"credential", kText, "name", kRequired},
    {"description", kText, "for people who read"},
    {"source", kChoice, "where its value is asked for; never the value", false, kSources},
    {"path", kText, "source file: the file, relative to this one"},
};
constexpr Shape kCredential{
    "credential", "What an upstream accepts; its value is never written here.", kCredentialFields};

constexpr std::string_view kJwks[] = {"discovery"};
constexpr Field kClaimFields[] = {
    {"groups", kText, "claim with a list of group names"},
    {"email", kText, "claim with the address"},
};
constexpr Shape kClaims{"claims", "Names of claims.", kClaimFields};
constexpr Field kIssuerFields[] = {
    kSchemaKey,
    {"issuer", kText, "name", kRequired},
    {"url", kText, "`iss` of its tokens, byte for byte", kRequired},
    {"audiences", kTexts, "one of these must be in `aud`", kRequired},
    {"jwks", kChoice, "discovery: keys are found at the issuer", false, kJwks},
    {"jwks_file", kText, "file with its public JWK Set, relative to this one"},
    {"claims", kMap, "where to find what", false, {}, &kClaims},
    {"max_age",
     kDuration,
     "an ID token issued longer ago is refused",
     false,
     {},
     nullptr,
     10,
     86400},
};
constexpr Shape kIssuer{"issuer", "An OpenID provider that is believed about people.",
                        kIssuerFields};

// `issuer` last: a human has that key too.
constexpr const Shape* kResources[] = {&kHuman,      &kAgent, &kUpstream,
                                       &kCredential, &kGroup, &kIssuer};

constexpr Field kServerFields[] = {
    {"issuer", kText, "URL that clients know the service by"},
    {"gateway", kText, "URL that clients know the gateway by"},
    {"trust_domain", kText, "name in receipts and checkpoints"},
};
constexpr Field kListenFields[] = {
    {"control", kText, "HOST:PORT or unix:/path; empty: not served"},
    {"gateway", kText, "HOST:PORT or unix:/path; empty: not served"},
    {"decision", kText, "HOST:PORT or unix:/path; empty: not served"},
    {"operations", kText, "HOST:PORT or unix:/path; empty: not served"},
};
constexpr Field kTlsFields[] = {
    {"cert_file", kText, "PEM certificate chain"},
    {"key_file", kText, "PEM private key"},
    {"client_certificates", kBool, "ask clients for one (never required)"},
};
constexpr Field kStoreFields[] = {
    {"path", kText, "SQLite file"},
    {"url", kText, "PostgreSQL database that several nodes share: postgres://USER@HOST/DATABASE"},
    {"password_file", kText, "holds the database user's password, and nothing else"}};
constexpr std::string_view kRootKeySources[] = {"file", "systemd", "passphrase", "pkcs11"};
constexpr Field kRootKeyFields[] = {
    {"source", kChoice, "where the key that seals all others comes from", false, kRootKeySources},
    {"path", kText, "source file: the file, mode 0600"},
    {"create", kBool, "source file, pkcs11: make it on first start"},
    {"uri", kText, "source pkcs11: the token and the AES key in it, pkcs11:token=…;object=…"},
    {"module", kText, "source pkcs11: the PKCS#11 library to load, its whole path"},
    {"pin_file", kText,
     "source pkcs11: file with the user's PIN, mode 0600; absent: the systemd credential "
     "stint-pkcs11-pin"},
};
constexpr Field kTokenFields[] = {
    {"ttl", kDuration, "life of an access token", false, {}, nullptr, 10, 300},
    {"alg", kChoice, "signature of access tokens whose upstream names none", false, kAlgs},
    {"dpop_max_age",
     kDuration,
     "a DPoP proof made longer ago is refused",
     false,
     {},
     nullptr,
     5,
     300},
    {"dpop_nonce", kBool, "proofs at the API answer a nonce, as they always do elsewhere"},
};
constexpr Field kKeyFields[] = {
    {"rotate_every",
     kDuration,
     "age at which a signing key is replaced; 0s: only by stint keys rotate",
     false,
     {},
     nullptr,
     0,
     31'536'000},
    {"publish_ahead",
     kDuration,
     "a new key is in the JWKS for so long before it signs",
     false,
     {},
     nullptr,
     0,
     86'400},
};
constexpr Field kTaskFields[] = {
    {"default_life", kDuration, "of a task that names no deadline", false, {}, nullptr, 1, 2592000},
    {"max_life", kDuration, "of any task", false, {}, nullptr, 1, 2592000},
    {"max_depth", kInt, "levels of delegation", false, {}, nullptr, 0, 16},
    {"max_children", kInt, "open at once below one task", false, {}, nullptr, 0, 1024},
};
constexpr Field kApprovalFields[] = {
    {"ttl", kDuration, "how long a question waits for its answer", false, {}, nullptr, 10, 86400},
};
constexpr Field kLimitFields[] = {
    {"contexts", kInt, "network threads; 0: one a core", false, {}, nullptr, 0, 256},
    {"connections", kInt, "open at once", false, {}, nullptr, 1, 1'000'000},
    {"connections_per_ip", kInt, "open at once from one address", false, {}, nullptr, 1, 1'000'000},
    {"header_bytes", kSize, "of a request head", false, {}, nullptr, 1024, 65536},
    {"api_body_bytes", kSize, "of a request to the API", false, {}, nullptr, 1024, 64LL << 20},
    {"header_timeout", kDuration, "for a whole request head", false, {}, nullptr, 1, 120},
    {"idle_timeout", kDuration, "of a connection between requests", false, {}, nullptr, 1, 3600},
    {"drain_timeout", kDuration, "for calls under way at the end", false, {}, nullptr, 0, 3600},
};
constexpr Field kFeedFields[] = {
    {"max_age", kDuration, "a view of live tasks older than this denies", false, {}, nullptr, 1, 2},
};
constexpr std::string_view kDurabilities[] = {"batched", "strict"};
constexpr Field kAuditFields[] = {
    {"durability", kChoice, "strict: records of reads too are on disk before the act", false,
     kDurabilities},
    {"checkpoint_every", kDuration, "between signed checkpoints", false, {}, nullptr, 1, 3600},
};
constexpr std::string_view kLevels[] = {"debug", "info", "warning", "error"};
constexpr Field kLogFields[] = {{"level", kChoice, "of messages on stderr", false, kLevels}};

constexpr Shape kServer{"server", "How clients reach the service.", kServerFields};
constexpr Shape kListen{"listen", "Where it listens; loopback unless TLS is set.", kListenFields};
constexpr Shape kTls{"tls", "Its certificate.", kTlsFields};
constexpr Shape kStore{"store", "Where state is kept.", kStoreFields};
constexpr Shape kRootKey{"root_key", "What seals credentials and signing keys.", kRootKeyFields};
constexpr Shape kTokens{"tokens", "Access tokens and proofs.", kTokenFields};
constexpr Shape kKeys{"keys", "Keys that sign tokens.", kKeyFields};
constexpr Shape kTasks{"tasks", "Bounds of tasks.", kTaskFields};
constexpr Shape kApprovals{"approvals", "Questions to people.", kApprovalFields};
constexpr Shape kLimits{"limits", "Bounds of the service.", kLimitFields};
constexpr Shape kFeed{"feed", "The live view.", kFeedFields};
constexpr Shape kAudit{"audit", "The log.", kAuditFields};
constexpr Shape kLog{"log", "Operational messages.", kLogFields};
constexpr Field section(const Shape& shape) {
  return {shape.name, kMap, shape.doc, false, {}, &shape};
}
constexpr Field kConfigFields[] = {
    kSchemaKey,        section(kServer), section(kListen), section(kTls),   section(kStore),
    section(kRootKey), section(kTokens), section(kKeys),   section(kTasks), section(kApprovals),
    section(kLimits),  section(kFeed),   section(kAudit),  section(kLog),
};
constexpr Shape kConfig{"config", "The service's own configuration, stint.yaml.", kConfigFields};

}  // namespace

std::span<const Shape* const> resource_shapes() { return kResources; }
const Shape& config_shape() { return kConfig; }

}  // namespace stint::resource
