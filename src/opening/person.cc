#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "opener_impl.h"
#include "stint/codec/json.h"
#include "stint/jose/id_token.h"
#include "stint/jose/jws.h"

namespace stint::opening {
namespace {

constexpr std::size_t kMaxIdToken = 16 * 1024;
constexpr std::size_t kMaxGroups = 1024;

// Claims that an operator or RFC 8693 names and jose does not read, of a token that was verified.
struct Extra {
  std::vector<std::string> groups;
  std::optional<std::string> may_act;
};

Result<Extra> extra_claims(std::string_view compact, const std::string& groups_claim) {
  const auto jws = STINT_TRY(jose::parse_compact(compact, {.bytes = kMaxIdToken}));
  const auto claims = STINT_TRY(json::parse_object(jws.payload()));
  Extra out;
  if (!groups_claim.empty()) {
    if (const auto* a = STINT_TRY(json::optional_array_at(claims, groups_claim))) {
      if (a->size() > kMaxGroups) return fail(Errc::kTooLarge, "id token list");
      out.groups = STINT_TRY(json::strings(*a));
    }
  }
  if (const auto* may = STINT_TRY(json::optional_object_at(claims, "may_act")))
    out.may_act = std::string(STINT_TRY(json::string_at(*may, "sub")));
  return out;
}

// A group that nobody declared means nothing here.
std::vector<std::string> merged_groups(const resource::Resources& resources,
                                       const resource::Human& human,
                                       const std::vector<std::string>& said) {
  std::vector<std::string> out = human.groups;
  std::ranges::copy_if(said, std::back_inserter(out),
                       [&](const std::string& g) { return resources.group(g) != nullptr; });
  std::ranges::sort(out);
  const auto doubles = std::ranges::unique(out);
  out.erase(doubles.begin(), doubles.end());
  return out;
}

}  // namespace

bool Person::in_group(std::string_view group) const {
  return std::ranges::binary_search(groups_, group);
}

rt::Co<Result<Opener::Impl::KeySet>> Opener::Impl::keys_of(
    std::shared_ptr<const authority::Directory> directory, std::string issuer_url,
    trust::Want want) {
  const auto* entry = directory->issuer_by_url(issuer_url);
  if (entry == nullptr) co_return fail(Errc::kWrongIssuer, "id token issuer is not trusted");
  if (entry->keys) co_return std::make_shared<const jose::JwkSet>(*entry->keys);
  co_return co_await keys.keys_of(entry->issuer, want);
}

rt::Co<Outcome<Person>> Opener::person(std::string id_token, WallTime now) {
  const auto read = jose::UnverifiedIdToken::parse(id_token);
  if (!read) co_return refuse(read.error(), Part::kSubject);
  const auto directory = impl_->authority.directory();
  const auto* entry = directory->issuer_by_url(read->claimed_issuer());
  if (entry == nullptr)
    co_return refuse({Errc::kWrongIssuer, "id token issuer is not trusted"}, Part::kSubject);
  const resource::Issuer& issuer = entry->issuer;

  auto keys = co_await impl_->keys_of(directory, issuer.url, trust::Want::kAny);
  if (!keys) co_return refuse(keys.error(), Part::kServer);
  jose::IdTokenIssuer expected{.issuer = issuer.url, .keys = **keys, .audiences = issuer.audiences};
  auto token = jose::verify_id_token(*read, expected, now);
  if (!token && token.error().code == Errc::kWrongKey && !entry->keys) {
    // A key that we have not seen: the issuer may have rotated.
    const auto newer = co_await impl_->keys_of(directory, issuer.url, trust::Want::kNewer);
    if (newer && *newer != *keys) {
      expected.keys = **newer;
      token = jose::verify_id_token(*read, expected, now);
    }
  }
  if (!token) co_return refuse(token.error(), Part::kSubject);
  if (now - token->iat > issuer.max_age)
    co_return refuse({Errc::kExpired, "id token is too old"}, Part::kSubject);
  const auto* human = directory->human_by_subject(token->iss, token->sub);
  if (human == nullptr)
    co_return refuse({Errc::kNotFound, "the human is not known here"}, Part::kSubject);
  auto extra = extra_claims(id_token, issuer.groups_claim);
  if (!extra) co_return refuse(extra.error(), Part::kSubject);

  Person person;
  person.name_ = human->name;
  person.groups_ = merged_groups(directory->resources(), *human, extra->groups);
  person.acr_ = token->acr.value_or("");
  person.auth_time_ = token->auth_time;
  person.may_act_ = std::move(extra->may_act);
  co_return person;
}

rt::Co<bool> Opener::borrowed(std::string offered) {
  if (offered.empty() || offered.size() > kMaxIdToken) co_return false;
  if (impl_->authority.recognise(offered)) co_return true;
  const auto read = jose::UnverifiedIdToken::parse(offered);
  if (!read) co_return false;
  const auto keys = co_await impl_->keys_of(impl_->authority.directory(), read->claimed_issuer(),
                                            trust::Want::kAny);
  if (!keys) co_return false;
  const auto jws = jose::parse_compact(offered, {.bytes = kMaxIdToken});
  co_return jws&& jose::verify(*jws, **keys, jose::all_algs());
}

}  // namespace stint::opening
