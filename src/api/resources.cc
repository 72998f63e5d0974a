#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>
#include <set>

#include "impl.h"
#include "stint/resource/diff.h"
#include "stint/resource/resource.h"
#include "views.h"

namespace stint::api {
namespace {

// Over bytes that were a secret, in a way that is not optimised away. Copies that a parser or the
// connection made are out of reach here.
void wipe(char* bytes, std::size_t n) {
  for (volatile char* p = bytes; n > 0; --n) *p++ = 0;
}

// "/v1/agents/…" -> kAgent. The routes name no other.
resource::Kind kind_of_path(std::string_view path) {
  path.remove_prefix(std::string_view("/v1/").size());
  path = path.substr(0, path.find('/'));
  if (path == "policies") return resource::Kind::kPolicy;
  path.remove_suffix(1);  // the plural's
  if (const auto kind = resource::parse_kind(path)) return *kind;
  __builtin_trap();
}

struct Desired {
  resource::Resources resources;
  std::map<std::string, Secret> values;
};

Result<resource::Resources> read_resources(const json::Array& list) {
  resource::Resources out;
  std::set<std::pair<resource::Kind, std::string>> seen;
  for (const auto& item : list) {
    if (!item.is_object()) return fail(Errc::kMalformed, "a resource is not an object");
    const auto& entry = item.get_object();
    STINT_TRY(json::only_keys(entry, {"kind", "body"}));
    const auto word = STINT_TRY(json::string_at(entry, "kind"));
    const auto kind = STINT_TRY(resource::parse_kind(word));
    const auto* body = STINT_TRY(json::object_at(entry, "body"));
    auto decoded = STINT_TRY(resource::decode(kind, json::canonical(*body)));
    if (!seen.emplace(kind, resource::name_of(decoded)).second)
      return fail(Errc::kMalformed, "a resource is named twice");
    out.add(std::move(decoded));
  }
  return out;
}

Result<Desired> read_desired(Call* call, std::size_t limit) {
  auto object = object_body(*call, limit);
  // What the body holds besides is in `object` now; `values` are wiped there below.
  wipe(call->body.data(), call->body.size());
  call->body.clear();
  json::Object body = STINT_TRY(std::move(object));
  std::map<std::string, Secret> values;
  Status status;
  if (auto* given = body.if_contains("values")) {
    if (!given->is_object()) return fail(Errc::kMalformed, "values is not an object");
    for (auto& member : given->get_object()) {
      if (!member.value().is_string()) {
        status = fail(Errc::kMalformed, "a value is not a string");
        continue;
      }
      auto& text = member.value().get_string();
      std::string plain(text.data(), text.size());
      wipe(text.data(), text.size());
      if (plain.empty()) status = fail(Errc::kMalformed, "a value is empty");
      values.emplace(std::string(member.key()), Secret(std::move(plain)));
    }
  }
  STINT_TRY(status);
  STINT_TRY(json::only_keys(body, {"resources", "values"}));
  const auto* list = STINT_TRY(json::array_at(body, "resources"));
  return Desired{STINT_TRY(read_resources(*list)), std::move(values)};
}

}  // namespace

rt::Co<Reply> Core::list_kind(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {"after", "limit"}));
  const std::size_t limit = STINT_CO_TRY(page_limit(*call));
  const auto after = parameter(*call, "after");
  const auto kind = kind_of_path(call->target.path);
  const auto directory = parts.authority.directory();
  json::Array items;
  json::Value next = nullptr;
  std::string last;
  for (const auto& r : directory->resources().all()) {  // by name within a kind
    if (resource::kind_of(r) != kind || (after && resource::name_of(r) <= *after)) continue;
    if (items.size() == limit) {
      next = last;
      break;
    }
    items.push_back(named_view(r));
    last = resource::name_of(r);
  }
  http::Response out = json_reply({{"items", std::move(items)}, {"next", std::move(next)}});
  out.headers.add("ETag", etag(directory->version()));
  co_return out;
}

json::Object Core::named_view(const resource::Resource& r) const {
  json::Object out = body_of(r);
  if (resource::kind_of(r) == resource::Kind::kCredential)
    out["has_value"] = parts.authority.has_value(resource::name_of(r));
  return out;
}

rt::Co<Reply> Core::get_named(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {}));
  const auto kind = kind_of_path(call->target.path);
  const auto directory = parts.authority.directory();
  for (const auto& r : directory->resources().all()) {
    if (resource::kind_of(r) != kind || resource::name_of(r) != call->param("name")) continue;
    http::Response out = json_reply(named_view(r));
    out.headers.add("ETag", etag(directory->version()));
    co_return out;
  }
  co_return fail(Errc::kNotFound, "nothing of that name is declared");
}

rt::Co<Reply> Core::get_resources(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {}));
  const auto directory = parts.authority.directory();
  json::Array list;
  for (const auto& r : directory->resources().all())
    list.push_back(
        json::Object{{"kind", resource::text(resource::kind_of(r))}, {"body", body_of(r)}});
  http::Response out =
      json_reply({{"version", directory->version()}, {"resources", std::move(list)}});
  out.headers.add("ETag", etag(directory->version()));
  co_return out;
}

// If-Match is required: two operators who apply different folders must see each other.
rt::Co<Reply> Core::put_resources(Call* call) {
  auto desired = STINT_CO_TRY(read_desired(call, settings.resources_bytes));
  const auto match = call->head.headers.one("If-Match");
  if (!match) co_return fail(Errc::kMissing, "If-Match is missing: the version of GET, or *");
  std::optional<std::uint64_t> expected;
  if (*match != "*") {
    const auto directory = parts.authority.directory();
    STINT_CO_TRY(if_match(*call, directory->version()));
    expected = directory->version();
  }
  const auto applied = STINT_CO_TRY(co_await parts.authority.apply(
      std::move(desired.resources), std::move(desired.values), expected, call->caller->actor()));
  http::Response out = json_reply({{"version", applied.version},
                                   {"created", applied.created},
                                   {"updated", applied.updated},
                                   {"retired", applied.retired},
                                   {"sealed", applied.sealed}});
  out.headers.add("ETag", etag(applied.version));
  co_return out;
}

rt::Co<Reply> Core::plan_resources(Call* call) {
  const auto body = STINT_CO_TRY(object_body(*call, settings.resources_bytes));
  STINT_CO_TRY(json::only_keys(body, {"resources"}));
  const auto* list = STINT_CO_TRY(json::array_at(body, "resources"));
  const auto desired = STINT_CO_TRY(read_resources(*list));
  STINT_CO_TRY(resource::check(desired));  // what PUT would refuse is no plan
  const auto directory = parts.authority.directory();
  const auto plan = resource::diff(directory->resources(), desired);
  json::Array entries, missing;
  for (const auto& entry : plan)
    if (entry.verb != resource::Verb::kUnchanged) entries.push_back(view(entry));
  for (const auto& credential : desired.credentials)
    if (!parts.authority.has_value(credential.name))
      missing.push_back(json::Value(credential.name));
  http::Response out = json_reply({{"version", directory->version()},
                                   {"changes", resource::changes(plan)},
                                   {"entries", std::move(entries)},
                                   {"without_value", std::move(missing)},
                                   {"text", resource::describe(plan)}});
  out.headers.add("ETag", etag(directory->version()));
  co_return out;
}

}  // namespace stint::api
