#include "stint/trust/issuer_keys.h"

#include <boost/json/object.hpp>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "stint/codec/json.h"
#include "stint/codec/url.h"
#include "stint/net/client.h"
#include "stint/rt/deadline.h"
#include "stint/rt/event.h"

namespace stint::trust {
namespace {

using KeySet = std::shared_ptr<const jose::JwkSet>;

rt::Co<Result<http::Response>> get(const Clock* clock, net::TlsClient tls, KeyLimits limits,
                                   std::string url) {
  net::SimpleRequest request{.method = "GET", .url = std::move(url)};
  request.headers.add("Accept", "application/json");
  co_return co_await net::fetch(*clock, std::move(request), std::move(tls),
                                {.total = limits.timeout, .response_bytes = limits.document_bytes});
}

// https, or http to the machine itself when the issuer is there too.
Result<codec::Url> allowed(std::string_view text, bool loopback_issuer) {
  auto url = STINT_TRY(codec::parse_url(text));
  if (!url.is_https() && !(loopback_issuer && url.is_loopback()))
    return fail(Errc::kUnsupported, "issuer keys need https");
  return url;
}

}  // namespace

struct IssuerKeys::Impl {
  struct Entry {
    KeySet keys;
    MonoTime fetched{};
    std::optional<MonoTime> tried;
    std::optional<rt::SharedEvent> flight;
  };

  Impl(const Clock& clock_in, Fetch fetch_in, KeyLimits limits_in)
      : clock(clock_in), fetch(std::move(fetch_in)), limits(limits_in) {}

  struct Plan {
    std::optional<Result<KeySet>> answer;
    std::optional<rt::SharedEvent> wait;
  };

  rt::Co<Result<KeySet>> known_or_fetched(std::string url, Want want);
  Plan plan(const std::string& url, Want want, const rt::SharedEvent& flight);
  Result<KeySet> after_other(const std::string& url);
  Result<KeySet> take_in(const std::string& url, const Result<KeySet>& fetched);
  void land(const std::string& url, const rt::SharedEvent& flight);
  rt::Co<Result<KeySet>> discover(std::string url);
  rt::Co<Result<std::string>> document(std::string url);
  Result<KeySet> settled(const Entry& e, const std::optional<Error>& error) const;

