// stint task open: a task whose handle and key are printed, for programs that keep their own.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>

#include "address.h"
#include "allow.h"
#include "client.h"
#include "context.h"
#include "files.h"
#include "stint/rt/runtime.h"

namespace stint::cli {
namespace {

struct OpenOptions {
  std::string task, reference, environment, ttl, idle, budget, agent, agent_key, dpop_key;
  std::vector<std::string> allow;
  bool autonomous = false, json = false;
};

rt::Co<Outcome<void>> open_now(TaskClient* client, Wish wish) {
  if (auto ok = co_await client->discover(); !ok) co_return ok;
  co_return co_await client->open(std::move(wish));
}

Outcome<Wish> wish_of(const OpenOptions& o, const Context& ctx) {
  Wish w{.purpose = o.task, .reference = o.reference, .environment = o.environment};
  auto grants = parse_allow(o.allow);
  if (!grants) return std::unexpected(grants.error());
  w.grants = *std::move(grants);
  for (const auto& [text, name, into] :
       {std::tuple(&o.ttl, "--ttl", &w.ttl), std::tuple(&o.idle, "--idle", &w.idle)}) {
    if (text->empty()) continue;
    const auto n = parse_duration(*text, name);
    if (!n) return std::unexpected(n.error());
    *into = *n;
  }
  if (!o.budget.empty()) {
    const auto budget = parse_budget(o.budget);
    if (!budget) return std::unexpected(budget.error());
    w.budget = *budget;
  }
  if (o.autonomous) return w;
  if (ctx.id_token_file.empty())
    return std::unexpected(Failure::usage("for whom? --id-token-file FILE, or --autonomous"));
  auto token = read_file(ctx.id_token_file, 64 * 1024);
  if (!token)
    return std::unexpected(Failure::of(token.error(), "cannot read " + ctx.id_token_file));
  while (token->ends_with('\n')) token->pop_back();
  w.id_token = *std::move(token);
  return w;
}

Exit open(const OpenOptions& o, Context& ctx) {
  auto wish = wish_of(o, ctx);
  if (!wish) return ctx.io.failed(wish.error(), o.json);
  auto identity = load_identity(o.agent, o.agent_key);
  if (!identity) return ctx.io.failed(identity.error(), o.json);
  auto dpop = load_identity(o.agent, o.dpop_key);
  if (!dpop) return ctx.io.failed(dpop.error(), o.json);
  auto tls = tls_of(ctx);
  if (!tls) return ctx.io.failed(tls.error(), o.json);
  TaskClient client(ctx.clock, ctx.entropy, *std::move(tls), control_address(ctx),
                    *std::move(identity), dpop->key);
  const auto opened = rt::block_on(open_now(&client, *std::move(wish)));
  if (!opened) return ctx.io.failed(opened.error(), o.json);
  if (o.json)
    ctx.io.json(json::Object{{"task", client.task()},
                             {"deadline", client.deadline()},
                             {"authorization_details", client.details()},
                             {"handle", client.handle()}});
  else
    ctx.io.data(fmt::format("STINT_TASK={}\nSTINT_HANDLE={}\n", client.task(), client.handle()));
  ctx.io.say(fmt::format("task {} until {}; its handle is bound to the key in {}", client.task(),
                         client.deadline(), o.dpop_key));
  return Exit::kDone;
}

}  // namespace

void add_task_open(CLI::App& task, Context& ctx);
void add_task_open(CLI::App& task, Context& ctx) {
  auto o = std::make_shared<OpenOptions>();
  auto* verb = task.add_subcommand("open", "Open a task for a program that keeps its own key");
  verb->add_option("--task", o->task, "What is to be done, in words")->required();
  verb->add_flag("--autonomous", o->autonomous, "For nobody: the agent's owner answers for it");
  verb->add_option("--ref", o->reference, "Ticket, pipeline run or approval");
  verb->add_option("--environment", o->environment);
  verb->add_option("--ttl", o->ttl, "At most so long, as 30m");
  verb->add_option("--idle", o->idle, "Ends when unused for so long");
  verb->add_option("--budget", o->budget, "requests=N,bytes_out=N[KiB|MiB|GiB]");
  verb->add_option("--allow", o->allow, "UPSTREAM:ACTION[,…][=RESOURCE[,…]]; repeat")
      ->required()
      ->allow_extra_args(false);
  verb->add_option("--agent", o->agent, "[STINT_AGENT]")->envname("STINT_AGENT")->required();
  verb->add_option("--agent-key", o->agent_key, "JWK or PEM, mode 0600 [STINT_AGENT_KEY_FILE]")
      ->envname("STINT_AGENT_KEY_FILE")
      ->required();
  verb->add_option("--dpop-key", o->dpop_key, "The program's own key, mode 0600")->required();
  verb->add_flag("--json", o->json, "One JSON object on stdout");
  verb->callback([o, &ctx] { ctx.exit = open(*o, ctx); });
}

}  // namespace stint::cli
