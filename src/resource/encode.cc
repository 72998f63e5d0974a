#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "stint/codec/json.h"
#include "stint/resource/resource.h"

// The stored form. Each type names its members once, in fields(); writing and reading walk the same
// list, so they cannot drift apart.
namespace stint::resource {
namespace {

template <class T, class F>
void fields(T& v, F&& f)
  requires std::same_as<std::remove_const_t<T>, Issuer>
{
  f("name", v.name), f("url", v.url), f("audiences", v.audiences), f("jwks", v.jwks);
  f("groups_claim", v.groups_claim), f("email_claim", v.email_claim), f("max_age", v.max_age);
}
template <class T, class F>
void fields(T& v, F&& f)
  requires std::same_as<std::remove_const_t<T>, Group>
{
  f("name", v.name), f("description", v.description);
}
template <class T, class F>
void fields(T& v, F&& f)
  requires std::same_as<std::remove_const_t<T>, Human>
{
  f("name", v.name), f("issuer", v.issuer), f("subject", v.subject), f("email", v.email);
  f("groups", v.groups);
}
template <class T, class F>
void fields(T& v, F&& f)
  requires std::same_as<std::remove_const_t<T>, Credential>
{
  f("name", v.name), f("description", v.description), f("source", v.source), f("path", v.path);
}
template <class T, class F>
void fields(T& v, F&& f)
  requires std::same_as<std::remove_const_t<T>, Injection>
{
  f("credential", v.credential), f("as", v.as), f("header", v.header), f("format", v.format);
  f("username", v.username);
}
template <class T, class F>
void fields(T& v, F&& f)
  requires std::same_as<std::remove_const_t<T>, ActionRule>
{
  f("action", v.action), f("class", v.action_class), f("match", v.match);
}
template <class T, class F>
void fields(T& v, F&& f)
  requires std::same_as<std::remove_const_t<T>, UpstreamLimits>
{
  f("request_bytes", v.request_bytes), f("response_bytes", v.response_bytes);
  f("connect_timeout", v.connect_timeout), f("response_timeout", v.response_timeout);
  f("idle_timeout", v.idle_timeout), f("concurrent", v.concurrent);
}
template <class T, class F>
void fields(T& v, F&& f)
  requires std::same_as<std::remove_const_t<T>, Upstream>
{
  f("name", v.name), f("kind", v.kind), f("url", v.url), f("description", v.description);
  f("sensitivity", v.sensitivity), f("labels", v.labels), f("inject", v.inject);
  f("actions", v.actions), f("unmatched", v.unmatched), f("limits", v.limits);
  f("tls_ca", v.tls_ca), f("token_alg", v.token_alg);
}
template <class T, class F>
void fields(T& v, F&& f)
  requires std::same_as<std::remove_const_t<T>, Trust>
{
  f("kind", v.kind), f("jwks", v.jwks);
}
template <class T, class F>
void fields(T& v, F&& f)
  requires std::same_as<std::remove_const_t<T>, Agent>
{
  f("name", v.name), f("owner", v.owner), f("description", v.description), f("status", v.status);
  f("environment", v.environment), f("labels", v.labels), f("trust", v.trust);
  f("edge_verifier", v.edge_verifier);
}
template <class T, class F>
void fields(T& v, F&& f)
  requires std::same_as<std::remove_const_t<T>, Policy>
{
  f("name", v.name), f("text", v.text);
}

std::string_view text(Trust::Kind) { return "private_key_jwt"; }
std::string_view text(Injection::As a) { return a == Injection::As::kHeader ? "header" : "basic"; }
using resource::text;

// --- writing ---
json::Value to_value(const std::string& v) { return json::String(v); }
json::Value to_value(std::int64_t v) { return v; }
json::Value to_value(bool v) { return v; }
json::Value to_value(std::chrono::seconds v) { return static_cast<std::int64_t>(v.count()); }
template <class E>
  requires std::is_enum_v<E>
json::Value to_value(E v) {
  if constexpr (std::same_as<E, domain::ActionClass> || std::same_as<E, domain::Sensitivity>)
    return json::String(domain::text(v));
  else
    return json::String(text(v));
}
template <class T>
  requires std::is_class_v<T>
json::Value to_value(const T& v);
template <class T>
json::Value to_value(const std::vector<T>& list) {
  json::Array out;
  for (const T& v : list) out.push_back(to_value(v));
  return out;
}
template <class T>
json::Value to_value(const std::optional<T>& v) {
  return v ? to_value(*v) : json::Value(nullptr);
}
template <class T>
  requires std::is_class_v<T>
json::Value to_value(const T& v) {
  json::Object out;
  fields(v, [&](std::string_view name, const auto& member) { out[name] = to_value(member); });
  return out;
}

// --- reading ---
Error wrong() { return {Errc::kMalformed, "stored resource"}; }

Status from_value(const json::Value& v, std::string& out) {
  if (!v.is_string()) return fail(wrong());
  out = std::string_view(v.get_string());
  return {};
}
Status from_value(const json::Value& v, std::int64_t& out) {
  if (!v.is_int64()) return fail(wrong());
  out = v.get_int64();
  return {};
}
Status from_value(const json::Value& v, bool& out) {
  if (!v.is_bool()) return fail(wrong());
  out = v.get_bool();
  return {};
}
Status from_value(const json::Value& v, std::chrono::seconds& out) {
  std::int64_t n = 0;
  if (const auto ok = from_value(v, n); !ok) return ok;
  out = std::chrono::seconds(n);
  return {};
}
template <class E, std::size_t N>
Status pick(const json::Value& v, const E (&all)[N], E& out) {
  if (!v.is_string()) return fail(wrong());
  for (const E e : all) {
    if (to_value(e) == v) {
      out = e;
      return {};
    }
  }
  return fail(wrong());
}
Status from_value(const json::Value& v, AgentStatus& out) {
  using enum AgentStatus;
  return pick(v, {kActive, kSuspended, kRetired}, out);
}
Status from_value(const json::Value& v, UpstreamKind& out) {
  return pick(v, {UpstreamKind::kHttp, UpstreamKind::kGit}, out);
}
Status from_value(const json::Value& v, Unmatched& out) {
  return pick(v, {Unmatched::kDeny, Unmatched::kAsk}, out);
}
Status from_value(const json::Value& v, Trust::Kind& out) {
  return pick(v, {Trust::Kind::kPrivateKeyJwt}, out);
}
Status from_value(const json::Value& v, Injection::As& out) {
  return pick(v, {Injection::As::kHeader, Injection::As::kBasic}, out);
}
Status from_value(const json::Value& v, Credential::Source& out) {
  using enum Credential::Source;
  return pick(v, {kFile, kStdin, kPrompt}, out);
}
Status from_value(const json::Value& v, domain::ActionClass& out) {
  std::string word;
  if (const auto ok = from_value(v, word); !ok) return ok;
  out = STINT_TRY(domain::parse_action_class(word));
  return {};
}
Status from_value(const json::Value& v, domain::Sensitivity& out) {
  std::string word;
  if (const auto ok = from_value(v, word); !ok) return ok;
  out = STINT_TRY(domain::parse_sensitivity(word));
  return {};
}
Status from_value(const json::Value& v, crypto::Alg& out) {
  using enum crypto::Alg;
  return pick(v, {kES256, kRS256, kEdDSA}, out);
}
template <class T>
  requires std::is_class_v<T>
Status from_value(const json::Value& v, T& out);
template <class T>
Status from_value(const json::Value& v, std::vector<T>& out) {
  if (!v.is_array()) return fail(wrong());
  for (const json::Value& item : v.get_array()) {
    T one;
    if (const auto ok = from_value(item, one); !ok) return ok;
    out.push_back(std::move(one));
  }
  return {};
}
template <class T>
Status from_value(const json::Value& v, std::optional<T>& out) {
  if (v.is_null()) return {};
  return from_value(v, out.emplace());
}
template <class T>
constexpr bool may_be_none(const T&) {
  return false;
}
template <class T>
constexpr bool may_be_none(const std::optional<T>&) {
  return true;
}
template <class T>
  requires std::is_class_v<T>
Status from_value(const json::Value& v, T& out) {
  if (!v.is_object()) return fail(wrong());
  const json::Object& o = v.get_object();
  Status status;
  std::size_t members = 0;
  fields(out, [&](std::string_view name, auto& member) {
    const json::Value* found = o.if_contains(name);
    if (found == nullptr && may_be_none(member)) return;
    ++members;
    if (!status) return;
    if (found == nullptr)
      status = fail(Errc::kMissing, "stored resource member missing");
    else
      status = from_value(*found, member);
  });
  if (status && o.size() != members)
    return fail(Errc::kUnknownKey, "stored resource member unknown");
  return status;
}

template <class T>
Result<Resource> read(const json::Value& v) {
  T out;
  if (const auto ok = from_value(v, out); !ok) return fail(ok.error());
  return Resource(std::move(out));
}

}  // namespace

std::string encode(const Resource& r) {
  return json::canonical(std::visit([](const auto& v) { return to_value(v); }, r));
}

Result<Resource> decode(Kind kind, std::string_view body) {
  const auto v = STINT_TRY(json::parse(body, {.bytes = 4 * 1024 * 1024, .depth = 32}));
  switch (kind) {
    case Kind::kIssuer:
      return read<Issuer>(v);
    case Kind::kGroup:
      return read<Group>(v);
    case Kind::kHuman:
      return read<Human>(v);
    case Kind::kCredential:
      return read<Credential>(v);
    case Kind::kUpstream:
      return read<Upstream>(v);
    case Kind::kAgent:
      return read<Agent>(v);
    case Kind::kPolicy:
      return read<Policy>(v);
  }
  __builtin_trap();
}

}  // namespace stint::resource
