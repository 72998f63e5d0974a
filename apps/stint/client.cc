#include "client.h"

#include <fmt/format.h>

#include <algorithm>

#include "files.h"
#include "stint/codec/base64url.h"
#include "stint/codec/form.h"
#include "stint/codec/url.h"
#include "stint/domain/json.h"
#include "stint/jose/client_assertion.h"
#include "stint/jose/dpop.h"
#include "stint/jose/jwk.h"
#include "stint/net/client.h"

namespace stint::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kAssertionType =
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
constexpr int kTries = 3;

Failure malformed(std::string what) {
  return Failure::local(std::move(what), "is it Stint's control listener that answers there?");
}

std::string text_at(const json::Object& o, std::string_view key) {
  const auto s = json::optional_string_at(o, key);
  return s && *s ? std::string(**s) : "";
}

std::string origin_of(const std::string& url) {
  const auto parsed = codec::parse_url(url);
  return parsed ? parsed->origin() : url;
}

bool wants_nonce(const http::Response& r) {
  if (r.status != 400 && r.status != 401) return false;
  const auto challenge = r.headers.find("WWW-Authenticate");
  return r.body.find("use_dpop_nonce") != std::string::npos ||
         (challenge && challenge->find("use_dpop_nonce") != std::string_view::npos);
}

Result<crypto::PrivateKey> read_key(std::string_view text) {
  if (text.find("-----BEGIN") == std::string_view::npos) return jose::parse_private_jwk(text);
  Result<crypto::PrivateKey> key = fail(Errc::kMalformed, "not a key");
  for (const auto alg : {crypto::Alg::kES256, crypto::Alg::kEdDSA, crypto::Alg::kRS256}) {
    key = crypto::PrivateKey::from_pem(text, alg);
    if (key || key.error().code != Errc::kWrongKey) break;
  }
  return key;
}

}  // namespace

Outcome<Identity> load_identity(const std::string& agent, const std::string& path) {
  auto text = read_private_file(path, 64 * 1024);
  if (!text)
    return std::unexpected(Failure::of(text.error(), "cannot read the agent's key " + path));
  const WipeAtEnd wiped(*text);
  auto key = read_key(*text);
  if (!key) return std::unexpected(Failure::of(key.error(), path + " holds no usable private key"));
  std::string kid;
  if (auto jwk = json::parse_object(*text)) kid = text_at(*jwk, "kid");
  return Identity{.agent = agent, .key = *std::move(key), .kid = std::move(kid)};
}

TaskClient::TaskClient(const Clock& clock, Entropy& entropy, net::TlsClient tls, std::string addr,
                       Identity identity, crypto::PrivateKey dpop_key)
    : clock_(clock),
      entropy_(entropy),
      tls_(std::move(tls)),
      addr_(std::move(addr)),
      identity_(std::move(identity)),
      dpop_(std::move(dpop_key)) {
  while (addr_.ends_with('/')) addr_.pop_back();
}

std::string TaskClient::random_text() {
  return codec::encode_base64url(random_bytes<16>(entropy_));
}

Outcome<std::string> TaskClient::proof(std::string_view method, const std::string& url,
                                       std::string_view token) {
  const auto htu = codec::normalise_htu(url);
  if (!htu) return std::unexpected(Failure::of(htu.error(), "not a URL that can be called"));
  const std::string jti = random_text();
  const auto nonce = nonces_.find(origin_of(url));
  auto made = jose::make_proof(dpop_, {.method = method,
                                       .htu = *htu,
                                       .now = clock_.wall(),
                                       .jti = jti,
                                       .access_token = token,
                                       .nonce = nonce == nonces_.end() ? "" : nonce->second});
  if (!made) return std::unexpected(Failure::of(made.error(), "cannot make a DPoP proof"));
  return *std::move(made);
}

void TaskClient::note_nonce(const std::string& url, const http::Headers& headers) {
  if (const auto nonce = headers.one("DPoP-Nonce")) nonces_[origin_of(url)] = std::string(*nonce);
}

Outcome<std::string> TaskClient::assertion() {
  const std::string jti = random_text();
  auto made = jose::make_client_assertion(identity_.key, identity_.kid, identity_.agent, issuer_,
                                          jti, clock_.wall(), seconds(60));
  if (!made) return std::unexpected(Failure::of(made.error(), "cannot sign with the agent's key"));
  return *std::move(made);
}

rt::Co<Outcome<http::Response>> TaskClient::send(std::string method, std::string url,
                                                 http::Headers headers, std::string body) {
  auto got = co_await net::fetch(clock_,
                                 {.method = std::move(method),
                                  .url = url,
                                  .headers = std::move(headers),
                                  .body = std::move(body)},
                                 tls_);
  if (!got) co_return std::unexpected(Failure::of(got.error(), "cannot reach " + origin_of(url)));
  note_nonce(url, got->headers);
  co_return *std::move(got);
}

