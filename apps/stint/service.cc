#include "service.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <filesystem>
#include <thread>

#include "files.h"
#include "front.h"
#include "root_key.h"
#include "stint/api/operations.h"
#include "stint/audit/event.h"
#include "stint/codec/json.h"
#include "stint/codec/url.h"
#include "stint/keys/key_ring.h"
#include "stint/reaper/reaper.h"
#include "stint/rt/runtime.h"
#include "stint/store/store.h"
#include "stint/trust/issuer_keys.h"
#include "stint/vault/vault.h"
#include "store_place.h"
#include "table_builder.h"

namespace stint::cli {
namespace {

using std::chrono::milliseconds;

store::EventBytes event_bytes(const audit::AnyEvent& event, std::string bytes, WallTime now) {
  return {.kind = audit::kind(event), .task = std::nullopt, .bytes = std::move(bytes), .time = now};
}

Status append_event(store::Store& store, const audit::AnyEvent& event, WallTime now) {
  std::string bytes = STINT_TRY(audit::encode(now, event));
  auto done = store.write_sync([&](store::Tx& tx) -> Status {
    tx.append(event_bytes(event, std::move(bytes), now));
    return {};
  });
  if (!done) return fail(done.error());
  return {};
}

net::ServerLimits server_limits(const resource::Config& c) {
  net::ServerLimits l;
  l.head.bytes = static_cast<std::size_t>(c.limits.header_bytes);
  l.head_time = c.limits.header_timeout;
  l.idle = c.limits.idle_timeout;
  l.connections = static_cast<std::size_t>(c.limits.connections);
  l.per_ip = static_cast<std::size_t>(c.limits.connections_per_ip);
  return l;
}

int contexts_of(const resource::Config& c) {
  if (c.limits.contexts > 0) return static_cast<int>(c.limits.contexts);
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

std::string url_of(const resource::ListenAddress& a, std::uint16_t port, bool tls) {
  const std::string host = a.host.find(':') == std::string::npos ? a.host : "[" + a.host + "]";
  return fmt::format("{}://{}:{}", tls ? "https" : "http", host, port);
}

std::string host_of(const std::string& url) {
  const auto parsed = codec::parse_url(url);
  return parsed ? parsed->host : "stint";
}

}  // namespace

boost::json::object Addresses::to_json() const {
  return {{"issuer", issuer}, {"gateway", gateway}, {"operations", operations}, {"socket", socket}};
}

struct Service::Impl {
  Impl(Options given, const Clock& the_clock, Entropy& the_entropy)
      : options(std::move(given)), clock(the_clock), entropy(the_entropy) {}

  const resource::Config& config() const { return options.config; }

  Options options;
  const Clock& clock;
  Entropy& entropy;
  Addresses addresses;
  std::optional<net::TlsServer> tls;

  // In the order of their needs: each borrows only from those above.
  std::unique_ptr<store::Store> store;
  api::EventCounts events;
  std::unique_ptr<keys::KeyRing> keys;
  std::unique_ptr<vault::Vault> vault;
  std::unique_ptr<authority::Authority> authority;
  std::unique_ptr<rt::Runtime> runtime;
  std::unique_ptr<proof::Gate> gate;
  std::unique_ptr<trust::IssuerKeys> issuer_keys;
  std::unique_ptr<opening::Opener> opener;
  std::unique_ptr<oauth::Endpoints> oauth;
  std::unique_ptr<gateway::Gateway> gateway;
  std::unique_ptr<api::Api> api;
  std::unique_ptr<api::Operations> operations;
  Front front;
  std::unique_ptr<TableBuilder> tables;
  std::unique_ptr<reaper::Reaper> reaper;
  std::unique_ptr<net::Server> control, gateway_server, operations_server, socket;
  bool started = false, stopped = false;

