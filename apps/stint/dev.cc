#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <cstdlib>
#include <filesystem>

#include "context.h"
#include "files.h"
#include "process.h"
#include "service.h"
#include "stint/base/log.h"

namespace stint::cli {
namespace {

struct DevOptions {
  bool json = false, any_port = false, quiet = false;
};

// A directory that goes when its scope ends.
class ThrowAway {
 public:
  ThrowAway() {
    path_ = join_path(environment("TMPDIR", "/tmp"), "stint-dev-XXXXXX");
    if (::mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~ThrowAway() {
    std::error_code ec;
    if (!path_.empty()) std::filesystem::remove_all(path_, ec);
  }
  ThrowAway(const ThrowAway&) = delete;
  ThrowAway& operator=(const ThrowAway&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void announce(const DevOptions& o, const Addresses& a, const std::string& home,
              const Terminal& io) {
  if (o.json) {
    auto said = a.to_json();
    said["home"] = home;
    return io.json(said);
  }
  io.data(fmt::format("export STINT_HOME={}\nexport STINT_ADDR={}\n", home, a.issuer));
  io.say(
      fmt::format("Stint is up, with throw-away state. In another terminal, paste the two lines "
                  "above; then\n  stint apply -f DIR       your upstreams, agents and policies\n"
                  "  stint run --task WHAT --allow UPSTREAM:ACTION -- CMD …\n  stint task list\n"
                  "Gateway {}, operations {}. Ctrl-C ends it and forgets everything.",
                  a.gateway, a.operations));
}

Exit dev(const DevOptions& o, Context& ctx) {
  EndSignals signals;
  if (const auto ok = keep_memory_private(); !ok)
    log::warning("memory is not private", {{"reason", ok.error().reason}});
  if (!o.quiet)
    log::set_threshold(log::Level::kInfo);
  else
    log::set_threshold(log::Level::kWarning);
  const ThrowAway home;
  if (home.path().empty())
    return ctx.io.failed(Failure::local("cannot make a directory for throw-away state"));
  resource::Config config;
  if (o.any_port) {
    config.listen.control = config.listen.gateway = config.listen.operations = "127.0.0.1:0";
  }
  config.audit.checkpoint_every = std::chrono::seconds(1);
  config.limits.drain_timeout = std::chrono::seconds(2);
  auto service = Service::open({.config = std::move(config),
                                .home = home.path(),
                                .version = std::string(kVersion),
                                .any_port_when_taken = true},
                               ctx.clock, ctx.entropy);
  if (!service) return ctx.io.failed(service.error(), o.json);
  if (const auto started = (*service)->start(); !started)
    return ctx.io.failed(started.error(), o.json);
  announce(o, (*service)->addresses(), home.path(), ctx.io);
  signals.wait();
  (*service)->stop();
  return Exit::kDone;
}

}  // namespace

void add_dev(CLI::App& app, Context& ctx) {
  auto o = std::make_shared<DevOptions>();
  auto* verb = app.add_subcommand("dev", "Everything in one process, throw-away state");
  verb->add_flag("--any-port", o->any_port, "Free ports instead of 7443, 7444 and 7446");
  verb->add_flag("--quiet", o->quiet, "Log warnings only");
  verb->add_flag("--json", o->json, "Addresses as JSON");
  verb->callback([o, &ctx] { ctx.exit = dev(*o, ctx); });
}

}  // namespace stint::cli
