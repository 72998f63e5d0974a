// stint version, whoami.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>

#include "listing.h"

namespace stint::cli {
namespace {

Exit version(Context& ctx, bool as_json) {
  if (as_json)
    ctx.io.json(json::Object{{"version", kVersion}});
  else
    ctx.io.data(fmt::format("stint {}\n", kVersion));
  return Exit::kDone;
}

Exit whoami(Context& ctx, bool as_json) {
  const auto remote =
      Remote::connect(ctx, ctx.id_token_file.empty() ? Speaker::kWhoever : Speaker::kHuman);
  if (!remote) return ctx.io.failed(remote.error(), as_json);
  const auto body = remote->get("/v1/whoami");
  if (!body) return ctx.io.failed(body.error(), as_json);
  return show_object(ctx, *body, as_json);
}

}  // namespace

void add_about(CLI::App& app, Context& ctx) {
  const auto add = [&ctx](CLI::App& to, const char* name, const char* what, auto f) {
    auto as_json = std::make_shared<bool>(false);
    auto* verb = to.add_subcommand(name, what);
    verb->add_flag("--json", *as_json, "One JSON object on stdout");
    verb->callback([as_json, &ctx, f] { ctx.exit = f(ctx, *as_json); });
  };
  add(app, "version", "Which version this is", version);
  add(app, "whoami", "Who the server takes you for", whoami);
}

}  // namespace stint::cli