  Outcome<void> open_store();
  Outcome<void> open_state();
  Outcome<void> open_edge();
  Outcome<void> listen_all();
  Outcome<std::string> listen(const std::string& what, const std::string& where, bool with_tls,
                              net::Server& server, std::uint16_t& port);
  void write_ports() const;
};

Outcome<void> Service::Impl::open_store() {
  std::error_code ec;
  std::filesystem::create_directories(options.home, ec);
  ::chmod(options.home.c_str(), 0700);
  auto place = store_place(config(), options.home);
  if (!place) return std::unexpected(place.error());
  auto opened = store::Store::open(std::move(place->where), clock);
  if (!opened) return std::unexpected(Failure::of(opened.error(), "cannot open " + place->name));
  store = *std::move(opened);
  store->observe([this](std::span<const store::EventView> e) { events.add(e); });
  return {};
}

Outcome<void> Service::Impl::open_state() {
  auto root = take_root_key(config().root_key, options.home, *store, entropy);
  if (!root) return std::unexpected(root.error());
  const WallTime now = clock.wall();
  const std::string origin = config().server.trust_domain.empty() ? host_of(addresses.issuer)
                                                                  : config().server.trust_domain;
  auto ring = keys::KeyRing::open(*store, *root, origin, entropy, now);
  if (!ring) return std::unexpected(Failure::of(ring.error(), "cannot open the signing keys"));
  keys = *std::move(ring);
  auto opened_vault = vault::Vault::open(*store, *root, entropy);
  if (!opened_vault)
    return std::unexpected(Failure::of(opened_vault.error(), "cannot open the vault"));
  vault = *std::move(opened_vault);

  const resource::Config& c = config();
  authority::Settings s;
  s.issuer = addresses.issuer;
  s.gateway_url = addresses.gateway;
  s.limits.max_life = c.tasks.max_life;
  s.limits.default_life = c.tasks.default_life;
  s.limits.max_depth = static_cast<int>(c.tasks.max_depth);
  s.limits.max_children = static_cast<std::size_t>(c.tasks.max_children);
  s.limits.token_ttl = c.tokens.ttl;
  s.approval_ttl = c.approvals.ttl;
  s.feed_max_age = c.feed.max_age;
  s.strict_audit = c.audit.durability == resource::Durability::kStrict;
  if (const auto alg = crypto::parse_alg(c.tokens.alg)) s.token_alg = *alg;
  s.rotate_keys_every = c.keys.rotate_every;
  s.publish_keys_ahead = c.keys.publish_ahead;
  auto opened = authority::Authority::open(
      {.store = *store, .keys = *keys, .vault = *vault, .clock = clock, .entropy = entropy},
      std::move(s));
  if (!opened) return std::unexpected(Failure::of(opened.error(), "cannot load the state"));
  authority = *std::move(opened);
  return {};
}

Outcome<void> Service::Impl::open_edge() {
  auto client_tls = net::TlsClient::system_roots();
  if (!client_tls)
    return std::unexpected(
        Failure::of(client_tls.error(), "cannot load the system's root certificates"));
  gate = std::make_unique<proof::Gate>(
      entropy, proof::GateLimits{.proof_age = config().tokens.dpop_max_age});
  tables = std::make_unique<TableBuilder>();
  gate->on_hot_key([this](const crypto::PublicKey& key) { tables->add(key); });
  authority->on_keys([this](const jose::JwkSet& ours) {  // verified with every new token
    for (const jose::Jwk& key : ours.keys())
      if (key.alg == crypto::Alg::kES256 && !crypto::HotKeys::has_table(key.key))
        tables->add(key.key);
  });
  issuer_keys = std::make_unique<trust::IssuerKeys>(
      clock, trust::IssuerKeys::over_network(clock, *client_tls));
  opener = std::make_unique<opening::Opener>(*authority, *issuer_keys, entropy);
  oauth = std::make_unique<oauth::Endpoints>(oauth::Endpoints::Parts{
      .authority = *authority, .opener = *opener, .gate = *gate, .clock = clock});
  gateway = std::make_unique<gateway::Gateway>(gateway::Gateway::Parts{.authority = *authority,
                                                                       .gate = *gate,
                                                                       .opener = *opener,
                                                                       .runtime = *runtime,
                                                                       .clock = clock});
  api::Settings s;
  s.operator_uid = ::geteuid();
  s.dpop_nonce = config().tokens.dpop_nonce;
  s.resources_bytes =
      std::max(s.resources_bytes, static_cast<std::size_t>(config().limits.api_body_bytes));
  api = std::make_unique<api::Api>(
      api::Api::Parts{.authority = *authority, .opener = *opener, .gate = *gate, .clock = clock},
      s);
  std::vector<api::Source> sources{api::server_source("control", *control),
                                   api::server_source("gateway", *gateway_server), api->metrics()};
  operations = std::make_unique<api::Operations>(api::Operations::Parts{.authority = *authority,
                                                                        .gate = *gate,
                                                                        .clock = clock,
                                                                        .events = &events,
                                                                        .version = options.version},
                                                 std::move(sources));
  reaper = std::make_unique<reaper::Reaper>(
      *authority, reaper::Settings{.checkpoint_every = config().audit.checkpoint_every});
  front.wire(*oauth, *api, *gateway, *operations);
  return {};
}

Outcome<std::string> Service::Impl::listen(const std::string& what, const std::string& where,
                                           bool with_tls, net::Server& server,
                                           std::uint16_t& port) {
  const auto address = resource::parse_listen(where);
  if (!address) return std::unexpected(Failure::usage("listen." + what + " is not HOST:PORT"));
  if (!address->unix_path.empty()) {
    // Who comes in by a unix socket is taken for an operator; a proxy behind one would make
    // everybody that.
    return std::unexpected(Failure::usage("listen." + what + " must be HOST:PORT",
                                          "operators have $STINT_HOME/operator.sock"));
  }
  if (!address->loopback() && !tls)  // parse_config said so too; this is the place that matters
    return std::unexpected(
        Failure::usage("refusing to listen on " + where, "it is not loopback: that needs tls"));
  const std::string host = address->host == "localhost" ? "127.0.0.1" : address->host;
  const auto use = with_tls ? tls : std::nullopt;
  auto bound = server.listen_tcp(host, address->port, use);
  if (!bound && bound.error().code == Errc::kConflict && options.any_port_when_taken)
    bound = server.listen_tcp(host, 0, use);
  if (!bound)
    return std::unexpected(
        Failure::of(bound.error(), fmt::format("cannot listen on {} for {}", where, what)));
  port = *bound;
  return url_of(*address, port, use.has_value());
}

Outcome<void> Service::Impl::listen_all() {
  const resource::Config& c = config();
  if (!c.tls.cert_file.empty()) {
    auto loaded =
        net::TlsServer::from_files(c.tls.cert_file, c.tls.key_file,
                                   c.tls.client_certificates ? net::ClientCertificate::kAsked
                                                             : net::ClientCertificate::kNotAsked);
    if (!loaded)
      return std::unexpected(
          Failure::of(loaded.error(), "cannot use tls.cert_file and tls.key_file"));
    tls = *std::move(loaded);
  }
  runtime = std::make_unique<rt::Runtime>(contexts_of(c));
  const net::ServerLimits limits = server_limits(c);
  // What an agent uploads may be large and its task long; an upload that stands still is cut
  // anyway.
  net::ServerLimits of_gateway = limits;
  of_gateway.whole_body = c.tasks.max_life;
  const auto make = [&](auto handler, const net::ServerLimits& l) {
    return std::make_unique<net::Server>(*runtime, clock, std::move(handler), l);
  };
  control = make([this](net::Exchange& e) { return front.control(e); }, limits);
  gateway_server = make([this](net::Exchange& e) { return front.gateway(e); }, of_gateway);
  operations_server = make([this](net::Exchange& e) { return front.operations(e); }, limits);
  socket = make([this](net::Exchange& e) { return front.control(e); }, limits);

  auto control_url = listen("control", c.listen.control, true, *control, addresses.control_port);
  if (!control_url) return std::unexpected(control_url.error());
  addresses.issuer = c.server.issuer.empty() ? *control_url : c.server.issuer;
  if (!c.listen.gateway.empty()) {
    auto url = listen("gateway", c.listen.gateway, true, *gateway_server, addresses.gateway_port);
    if (!url) return std::unexpected(url.error());
    addresses.gateway = c.server.gateway.empty() ? *url : c.server.gateway;
  }
  if (!c.listen.operations.empty()) {
    auto url = listen("operations", c.listen.operations, true, *operations_server,
                      addresses.operations_port);
    if (!url) return std::unexpected(url.error());
    addresses.operations = *url;
  }
  addresses.socket = join_path(options.home, "operator.sock");
  if (const auto ok = socket->listen_unix(addresses.socket, 0600); !ok)
    return std::unexpected(Failure::of(ok.error(), "cannot listen on " + addresses.socket));
  return {};
}

void Service::Impl::write_ports() const {
  const json::Object o{{"issuer", addresses.issuer},
                       {"gateway", addresses.gateway},
                       {"operations", addresses.operations},
                       {"socket", addresses.socket},
                       {"control_port", addresses.control_port},
                       {"gateway_port", addresses.gateway_port},
                       {"operations_port", addresses.operations_port},
                       {"pid", ::getpid()}};
  if (const auto ok =
          write_file(join_path(options.home, "ports.json"), json::write(o) + "\n", 0644);
      !ok)
    log::warning("ports.json not written", {{"reason", ok.error().reason}});
}

Outcome<std::unique_ptr<Service>> Service::open(Options options, const Clock& clock,
                                                Entropy& entropy) {
  auto impl = std::make_unique<Impl>(std::move(options), clock, entropy);
  // Listeners first, since the issuer may depend on the port; nothing is accepted before start().
  if (auto ok = impl->open_store(); !ok) return std::unexpected(ok.error());
  if (auto ok = impl->listen_all(); !ok) return std::unexpected(ok.error());
  if (auto ok = impl->open_state(); !ok) return std::unexpected(ok.error());
  if (auto ok = impl->open_edge(); !ok) return std::unexpected(ok.error());
  return std::unique_ptr<Service>(new Service(std::move(impl)));
}

Service::Service(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Service::~Service() {
  stop();
  // Also when it never started: what the store's threads call must not be gone before they are.
  if (impl_ && impl_->store) impl_->store->stop();
}
const Addresses& Service::addresses() const { return impl_->addresses; }

Outcome<void> Service::start() {
  const audit::ServerStarted event{.version = impl_->options.version,
                                   .issuer = impl_->addresses.issuer,
                                   .origin = impl_->keys->origin()};
  if (const auto ok = append_event(*impl_->store, event, impl_->clock.wall()); !ok)
    return std::unexpected(Failure::of(ok.error(), "cannot write the log"));
  impl_->reaper->start();
  impl_->runtime->start();
  impl_->started = true;
  impl_->write_ports();
  log::info("started", {{"control_port", impl_->addresses.control_port},
                        {"gateway_port", impl_->addresses.gateway_port},
                        {"operations_port", impl_->addresses.operations_port},
                        {"version", log::label(impl_->options.version)}});
  return {};
}

bool Service::answers(milliseconds within) const { return impl_->runtime->answers(within); }

bool Service::stop() {
  if (!impl_->started || std::exchange(impl_->stopped, true)) return true;
  Impl& s = *impl_;
  log::info("draining");
  s.operations->draining();
  s.api->end_streams();
  const MonoTime until = s.clock.mono() + milliseconds(s.config().limits.drain_timeout);
  bool clean = true;
  for (net::Server* server :
       {s.gateway_server.get(), s.control.get(), s.socket.get(), s.operations_server.get()}) {
    const auto left = std::chrono::duration_cast<milliseconds>(until - s.clock.mono());
    clean = server->drain(std::max(left, milliseconds(0))) && clean;
    server->stop();
  }
  s.reaper->stop();
  s.authority->tell_refusals();
  if (const auto ok =
          append_event(*s.store, audit::ServerStopped{.reason = "signal"}, s.clock.wall());
      !ok)
    log::error("server.stopped not recorded", {{"reason", ok.error().reason}});
  if (const auto ok = s.authority->publish_log(); !ok)
    log::warning("last checkpoint not signed", {{"reason", ok.error().reason}});
  s.authority->give_up_leases();
  s.runtime->stop();
  s.store->stop();
  ::unlink(join_path(s.options.home, "ports.json").c_str());
  log::info("stopped", {{"clean", clean}});
  return clean;
}

}  // namespace stint::cli