rt::Co<Outcome<void>> TaskClient::discover() {
  auto got = co_await send("GET", addr_ + "/.well-known/oauth-authorization-server", {}, "");
  if (!got) co_return std::unexpected(got.error());
  if (got->status != 200) co_return std::unexpected(Failure::of_response(*got));
  const auto body = json::parse_object(got->body);
  if (!body) co_return std::unexpected(malformed("the server's metadata cannot be read"));
  issuer_ = text_at(*body, "issuer");
  token_endpoint_ = text_at(*body, "token_endpoint");
  revocation_endpoint_ = text_at(*body, "revocation_endpoint");
  if (issuer_.empty() || token_endpoint_.empty())
    co_return std::unexpected(malformed("the server's metadata has no issuer"));
  // RFC 8414 section 3.3: who answers must be who was asked; else it is somebody's mix-up.
  if (origin_of(issuer_) != origin_of(addr_) || origin_of(token_endpoint_) != origin_of(issuer_))
    co_return std::unexpected(
        Failure::local(fmt::format("{} says that it is {}", addr_, printable(issuer_)),
                       "use the issuer's own URL as STINT_ADDR"));
  co_return Outcome<void>();
}

rt::Co<Outcome<json::Object>> TaskClient::token_request(
    std::vector<std::pair<std::string, std::string>> fields) {
  Failure last;
  bool had_nonce = false;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    codec::Form form;
    for (const auto& [name, value] : fields) form.add(name, value);
    auto signed_by_us = assertion();  // a new one each time: its jti counts once
    if (!signed_by_us) co_return std::unexpected(signed_by_us.error());
    form.add("client_assertion_type", kAssertionType);
    form.add("client_assertion", *signed_by_us);
    auto dpop = proof("POST", token_endpoint_, "");
    if (!dpop) co_return std::unexpected(dpop.error());
    http::Headers headers{{"Content-Type", "application/x-www-form-urlencoded"},
                          {"Accept", "application/json"},
                          {"DPoP", *dpop}};
    auto got = co_await send("POST", token_endpoint_, std::move(headers), form.str());
    if (got && got->status == 200) {
      auto body = json::parse_object(got->body, {.bytes = 256 * 1024});
      if (!body) co_return std::unexpected(malformed("the token response cannot be read"));
      co_return *std::move(body);
    }
    last = got ? Failure::of_response(*got) : got.error();
    if (got && wants_nonce(*got) && !had_nonce) {
      had_nonce = true;
      continue;
    }
    if (last.exit != Exit::kTryAgain || attempt + 1 == kTries) break;
    co_await rt::sleep_for(milliseconds(200 << attempt));
  }
  co_return std::unexpected(last);
}

Outcome<void> TaskClient::keep_token(const std::string& upstream, const json::Object& reply) {
  const auto token = json::string_at(reply, "access_token");
  const auto life = json::int_at(reply, "expires_in");
  if (!token || !life || *life <= 0)
    return std::unexpected(malformed("the token response has no token"));
  const WallTime now = clock_.wall();
  const milliseconds whole = seconds(*life);
  // Early enough that a request under way does not meet the end; often enough to be worth it.
  const milliseconds early = std::min<milliseconds>(seconds(30), whole / 4);
  Token& kept = tokens_[upstream];
  wipe(kept.text);
  kept = {.text = std::string(*token), .expires = now + whole, .renew_at = now + whole - early};
  return {};
}