  const Clock& clock;
  const Fetch fetch;
  const KeyLimits limits;
  std::mutex mutex;
  std::map<std::string, Entry, std::less<>> entries;
};

IssuerKeys::Fetch IssuerKeys::over_network(const Clock& clock, net::TlsClient tls,
                                           KeyLimits limits) {
  return [clock = &clock, tls = std::move(tls), limits](std::string url) {
    return get(clock, tls, limits, std::move(url));
  };
}

IssuerKeys::IssuerKeys(const Clock& clock, Fetch fetch, KeyLimits limits)
    : impl_(std::make_unique<Impl>(clock, std::move(fetch), limits)) {}
IssuerKeys::~IssuerKeys() = default;

rt::Co<Result<KeySet>> IssuerKeys::keys_of(resource::Issuer issuer, Want want) {
  if (!issuer.jwks.empty()) {
    auto keys = jose::JwkSet::parse_of_issuer(issuer.jwks);
    if (!keys) co_return fail(keys.error());
    co_return std::make_shared<const jose::JwkSet>(*std::move(keys));
  }
  co_return co_await impl_->known_or_fetched(std::move(issuer.url), want);
}

rt::Co<Result<std::string>> IssuerKeys::Impl::document(std::string url) {
  auto response = co_await fetch(std::move(url));
  if (!response) co_return fail(response.error());
  // A redirect is not followed: the keys come from where the operator said.
  if (response->status != 200) co_return fail(Errc::kUnavailable, "issuer answered with an error");
  if (response->body.size() > limits.document_bytes)
    co_return fail(Errc::kTooLarge, "issuer document too large");
  co_return std::move(response->body);
}

rt::Co<Result<KeySet>> IssuerKeys::Impl::discover(std::string issuer) {
  const auto base = allowed(issuer, true);
  if (!base) co_return fail(base.error());
  std::string url = issuer;
  if (url.ends_with('/')) url.pop_back();
  auto metadata = co_await document(url + "/.well-known/openid-configuration");
  if (!metadata) co_return fail(metadata.error());
  const auto object = json::parse_object(*metadata, {.bytes = limits.document_bytes});
  if (!object) co_return fail(object.error());
  const auto named = json::string_at(*object, "issuer");
  if (!named) co_return fail(named.error());
  // Byte for byte (OpenID Connect Discovery section 4.3): else one issuer could speak for another.
  if (*named != issuer) co_return fail(Errc::kWrongIssuer, "issuer metadata names another issuer");
  const auto jwks_uri = json::string_at(*object, "jwks_uri");
  if (!jwks_uri) co_return fail(jwks_uri.error());
  if (const auto ok = allowed(*jwks_uri, base->is_loopback()); !ok) co_return fail(ok.error());
  auto set = co_await document(std::string(*jwks_uri));
  if (!set) co_return fail(set.error());
  auto keys = jose::JwkSet::parse_of_issuer(*set);
  if (!keys) co_return fail(keys.error());
  co_return std::make_shared<const jose::JwkSet>(*std::move(keys));
}

// What there is after an attempt, or while none may be made.
Result<KeySet> IssuerKeys::Impl::settled(const Entry& e, const std::optional<Error>& error) const {
  if (e.keys && clock.mono() - e.fetched < limits.max_age + limits.stale_grace) return e.keys;
  if (error) return fail(*error);
  return fail(Errc::kUnavailable, "issuer keys are not available");
}

// What a caller does now: answer, wait for another's fetch, or (neither) fetch and land.
IssuerKeys::Impl::Plan IssuerKeys::Impl::plan(const std::string& url, Want want,
                                              const rt::SharedEvent& flight) {
  const std::scoped_lock lock(mutex);
  auto at = entries.find(url);
  if (at == entries.end()) {
    if (entries.size() >= limits.issuers)
      return {.answer = fail(Errc::kLimit, "too many issuers"), .wait = {}};
    at = entries.emplace(url, Entry()).first;
  }
  Entry& e = at->second;
  const MonoTime now = clock.mono();
  if (want == Want::kAny && e.keys && now - e.fetched < limits.max_age)
    return {.answer = e.keys, .wait = {}};
  if (e.flight) return {.answer = {}, .wait = e.flight};
  if (e.tried && now - *e.tried < limits.min_interval)
    return {.answer = settled(e, std::nullopt), .wait = {}};
  e.tried = now;
  e.flight = flight;
  return {};
}

Result<KeySet> IssuerKeys::Impl::after_other(const std::string& url) {
  const std::scoped_lock lock(mutex);
  return settled(entries.find(url)->second, std::nullopt);  // entries are never erased
}

Result<KeySet> IssuerKeys::Impl::take_in(const std::string& url, const Result<KeySet>& fetched) {
  const std::scoped_lock lock(mutex);
  Entry& e = entries.find(url)->second;
  if (!fetched) return settled(e, fetched.error());
  e.keys = *fetched;
  e.fetched = clock.mono();
  return e.keys;
}

void IssuerKeys::Impl::land(const std::string& url, const rt::SharedEvent& flight) {
  {
    const std::scoped_lock lock(mutex);
    entries.find(url)->second.flight.reset();
  }
  flight.set();
}

rt::Co<Result<KeySet>> IssuerKeys::Impl::known_or_fetched(std::string url, Want want) {
  const rt::SharedEvent flight;
  const Plan now = plan(url, want, flight);
  if (now.answer) co_return *now.answer;
  if (now.wait) {
    STINT_CO_TRY(co_await now.wait->wait());
    co_return after_other(url);
  }
  // Whatever cuts this coroutine short, those who wait go on.
  struct Landing {
    Impl* impl;
    const std::string& url;
    const rt::SharedEvent& flight;
    ~Landing() { impl->land(url, flight); }
  } landing{this, url, flight};
  const auto fetched = co_await discover(url);
  co_return take_in(url, fetched);
}

}  // namespace stint::trust
