#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <future>

#include "address.h"
#include "allow.h"
#include "child.h"
#include "clean_env.h"
#include "client.h"
#include "context.h"
#include "files.h"
#include "process.h"
#include "process_tree.h"
#include "relay.h"
#include "run_speech.h"
#include "stint/codec/base64url.h"
#include "upstream_env.h"

extern char** environ;

namespace stint::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct RunOptions {
  std::string task, reference, environment, subject;
  std::string ttl, budget, idle = "30s", agent, agent_key;
  std::vector<std::string> allow, command;
  bool autonomous = false, clean_env = false, quiet = false, json = false;
  int wait = 0;
};

// Runs a coroutine on the runtime's loop and waits for it on this thread, which is no loop's.
template <class T>
rt::Co<void> deliver(rt::Co<T> work, std::shared_ptr<std::promise<T>> out) {
  out->set_value(co_await std::move(work));
}
template <class T>
T wait_for(rt::Runtime& runtime, rt::Co<T> work) {
  auto promise = std::make_shared<std::promise<T>>();
  auto future = promise->get_future();
  rt::spawn(runtime.executor(0), deliver(std::move(work), promise));
  return future.get();
}

Outcome<Wish> read_wish(const RunOptions& o, const Context& ctx) {
  Wish w{.purpose = o.task, .reference = o.reference, .environment = o.environment};
  auto grants = parse_allow(o.allow);
  if (!grants) return std::unexpected(grants.error());
  w.grants = *std::move(grants);
  if (!o.ttl.empty()) {
    const auto ttl = parse_duration(o.ttl, "--ttl");
    if (!ttl) return std::unexpected(ttl.error());
    w.ttl = *ttl;
  }
  if (!o.budget.empty()) {
    const auto budget = parse_budget(o.budget);
    if (!budget) return std::unexpected(budget.error());
    w.budget = *budget;
  }
  const auto idle = parse_duration(o.idle, "--idle");
  if (!idle) return std::unexpected(idle.error());
  w.idle = *idle;
  if (!o.subject.empty() && o.subject != "me")
    return std::unexpected(Failure::usage("--for takes `me`: nobody opens a task for another"));
  if (o.autonomous && !o.subject.empty())
    return std::unexpected(Failure::usage("--for me and --autonomous exclude each other"));
  if (o.autonomous) return w;
  if (ctx.id_token_file.empty())
    return std::unexpected(Failure::usage(
        o.subject.empty() ? "for whom? --for me with --id-token-file FILE, or --autonomous"
                          : "--for me needs your ID token: --id-token-file FILE"));
  auto token = read_file(ctx.id_token_file, 64 * 1024);
  if (!token)
    return std::unexpected(Failure::of(token.error(), "cannot read " + ctx.id_token_file));
  while (token->ends_with('\n')) token->pop_back();
  w.id_token = *std::move(token);
  return w;
}

Outcome<std::unique_ptr<TaskClient>> make_client(const RunOptions& o, Context& ctx,
                                                 const net::TlsClient& tls) {
  if (o.agent.empty() || o.agent_key.empty())
    return std::unexpected(Failure::usage("which agent? --agent NAME --agent-key FILE"));
  auto identity = load_identity(o.agent, o.agent_key);
  if (!identity) return std::unexpected(identity.error());
  auto key = crypto::PrivateKey::generate(crypto::Alg::kES256, ctx.entropy);
  if (!key) return std::unexpected(Failure::of(key.error(), "cannot make a key"));
  return std::make_unique<TaskClient>(ctx.clock, ctx.entropy, tls, control_address(ctx),
                                      *std::move(identity), *std::move(key));
}

std::vector<std::string> upstreams_of(const TaskClient& task) {
  std::vector<std::string> out;
  for (const UpstreamAddress& u : task.upstreams()) out.push_back(u.name);
  return out;
}

std::vector<std::string> inherited() {
  std::vector<std::string> out;
  for (char** e = environ; *e != nullptr; ++e) out.emplace_back(*e);
  return out;
}

// Keeps the task from going idle while the child works at something else. A request through the
// relay is a sign of life too; without one, a token is renewed.
class Heartbeat {
 public:
  Heartbeat(rt::Runtime& runtime, TaskClient& task, const Relay& relay, const Clock& clock,
            seconds idle, const RunSpeech& speech)
      : runtime_(runtime),
        task_(task),
        relay_(relay),
        clock_(clock),
        every_(std::max<milliseconds>(milliseconds(idle) / 3, milliseconds(250))),
        last_(unix_millis(clock.wall())),
        speech_(speech) {}

  void tick() {
    if (over_) return;
    const std::int64_t now = unix_millis(clock_.wall());
    last_ = std::max(last_, relay_.counts().last_ms.load());
    if (now - last_ < every_.count()) return;
    last_ = now;
    if (const auto ok = wait_for(runtime_, task_.renew());
        !ok && ok.error().exit != Exit::kTryAgain) {
      over_ = true;  // the child goes on, without access; said once
      speech_.over(ok.error());
    }
  }
  bool over() const { return over_; }
  milliseconds every() const { return std::min(every_ / 2, milliseconds(1000)); }

 private:
  rt::Runtime& runtime_;
  TaskClient& task_;
  const Relay& relay_;
  const Clock& clock_;
  milliseconds every_;
  std::int64_t last_;
  const RunSpeech& speech_;
  bool over_ = false;
};