rt::Co<Outcome<void>> TaskClient::open(Wish wish) {
  json::Object task{{"type", "stint_task"}, {"purpose", wish.purpose}};
  if (!wish.reference.empty()) task["reference"] = wish.reference;
  if (!wish.environment.empty()) task["environment"] = wish.environment;
  if (wish.ttl) task["ttl"] = *wish.ttl;
  if (wish.idle) task["idle"] = *wish.idle;
  json::Object budget;
  if (wish.budget.requests) budget["requests"] = *wish.budget.requests;
  if (wish.budget.bytes_out) budget["bytes_out"] = *wish.budget.bytes_out;
  if (!budget.empty()) task["budget"] = std::move(budget);
  json::Array details = domain::to_json(wish.grants);
  details.insert(details.begin(), json::Value(std::move(task)));

  std::vector<std::pair<std::string, std::string>> form{
      {"authorization_details", json::write(json::Value(details))}, {"resource", issuer_}};
  if (wish.id_token.empty()) {
    form.emplace_back("grant_type", "client_credentials");
  } else {
    form.emplace_back("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
    form.emplace_back("subject_token", wish.id_token);
    form.emplace_back("subject_token_type", "urn:ietf:params:oauth:token-type:id_token");
  }
  auto reply = co_await token_request(std::move(form));
  if (!reply) co_return std::unexpected(reply.error());
  handle_ = text_at(*reply, "refresh_token");
  if (const auto granted = json::array_at(*reply, "authorization_details")) details_ = **granted;
  for (const json::Value& v : details_) {
    if (!v.is_object()) continue;
    const json::Object& o = v.get_object();
    if (text_at(o, "type") == "stint_task") {
      task_ = text_at(o, "id");
      deadline_ = printable(text_at(o, "deadline"));
    } else if (auto grant = domain::grant_from_json(v)) {
      grants_.push_back(*std::move(grant));
    }
  }
  if (handle_.empty() || !TaskId::parse(task_))
    co_return std::unexpected(malformed("the token response names no task"));
  co_return keep_token("", *reply);
}

std::string TaskClient::audience_of(const std::string& upstream) const {
  if (upstream.empty()) return issuer_;
  const auto found = std::ranges::find(upstreams_, upstream, &UpstreamAddress::name);
  return found == upstreams_.end() ? gateway_ + "/u/" + upstream : found->audience;
}

rt::Co<Outcome<std::string>> TaskClient::mint(std::string upstream) {
  auto reply = co_await token_request({{"grant_type", "refresh_token"},
                                       {"refresh_token", handle_},
                                       {"resource", audience_of(upstream)}});
  if (!reply) co_return std::unexpected(reply.error());
  if (auto kept = keep_token(upstream, *reply); !kept) co_return std::unexpected(kept.error());
  co_return tokens_[upstream].text;
}

rt::Co<Outcome<std::string>> TaskClient::token_for(std::string upstream) {
  for (;;) {
    const auto kept = tokens_.find(upstream);
    if (kept != tokens_.end() && clock_.wall() < kept->second.renew_at) co_return kept->second.text;
    const auto running = minting_.find(upstream);
    if (running == minting_.end()) break;
    const rt::SharedEvent done = running->second;
    if (!co_await done.wait()) break;
    if (!tokens_.contains(upstream)) break;  // that mint failed: ask for ourselves, and hear why
  }
  const rt::SharedEvent done;
  minting_.insert_or_assign(upstream, done);
  auto token = co_await mint(upstream);
  minting_.erase(upstream);
  done.set();
  if (token) co_return token;
  // What is left of a token may still do when the server is only away for a moment.
  const auto kept = tokens_.find(upstream);
  if (token.error().exit == Exit::kTryAgain && kept != tokens_.end() &&
      clock_.wall() < kept->second.expires)
    co_return kept->second.text;
  tokens_.erase(upstream);
  co_return token;
}

rt::Co<Outcome<void>> TaskClient::renew() {
  auto token = co_await mint("");
  if (!token) co_return std::unexpected(token.error());
  co_return Outcome<void>();
}

rt::Co<Outcome<http::Response>> TaskClient::api(std::string method, std::string path,
                                                std::string body) {
  const std::string url = issuer_ + path;
  for (int attempt = 0;; ++attempt) {
    auto token = co_await token_for("");
    if (!token) co_return std::unexpected(token.error());
    auto dpop = proof(method, url, *token);
    if (!dpop) co_return std::unexpected(dpop.error());
    http::Headers headers{{"Authorization", "DPoP " + *token}, {"DPoP", *dpop}};
    if (!body.empty()) headers.add("Content-Type", "application/json");
    auto got = co_await send(method, url, std::move(headers), body);
    if (!got) co_return std::unexpected(got.error());
    if (attempt == 0 && wants_nonce(*got)) continue;
    if (got->status >= 300) co_return std::unexpected(Failure::of_response(*got));
    co_return *std::move(got);
  }
}

rt::Co<Outcome<void>> TaskClient::introduce() {
  auto got = co_await api("GET", "/v1/whoami", "");
  if (!got) co_return std::unexpected(got.error());
  const auto body = json::parse_object(got->body);
  const auto list =
      body ? json::array_at(*body, "upstreams") : Result<const json::Array*>(fail(body.error()));
  if (!list) co_return std::unexpected(malformed("the server does not say where its gateway is"));
  gateway_ = text_at(*body, "gateway");
  for (const json::Value& v : **list) {
    if (!v.is_object()) continue;
    const json::Object& o = v.get_object();
    upstreams_.push_back({.name = text_at(o, "name"),
                          .kind = text_at(o, "kind"),
                          .url = text_at(o, "url"),
                          .audience = text_at(o, "audience")});
  }
  co_return Outcome<void>();
}

rt::Co<Outcome<void>> TaskClient::end() {
  auto ended = co_await api("POST", "/v1/tasks/" + task_ + "/end", R"({"how":"completed"})");
  if (ended) co_return Outcome<void>();
  if (revocation_endpoint_.empty()) co_return std::unexpected(ended.error());
  auto signed_by_us = assertion();
  if (!signed_by_us) co_return std::unexpected(signed_by_us.error());
  codec::Form form;  // RFC 7009: revoking the handle ends the task
  form.add("token", handle_);
  form.add("token_type_hint", "refresh_token");
  form.add("client_assertion_type", kAssertionType);
  form.add("client_assertion", *signed_by_us);
  auto revoked = co_await send("POST", revocation_endpoint_,
                               {{"Content-Type", "application/x-www-form-urlencoded"}}, form.str());
  if (!revoked) co_return std::unexpected(revoked.error());
  if (revoked->status != 200) co_return std::unexpected(Failure::of_response(*revoked));
  co_return Outcome<void>();
}

}  // namespace stint::cli
