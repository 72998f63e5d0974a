#include <CLI/CLI.hpp>

#include "config_file.h"
#include "context.h"
#include "files.h"
#include "process.h"
#include "service.h"
#include "stint/base/log.h"
#include "stint/codec/json.h"
#include "supervisor.h"

namespace stint::cli {
namespace {

struct ServeOptions {
  std::string config;
  bool json = false;
};

// What a drain leaves to do: the last events and a checkpoint, on a slow disk.
constexpr std::chrono::seconds kAfterTheDrain{15};

void tell(const Supervisor& supervisor, std::string_view message) {
  if (const auto ok = supervisor.tell(message); !ok)
    log::warning("the service manager was not told", {{"reason", ok.error().reason}});
}

// Until a signal. Meanwhile the service manager hears that every event loop turns: when one hangs
// it hears nothing, and restarts us.
void wait_for_the_end(EndSignals& signals, const Service& service, const Supervisor& supervisor) {
  if (!supervisor.beat()) {
    signals.wait();
    return;
  }
  while (!signals.wait_for(*supervisor.beat())) {
    if (service.answers(*supervisor.beat()))
      tell(supervisor, "WATCHDOG=1");
    else
      log::error("an event loop does not answer");
  }
}

Exit serve(const ServeOptions& o, Context& ctx) {
  EndSignals signals;  // before any thread
  if (const auto ok = keep_memory_private(); !ok)
    log::warning("memory is not private", {{"reason", ok.error().reason}});
  const Supervisor supervisor(environment("NOTIFY_SOCKET"), environment("WATCHDOG_USEC"),
                              environment("WATCHDOG_PID"), ::getpid());
  auto config = load_config(ctx, o.config, Variables::kAll, o.json);
  if (!config) return config.error();
  log::set_threshold(config->log.level);
  if (const auto ok = lock_growing_memory(); !ok)
    log::info("memory may be swapped out", {{"reason", ok.error().reason}});
  const std::chrono::seconds drain = config->limits.drain_timeout;
  auto service = Service::open(
      {.config = *std::move(config), .home = ctx.home, .version = std::string(kVersion)}, ctx.clock,
      ctx.entropy);
  if (!service) return ctx.io.failed(service.error(), o.json);
  if (const auto started = (*service)->start(); !started)
    return ctx.io.failed(started.error(), o.json);
  const Addresses& a = (*service)->addresses();
  if (o.json)
    ctx.io.json(a.to_json());
  else
    ctx.io.data("issuer " + a.issuer + "\ngateway " + a.gateway + "\noperations " + a.operations +
                "\nsocket " + a.socket + "\n");
  tell(supervisor, "READY=1");
  wait_for_the_end(signals, **service, supervisor);
  signals.default_action();  // a second one does not wait for the drain
  tell(supervisor, stopping(drain + kAfterTheDrain));
  (*service)->stop();
  return Exit::kDone;
}

}  // namespace

void add_serve(CLI::App& app, Context& ctx) {
  auto o = std::make_shared<ServeOptions>();
  auto* verb = app.add_subcommand("serve", "The service, until SIGTERM");
  verb->add_option("--config", o->config, "stint.yaml [STINT_CONFIG]")->envname("STINT_CONFIG");
  verb->add_flag("--json", o->json, "Addresses, and what keeps it from starting, as JSON");
  verb->callback([o, &ctx] { ctx.exit = serve(*o, ctx); });
}

}  // namespace stint::cli