Exit run(const RunOptions& o, Context& ctx) {
  Child child;  // blocks signals before any thread starts
  const RunSpeech speech(ctx.io, o.json ? RunSpeech::Form::kJson : RunSpeech::Form::kWords,
                         o.quiet);
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    speech.warning("warning: this process's memory is not private");
  if (const auto ok = lock_memory(); !ok)
    speech.note("note: the key may be swapped out, RLIMIT_MEMLOCK is too small to prevent it");
  auto wish = read_wish(o, ctx);
  if (!wish) return speech.failed(wish.error());
  const seconds idle(wish->idle.value_or(30));
  auto tls = tls_of(ctx);
  if (!tls) return speech.failed(tls.error());
  auto client = make_client(o, ctx, *tls);
  if (!client) return speech.failed(client.error());
  TaskClient& task = **client;

  rt::Runtime runtime(1);
  runtime.start();
  if (const auto ok = wait_for(runtime, task.discover()); !ok) return speech.failed(ok.error());
  if (const auto ok = wait_for(runtime, task.open(*std::move(wish))); !ok)
    return speech.failed(ok.error());
  const auto introduced = wait_for(runtime, task.introduce());
  speech.opened(task.task(), task.deadline(), idle);

  ProcessTree tree(::getpid());
  Relay relay(runtime, ctx.clock, task, *tls,
              [&tree](std::uint16_t peer, std::uint16_t ours) { return tree.holds(peer, ours); },
              {.secret = codec::encode_base64url(random_bytes<24>(ctx.entropy)),
               .upstreams = upstreams_of(task),
               .wait_seconds = o.wait});
  const auto close = [&](std::string_view how) {
    relay.stop();
    const auto ended = wait_for(runtime, task.end());
    runtime.stop();
    if (ended) speech.ended(task.task(), how);
    return ended;
  };
  if (!introduced) {
    static_cast<void>(close("nothing was done"));
    return speech.failed(introduced.error());
  }
  const auto port = relay.listen();
  if (!port) {
    static_cast<void>(close("no relay"));
    return speech.failed(Failure::of(port.error(), "cannot listen on the loopback interface"));
  }
  const auto added = child_variables(
      task.task(), task.upstreams(), [&relay](std::string_view u) { return relay.url(u); },
      inherited());
  const ChildEnvironment env = child_environment(inherited(), added, o.clean_env);
  speech.environment(env.secrets, o.clean_env);

  if (const auto started = child.start(o.command, env.variables); !started) {
    static_cast<void>(close("the command could not be started"));
    ctx.status = 127;
    return speech.failed(started.error());
  }
  Heartbeat heartbeat(runtime, task, relay, ctx.clock, idle, speech);
  ctx.status = child.supervise(heartbeat.every(), [&heartbeat] { heartbeat.tick(); });
  if (const auto n = relay.counts().foreign.load(); n > 0)
    speech.warning(fmt::format("{} requests from other processes were refused", n));
  const auto ended =
      close(heartbeat.over() ? fmt::format("before the command; exit status {}", ctx.status)
                             : fmt::format("completed; exit status {}", ctx.status));
  if (!ended) {
    speech.warning(fmt::format("task {} could not be ended; it ends by itself within {} s",
                               task.task(), idle.count() + 2));
    speech.failed(ended.error());
  }
  return Exit::kDone;
}

}  // namespace

void add_run(CLI::App& app, Context& ctx) {
  auto o = std::make_shared<RunOptions>();
  auto* verb = app.add_subcommand("run", "Run a command inside a task, without any credential");
  verb->add_option("--task", o->task, "What is to be done, in words")->required();
  verb->add_option("--for", o->subject, "me: for the human of --id-token-file");
  verb->add_flag("--autonomous", o->autonomous, "For nobody: the agent's owner answers for it");
  verb->add_option("--ref", o->reference, "Ticket, pipeline run or approval");
  verb->add_option("--environment", o->environment);
  verb->add_option("--ttl", o->ttl, "At most so long, as 30m");
  verb->add_option("--idle", o->idle, "Ends when nobody was here for so long")
      ->capture_default_str();
  verb->add_option("--budget", o->budget, "requests=N,bytes_out=N[KiB|MiB|GiB]");
  verb->add_option("--allow", o->allow, "UPSTREAM:ACTION[,…][=RESOURCE[,…]]; repeat")
      ->required()
      ->allow_extra_args(false);
  verb->add_option("--agent", o->agent, "[STINT_AGENT]")->envname("STINT_AGENT");
  verb->add_option("--agent-key", o->agent_key, "JWK or PEM, mode 0600 [STINT_AGENT_KEY_FILE]")
      ->envname("STINT_AGENT_KEY_FILE");
  verb->add_flag("--clean-env", o->clean_env, "Keep what looks like a secret from the command");
  verb->add_option("--wait", o->wait, "Wait up to N seconds for an approval, on each request")
      ->check(CLI::Range(0, 55));
  verb->add_flag("--quiet", o->quiet, "Say only what went wrong");
  verb->add_flag("--json", o->json,
                 "Say what happens as JSON lines on stderr; stdout is COMMAND's");
  verb->add_option("COMMAND", o->command, "After `--`")->required();
  verb->callback([o, &ctx] { ctx.exit = run(*o, ctx); });
}

}  // namespace stint::cli
