#include "world.h"

#include <fcntl.h>
#include <unistd.h>

#include "measure.h"
#include "stint/http/target.h"
#include "stint/jose/dpop.h"
#include "stint/keys/root_source.h"
#include "stint/policy/pack.h"
#include "stint/rt/runtime.h"

namespace stint::bench {
namespace {

resource::Resources declared(const std::string& vendor_url) {
  resource::Resources r;
  r.add(resource::Issuer{
      .name = "idp", .url = "https://idp.test", .audiences = {"stint"}, .jwks = R"({"keys":[]})"});
  r.add(resource::Group{.name = "approvers"});
  r.add(resource::Human{.name = "alice@example.com", .issuer = "idp", .subject = "alice-sub"});
  r.add(resource::Agent{
      .name = "coder", .owner = "alice@example.com", .trust = {{.jwks = R"({"keys":[]})"}}});
  r.add(resource::Credential{.name = "vendor-key"});
  const std::vector<resource::ActionRule> actions{
      {"ticket.read", domain::ActionClass::kRead, "GET /tickets/{id}"},
      {"ticket.reply", domain::ActionClass::kWrite, "POST /tickets/{id}/replies"}};
  r.add(resource::Upstream{.name = "plain", .url = vendor_url, .actions = actions});
  r.add(resource::Upstream{.name = "vendor",
                           .url = vendor_url,
                           .inject = resource::Injection{.credential = "vendor-key",
                                                         .header = "X-Vendor-Key",
                                                         .format = "{secret}"},
                           .actions = actions});
  for (const auto& file : policy::shipped_pack())
    r.add(resource::Policy{.name = file.name, .text = file.text});
  return r;
}

store::Options store_options(const World::Options& o) {
  store::Options options;
  if (o.postgres.empty()) {
    options.path = o.directory + "/stint.db";
  } else {
    options.postgres = store::PostgresOptions{.url = o.postgres, .password = nullptr};
  }
  return options;
}

std::map<std::string, Secret> values() {
  std::map<std::string, Secret> out;
  out.emplace("vendor-key", Secret(std::string("test-vendor-key-0123456789")));
  return out;
}

}  // namespace

World::World(const Options& o)
    : root(
          must(keys::root_key_from_file_or_create(o.directory + "/root.key", entropy), "root key")),
      store(must(store::Store::open(store_options(o), clock), "store")),
      keys(must(keys::KeyRing::open(*store, root, "bench.test", entropy, clock.wall()), "keys")),
      vault(must(vault::Vault::open(*store, root, entropy), "vault")) {
  authority::Settings settings{.issuer = std::string(kIssuer),
                               .gateway_url = std::string(kGateway)};
  settings.limits.token_ttl = std::chrono::hours(2);
  settings.limits.default_life = std::chrono::hours(4);
  authority = must(authority::Authority::open({*store, *keys, *vault, clock, entropy}, settings),
                   "authority");
  if (o.apply)
    must(rt::block_on(authority->apply(declared(o.vendor_url), values(), std::nullopt,
                                       authority::Actor::local_operator(0))),
         "apply");
  if (o.reaper) {
    reaper = std::make_unique<reaper::Reaper>(*authority);
    reaper->start();
  }
  confirm();
}

World::~World() {
  if (reaper) reaper->stop();
  store->stop();  // before what its commands borrow
}

authority::OpenRequest World::order(const domain::Binding& binding,
                                    const std::string& upstream) const {
  return {.order = {.purpose = "answer the open tickets of the week",
                    .agent = "coder",
                    .binding = binding,
                    .human = "alice@example.com",
                    .grants = {{.upstream = upstream, .actions = {"ticket.read", "ticket.reply"}}}},
          .actor = authority::Actor::agent("coder")};
}

World::Session World::session(const domain::Binding& binding, const std::string& upstream) {
  auto request = order(binding, upstream);
  request.audience = std::string(kGateway) + "/u/" + upstream;
  auto opened = must(rt::block_on(authority->open_task(std::move(request))), "open");
  return {opened.task.id, opened.token->token};
}

void World::confirm() {
  authority->confirm_view();
  flush();  // behind it
}

store::Seq World::flush() {
  must(store->write_sync([](store::Tx& tx) -> Result<bool> {
    tx.no_event();
    return true;
  }),
       "flush");
  return store->size();
}

Prepared prepare_call(World& world, const proof::Gate& gate, const crypto::PrivateKey& key,
                      const std::string& token, std::size_t i) {
  const WallTime now = world.clock.wall();
  Prepared p{.head = {}, .htu = {}, .target = "/tickets/" + std::to_string(1000 + i % 977)};
  p.htu = std::string(kGateway) + "/u/plain" + p.target;
  p.head.method = "GET";
  p.head.target = "/u/plain" + p.target;
  p.head.headers.add("Host", "127.0.0.1:7444");
  p.head.headers.add("Accept", "application/json");
  p.head.headers.add("Authorization", "DPoP " + token);
  p.head.headers.add("DPoP",
                     must(jose::make_proof(key, {.method = "GET",
                                                 .htu = p.htu,
                                                 .now = now,
                                                 .jti = TokenId::random(world.entropy).str(),
                                                 .access_token = token,
                                                 .nonce = gate.nonce(now)}),
                          "proof"));
  return p;
}

Authorizer::Authorizer(World& world, proof::Gate& gate)
    : world_(world),
      gate_(gate),
      verifier_(std::string(kIssuer), std::string(kIssuer), world.authority->token_keys()) {}

rt::Co<Result<authority::Verdict>> Authorizer::operator()(const http::RequestHead& head,
                                                          const http::Peer& peer,
                                                          std::string_view upstream,
                                                          std::string_view htu,
                                                          std::string_view target) {
  const WallTime now = world_.clock.wall();
  const std::string audience = std::string(kGateway) + "/u/" + std::string(upstream);
  const auto token =
      gate_.at_resource(head, peer, htu, verifier_, audience, proof::NonceRule::kRequired, now);
  if (!token) co_return fail(token.error().error);
  const auto directory = world_.authority->directory();
  const auto* entry = directory->upstream(upstream);
  const auto parsed = STINT_CO_TRY(http::parse_target(target));
  const auto match = STINT_CO_TRY(entry->routes.match(head.method, parsed));
  const auto& rule = entry->actions[match.index];
  std::string resource;
  for (const auto& segment : parsed.segments) {
    if (!resource.empty()) resource += '/';
    resource += segment;
  }
  authority::CallRequest call{.task = token->task(),
                              .token = token->id(),
                              .kid = token->token().kid(),
                              .token_grants = token->grants(),
                              .call = {.task = token->task(),
                                       .upstream = entry->upstream.name,
                                       .action = rule.action,
                                       .action_class = rule.action_class,
                                       .resource = std::move(resource),
                                       .method = head.method,
                                       .target = parsed.text(),
                                       .arguments = "{}"},
                              .request = {.ip = peer.ip, .fresh_proof = token->fresh()},
                              .path = parsed.path,
                              .directory_version = directory->version()};
  for (const auto& [name, value] : match.params) call.arguments.emplace(name, value);
  co_return co_await world_.authority->decide(std::move(call));
}

}  // namespace stint::bench
