// /v1/keys: the service's own keys, for operators and administrators.
#include "impl.h"
#include "stint/opening/wanted.h"

namespace stint::api {
namespace {

json::Value time_or_null(const std::optional<WallTime>& time) {
  if (!time) return nullptr;
  return json::Value(opening::rfc3339(*time));
}

json::Object view(const authority::KeyView& key) {
  return {{"kid", key.kid},
          {"use", key.use},
          {"alg", crypto::text(key.alg)},
          {"state", key.state},
          {"created", opening::rfc3339(key.created)},
          {"activates", time_or_null(key.activates)},
          {"activated", time_or_null(key.activated)},
          {"retires", time_or_null(key.retires)},
          {"retired", time_or_null(key.retired)},
          {"revoked", time_or_null(key.revoked)}};
}

json::Array views(const std::vector<authority::KeyView>& keys) {
  json::Array out;
  for (const auto& key : keys) out.push_back(view(key));
  return out;
}

json::Object view(const authority::KeyRevocation& r, bool dry_run) {
  json::Array audiences;
  for (const auto& [audience, tokens] : r.audiences)
    audiences.push_back(json::Object{{"audience", audience}, {"tokens", tokens}});
  return {
      {"key", view(r.key)},
      {"dry_run", dry_run},
      {"tokens", r.tokens},
      {"tokens_of_unknown_key", r.unknown},
      {"tasks", r.tasks},
      {"audiences", std::move(audiences)},
      {"replaced_by", r.replaced_by.empty() ? json::Value(nullptr) : json::Value(r.replaced_by)}};
}

}  // namespace

rt::Co<Reply> Core::list_keys(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {"state", "after", "limit"}));
  const std::size_t limit = STINT_CO_TRY(page_limit(*call));
  const auto state = parameter(*call, "state");
  const auto after = parameter(*call, "after");
  json::Array items;
  json::Value next = nullptr;
  std::string last;
  bool past = !after;
  for (const auto& key : parts.authority.keys()) {  // by creation
    if (!past) {
      past = key.kid == *after;
      continue;
    }
    if (state && key.state != *state) continue;
    if (items.size() == limit) {
      next = last;
      break;
    }
    items.push_back(view(key));
    last = key.kid;
  }
  co_return json_reply({{"items", std::move(items)},
                        {"next", std::move(next)},
                        {"log", parts.authority.log_vkey()}});
}

rt::Co<Reply> Core::rotate_keys(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {}));
  const auto body = STINT_CO_TRY(object_body(*call));
  STINT_CO_TRY(json::only_keys(body, {"alg", "now"}));
  std::optional<crypto::Alg> alg;
  if (const auto name = STINT_CO_TRY(json::optional_string_at(body, "alg"))) {
    alg = crypto::parse_alg(*name);
    if (!alg) co_return fail(Errc::kUnsupported, "no key signs with this algorithm");
  }
  const bool now = body.contains("now") && STINT_CO_TRY(json::bool_at(body, "now"));
  const auto done =
      STINT_CO_TRY(co_await parts.authority.rotate_keys(alg, now, call->caller->actor()));
  co_return json_reply(
      {{"changed", done.changed}, {"live", views(done.live)}, {"next", views(done.next)}});
}

rt::Co<Reply> Core::revoke_key(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {}));
  const auto body = STINT_CO_TRY(object_body(*call));
  STINT_CO_TRY(json::only_keys(body, {"dry_run"}));
  const std::string kid = call->param("kid");
  if (body.contains("dry_run") && STINT_CO_TRY(json::bool_at(body, "dry_run")))
    co_return json_reply(view(STINT_CO_TRY(parts.authority.key_revocation(kid)), true));
  co_return json_reply(
      view(STINT_CO_TRY(co_await parts.authority.revoke_key(kid, call->caller->actor())), false));
}

}  // namespace stint::api
