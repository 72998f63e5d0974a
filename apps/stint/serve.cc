#include <CLI/CLI.hpp>

#include "config_file.h"
#include "context.h"
#include "process.h"
#include "service.h"
#include "stint/base/log.h"
#include "stint/codec/json.h"

namespace stint::cli {
namespace {

struct ServeOptions {
  std::string config;
  bool json = false;
};

Exit serve(const ServeOptions& o, Context& ctx) {
  EndSignals signals;  // before any thread
  if (const auto ok = keep_memory_private(); !ok)
    log::warning("memory is not private", {{"reason", ok.error().reason}});
  auto config = load_config(ctx, o.config, true, o.json);
  if (!config) return config.error();
  log::set_threshold(config->log.level);
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
  signals.wait();
  signals.default_action();  // a second one does not wait for the drain
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
