// stint: one binary, roles chosen by its verbs.
//
// Exit: 0 done, 1 refused or failed, 2 wrong usage, 75 try again; `stint run` gives its child's.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>

#include "context.h"
#include "files.h"
#include "key_argument.h"
#include "stint/codec/url.h"

namespace stint::cli {
namespace {

// ID tokens and handles go there: in clear, over a network, they would be everybody's.
std::string speaks_in_private(const std::string& text) {
  const auto url = codec::parse_url(text);
  if (!url) return "not an http:// or https:// URL";
  if (!url->is_https() && !url->is_loopback())
    return "http:// is for this machine only: use https://";
  return "";
}

void add_globals(CLI::App& app, Context& ctx) {
  app.add_option("--home", ctx.home, "State directory [STINT_HOME]")->envname("STINT_HOME");
  app.add_option("--addr", ctx.addr, "URL of the control listener [STINT_ADDR]")
      ->envname("STINT_ADDR")
      ->check(speaks_in_private);
  app.add_option("--cacert", ctx.ca_file, "Roots for the server's certificate [STINT_CACERT]")
      ->envname("STINT_CACERT");
  app.add_option("--id-token-file", ctx.id_token_file,
                 "Your ID token, for what a person decides [STINT_ID_TOKEN_FILE]")
      ->envname("STINT_ID_TOKEN_FILE");
  app.fallthrough();  // they may follow the verb too
}

int run(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // a write says so itself
  Context ctx;
  ctx.home = join_path(environment("HOME", "."), ".stint");
  CLI::App app{"Stint: bounded tasks for agents. Grant, approve, end, prove."};
  app.name("stint");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string(kVersion));
  add_globals(app, ctx);
  add_dev(app, ctx);
  add_serve(app, ctx);
  add_run(app, ctx);
  add_resources(app, ctx);
  add_task(app, ctx);
  add_approval(app, ctx);
  add_inventory(app, ctx);
  add_policy(app, ctx);
  add_log(app, ctx);
  add_keys(app, ctx);
  add_backup(app, ctx);
  add_doctor(app, ctx);
  add_about(app, ctx);
  add_documents(app, ctx);
  try {
    auto words = with_key_last({argv + 1, argv + argc});
    std::ranges::reverse(words);  // as the parser takes them
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(Exit::kUsage);
  }
  return ctx.status >= 0 ? ctx.status : static_cast<int>(ctx.exit);
}

}  // namespace
}  // namespace stint::cli

int main(int argc, char** argv) {
  try {
    return stint::cli::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "stint: %s\n", error.what());
    return 1;
  }
}
