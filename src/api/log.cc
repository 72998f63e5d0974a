// The log's files (C2SP tlog-tiles), its keys, and who one is.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <set>

#include "impl.h"
#include "stint/codec/base64.h"
#include "stint/codec/hex.h"
#include "stint/crypto/digest.h"
#include "stint/merkle/proof_file.h"
#include "stint/merkle/tile.h"
#include "stint/opening/wanted.h"

namespace stint::api {
namespace {

http::Response file(std::string body, std::string type, std::string caching) {
  http::Response out{.status = 200, .headers = {}, .body = std::move(body)};
  out.headers.add("Content-Type", std::move(type));
  out.headers.add("Cache-Control", std::move(caching));
  return out;
}

std::string_view bytes(const crypto::Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace

rt::Co<Reply> Core::log_checkpoint(Call*) {
  auto head = STINT_CO_TRY(parts.authority.checkpoint());
  if (!head) co_return fail(Errc::kNotFound, "no checkpoint has been signed yet");
  co_return file(std::move(head->note), "text/plain; charset=utf-8", "no-cache");
}

rt::Co<Reply> Core::log_vkey(Call*) {
  co_return file(parts.authority.log_vkey() + "\n", "text/plain; charset=utf-8", "no-cache");
}

rt::Co<Reply> Core::log_tile(Call* call) {
  const auto tile =
      STINT_CO_TRY(merkle::parse_tile_path(std::string_view(call->target.path).substr(5)));
  if (tile.kind != merkle::TileKind::kHashes) co_return fail(Errc::kMalformed, "not a hash tile");
  auto data = STINT_CO_TRY(
      parts.authority.tile(tile.level, tile.index, static_cast<std::uint16_t>(tile.width)));
  if (!data) co_return fail(Errc::kNotFound, "the tile is not published");
  // A tile of that width never changes.
  co_return file(*std::move(data), "application/octet-stream",
                 "public, max-age=31536000, immutable");
}

rt::Co<Reply> Core::log_entries(Call* call) {
  const auto tile =
      STINT_CO_TRY(merkle::parse_tile_path(std::string_view(call->target.path).substr(5)));
  auto data =
      STINT_CO_TRY(parts.authority.entries(tile.index, static_cast<std::uint16_t>(tile.width)));
  if (!data) co_return fail(Errc::kNotFound, "the tile is not published");
  co_return file(*std::move(data), "application/octet-stream", "private, no-store");
}

rt::Co<Reply> Core::log_proof(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {}));
  call->query.push_back({"seq", call->param("seq")});
  const auto seq = STINT_CO_TRY(number_parameter(*call, "seq"));
  const auto proof = STINT_CO_TRY(parts.authority.prove(*seq));
  json::Array path;
  for (const auto& hash : proof.path)
    path.push_back(json::Value(codec::encode_base64(bytes(hash))));
  merkle::ProofFile text{
      .extra = {}, .index = proof.index, .hashes = {}, .checkpoint = proof.checkpoint};
  text.hashes.assign(proof.path.begin(), proof.path.end());
  co_return json_reply({{"seq", proof.index},
                        {"entry", proof.event},  // as text: these very bytes were hashed
                        {"path", std::move(path)},
                        {"checkpoint", proof.checkpoint},
                        {"proof", merkle::text(text)}});
}

rt::Co<Reply> Core::openapi(Call* call) {
  static const std::string tag =
      '"' + codec::encode_hex(bytes(crypto::sha256(Api::openapi()))).substr(0, 32) + '"';
  http::Response out = file("", "application/json", "no-cache");
  out.headers.add("ETag", tag);
  if (call->head.headers.find("If-None-Match") == tag) {
    out.status = 304;
  } else {
    out.body = Api::openapi();
  }
  co_return out;
}

// The upstreams that a task has grants for. No more of them than an agent needs to call them.
json::Array Core::upstreams_of(TaskId id) const {
  json::Array out;
  const auto task = parts.authority.task(id);
  if (!task) return out;
  const auto directory = parts.authority.directory();
  std::set<std::string> named;
  for (const domain::Grant& grant : task->grants) {
    const auto* entry = directory->upstream(grant.upstream);
    if (entry == nullptr || !named.insert(grant.upstream).second) continue;
    out.push_back(json::Object{{"name", entry->upstream.name},
                               {"kind", resource::text(entry->upstream.kind)},
                               {"url", entry->upstream.url},
                               {"audience", entry->audience}});
  }
  return out;
}

rt::Co<Reply> Core::whoami(Call* call) {
  const Caller& caller = *call->caller;
  json::Object out{{"kind", "operator"}, {"name", caller.actor().name}, {"admin", admin(*call)}};
  if (const auto* person = caller.person()) {
    out["kind"] = "human";
    out["groups"] = json::Array(person->groups().begin(), person->groups().end());
  } else if (const auto* token = caller.token()) {
    out["kind"] = "agent";
    out["task"] = token->task().str();
    out["expires"] = opening::rfc3339(token->claims().exp);
    // Where its upstreams are reached, and by which URL tools know them.
    out["gateway"] = parts.authority.settings().gateway_url;
    out["upstreams"] = upstreams_of(token->task());
  }
  co_return json_reply(out);
}

}  // namespace stint::api
