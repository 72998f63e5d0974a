// P11: what 10, 1,000 and 100,000 open tasks cost (or up to --most): memory, a request, start-up,
// size on disk. With `--store postgres` on a PostgreSQL of its own.
//
// Tasks are opened as clients open them, up to --opened; the others are put there as rows, with
// what opening one writes (task, handle, two events) but its token, two thousand in a commit.
//
// Without arguments of that kind it is the driver: it makes a store for each number of tasks, then
// runs itself as `--probe DIR` for each store in turn, round after round: each probe is a fresh
// process that starts from the store, measures, and prints one line.
#include <jemalloc/jemalloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "lib/fleet.h"
#include "lib/measure.h"
#include "stint/audit/event.h"
#include "stint/crypto/digest.h"
#include "stint/domain/json.h"
#include "stint/jose/jwk.h"
#include "stint/rt/event.h"
#include "stint/rt/runtime.h"
#include "stint/testkit/postgres_server.h"

namespace stint::bench {
namespace {

// So many of the tasks are called at most, spread over all: no more than a gate remembers.
constexpr std::size_t kCalled = 10'000;

crypto::PrivateKey test_key() {
  return must(crypto::PrivateKey::from_raw(std::string(32, '\x11'), crypto::Alg::kES256), "key");
}

double resident_bytes() {
  const std::string purge = "arena." + std::to_string(MALLCTL_ARENAS_ALL) + ".purge";
  if (::mallctl(purge.c_str(), nullptr, nullptr, nullptr, 0) != 0) no_figure("no purge");
  std::ifstream in("/proc/self/statm");
  double size = 0, resident = 0;
  in >> size >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

// --- filling ---

struct Filling {
  World& world;
  domain::Binding binding;
  std::size_t tasks, left;
  std::size_t every = 1;
  std::size_t opened = 0;
  std::ofstream tokens;
};

rt::Co<void> open_some(Filling* f) {
  while (f->left > 0) {
    const std::size_t i = --f->left;
    auto order = f->world.order(f->binding, "plain");
    order.order.reference = "T-" + std::to_string(i);
    order.audience = std::string(kGateway) + "/u/plain";
    const auto done = co_await f->world.authority->open_task(std::move(order));
    if (!done) continue;
    ++f->opened;
    if (i % f->every == 0) f->tokens << done->token->token << '\n';
  }
}

rt::Co<void> open_lane(Filling* f, rt::SharedEvent over) {
  co_await open_some(f);
  over.set();
}

// Many at a time on one loop: the store commits them together.
rt::Co<void> open_all(Filling* f) {
  const rt::Executor executor = co_await rt::this_executor();
  std::vector<rt::SharedEvent> lanes(256);
  for (const auto& over : lanes) rt::spawn(executor, open_lane(f, over));
  for (const auto& over : lanes)
    while (!over.is_set()) [[maybe_unused]]
      const auto woken = co_await over.wait();
}

Status put_row(store::Tx& tx, World& world, const domain::OpenOrder& order) {
  const WallTime now = world.clock.wall();
  const domain::Task t = STINT_TRY(
      domain::open(order, world.authority->settings().limits, TaskId::random(world.entropy), now));
  const HandleId handle = HandleId::random(world.entropy);
  tx.put(
      "INSERT INTO task (id, state, agent, human, reference, parent, depth, opened, deadline, "
      "idle_seconds, last_used, version, body) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
      t.id, domain::text(t.state), t.agent, t.human, std::string_view(t.reference), t.parent,
      t.depth, t.opened, t.deadline, t.idle_limit.count(), t.last_used, t.version,
      domain::encode(t));
  tx.put(
      "INSERT INTO handle (id, hash, task, jkt, state, created) VALUES ($1, $2, $3, $4, 'live', "
      "$5)",
      handle, crypto::sha256(handle.str()), t.id, t.binding.thumbprint, now);
  const audit::AnyEvent events[] = {
      audit::task_opened(t, audit::Actor::agent("coder")),
      audit::HandleIssued{.task = t.id, .handle = handle, .thumbprint = t.binding.thumbprint}};
  for (const auto& event : events)
    tx.append({audit::kind(event), t.id, STINT_TRY(audit::encode(now, event)), now});
  return {};
}

// The rest of them, directly.
void put_rows(World& world, const domain::Binding& binding, std::size_t from, std::size_t to) {
  auto order = world.order(binding, "plain").order;
  for (std::size_t at = from; at < to; at += 2'000) {
    must(world.store->write_sync([&](store::Tx& tx) -> Result<bool> {
      for (std::size_t i = at; i < std::min(to, at + 2'000); ++i) {
        order.reference = "R-" + std::to_string(i);
        STINT_TRY(put_row(tx, world, order));
      }
      return true;
    }),
         "rows");
  }
}

void fill(const World::Options& where, std::size_t tasks, std::size_t most_opened) {
  std::filesystem::create_directories(where.directory);
  World world(where);
  const std::size_t opened = std::min(tasks, most_opened);
  Filling f{.world = world,
            .binding = {domain::Binding::Kind::kDpop, jose::thumbprint(test_key().public_key())},
            .tasks = tasks,
            .left = opened,
            .every = (opened + kCalled - 1) / kCalled,
            .tokens = std::ofstream(where.directory + ".tokens")};
  // Those that are called lie among the others.
  put_rows(world, f.binding, 0, (tasks - opened) / 2);
  rt::block_on(open_all(&f));
  put_rows(world, f.binding, (tasks - opened) / 2, tasks - opened);
  if (f.opened != opened) no_figure("not every task was opened");
  world.reaper->stop();
  world.reaper->run_now();  // the checkpoint belongs to the store's size
}

// --- one probe ---

// Each request is of another task, in no order of memory: proof, token, live task, route, policy,
// event.
struct Requests {
  std::vector<Prepared> list;
  std::vector<double> latency;  // µs
  std::size_t permitted = 0;
};

rt::Co<void> authorize_all(World* world, Authorizer* authorize, Requests* requests) {
  const http::Peer peer{.ip = "127.0.0.1"};
  for (const Prepared& p : requests->list) {
    // As the reaper would: on a busy machine the calls take longer than a view counts unconfirmed.
    if (requests->latency.size() % 1000 == 0) world->authority->confirm_view();
    const double start = wall_seconds();
    const auto verdict = co_await (*authorize)(p.head, peer, "plain", p.htu, p.target);
    requests->latency.push_back((wall_seconds() - start) * 1e6);
    if (verdict && verdict->permit) ++requests->permitted;
  }
}

// The decision alone, over all tasks: what the signature's 50 µs would hide.
struct Decisions {
  std::vector<authority::CallRequest> list;
  std::vector<double> latency;  // µs
  std::size_t permitted = 0;
};

Decisions decisions_of(World& world, std::size_t count) {
  const auto live = world.authority->view().all();
  Decisions out;
  for (std::size_t i = 0; i < count; ++i) {
    const auto task = live[(i * 7'368'787) % live.size()]->task();
    out.list.push_back(
        {.task = task->id,
         .token = TokenId::random(world.entropy),
         .kid = world.authority->token_keys()->find("", crypto::Alg::kES256)->kid,
         .token_grants = std::make_shared<const std::vector<domain::Grant>>(task->grants),
         .call = {.task = task->id,
                  .upstream = "plain",
                  .action = "ticket.read",
                  .action_class = domain::ActionClass::kRead,
                  .resource = "tickets/17",
                  .method = "GET",
                  .target = "/tickets/17",
                  .arguments = "{}"},
         .request = {.ip = "127.0.0.1"},
         .path = "/tickets/17",
         .directory_version = world.authority->directory()->version()});
  }
  return out;
}

rt::Co<void> decide_all(World* world, Decisions* calls) {
  for (auto& call : calls->list) {
    if (calls->latency.size() % 1000 == 0) world->authority->confirm_view();
    const double start = wall_seconds();
    const auto verdict = co_await world->authority->decide(std::move(call));
    calls->latency.push_back((wall_seconds() - start) * 1e6);
    if (verdict && verdict->permit) ++calls->permitted;
  }
}

int probe(const std::string& directory, const std::string& url, std::size_t tasks,
          std::size_t opened, std::size_t count) {
  // What the process needs with no task at all is loaded by a world of its own first: allocator,
  // libraries, policies.
  const Scratch scratch(directory + "/warm");
  {
    const World warm({.directory = scratch.path()});
  }
  const double before = resident_bytes();
  const double start = wall_seconds(), start_cpu = cpu_seconds();
  World world({.directory = directory, .postgres = url, .apply = false, .reaper = false});
  const double started = wall_seconds() - start, started_cpu = cpu_seconds() - start_cpu;
  const double after = resident_bytes();
  if (world.authority->view().size() != tasks) no_figure("not every task is in the view");

  std::vector<std::string> tokens;
  std::ifstream in(directory + ".tokens");
  for (std::string line; std::getline(in, line);) tokens.push_back(line);
  const std::size_t every = (opened + kCalled - 1) / kCalled;
  if (tokens.size() != (opened + every - 1) / every) no_figure("not every token is there");
  proof::Gate gate(world.entropy);
  Authorizer authorize(world, gate);
  const crypto::PrivateKey key = test_key();
  const auto make = [&](std::size_t n) {
    Requests requests;
    for (std::size_t i = 0; i < n; ++i)
      requests.list.push_back(
          prepare_call(world, gate, key, tokens[(i * 7'368'787) % tokens.size()], i));
    requests.latency.reserve(n);
    return requests;
  };
  // Each token was seen before, once.
  Requests seen = make(std::max(tokens.size(), count / 5)), requests = make(count);
  world.confirm();
  rt::block_on(authorize_all(&world, &authorize, &seen));
  const store::Seq events = world.flush();
  world.confirm();
  const double cpu = cpu_seconds();
  rt::block_on(authorize_all(&world, &authorize, &requests));
  const bool recorded = world.flush() - events == count;
  const double used = cpu_seconds() - cpu;
  if (requests.permitted != count || !recorded)
    no_figure("not every call was permitted and recorded");
  Decisions decisions = decisions_of(world, count);
  world.confirm();
  rt::block_on(decide_all(&world, &decisions));
  if (decisions.permitted != count) no_figure("not every decision was a permit");
  world.flush();
  std::printf("PROBE %.0f %.6f %.6f %.3f %.3f %.3f %.3f\n", after - before, started, started_cpu,
              used / static_cast<double>(count) * 1e6, percentile(requests.latency, 0.5),
              percentile(requests.latency, 0.99), percentile(decisions.latency, 0.5));
  return 0;
}

// --- the driver ---

struct Probe {
  double memory = 0, start = 0, start_cpu = 0, cpu = 0, p50 = 0, p99 = 0, decision = 0;
};

Probe run_probe(const char* self, const World::Options& where, std::size_t tasks,
                std::size_t opened, const std::string& count) {
  std::string command = std::string(self) + " --probe " + where.directory + " --tasks " +
                        std::to_string(tasks) + " --opened " + std::to_string(opened) +
                        " --count " + count;
  if (!where.postgres.empty()) command += " --url '" + where.postgres + "'";
  FILE* pipe = ::popen(command.c_str(), "r");
  Probe p;
  const bool read =
      pipe != nullptr && std::fscanf(pipe, "PROBE %lf %lf %lf %lf %lf %lf %lf", &p.memory, &p.start,
                                     &p.start_cpu, &p.cpu, &p.p50, &p.p99, &p.decision) == 7;
  if (pipe == nullptr || ::pclose(pipe) != 0 || !read) no_figure("a probe failed");
  return p;
}

double store_bytes(const std::string& directory) {
  double sum = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.is_regular_file()) sum += static_cast<double>(entry.file_size());
  return sum;
}

double database_bytes(const testkit::PostgresServer& server, const std::string& url) {
  return std::stod(
      server.ask(url.substr(url.rfind('/') + 1), "SELECT pg_database_size(current_database())"));
}

int drive(int argc, char** argv) {
  const auto rounds = std::stoul(option(argc, argv, "rounds", "7"));
  const std::string count = option(argc, argv, "count", "10000");
  const auto most = std::stoul(option(argc, argv, "most", "100000"));
  const auto most_opened = std::stoul(option(argc, argv, "opened", "100000"));
  const Scratch scratch(option(argc, argv, "dir", "build/bench"));
  std::unique_ptr<testkit::PostgresServer> server;
  if (option(argc, argv, "store", "sqlite") == "postgres")
    server = std::make_unique<testkit::PostgresServer>();
  const std::string on = server ? " on PostgreSQL" : "";
  const std::vector<std::size_t> sizes{10, most / 100, most};
  std::map<std::size_t, double> bytes, fill_seconds;
  std::map<std::size_t, World::Options> places;
  for (const std::size_t tasks : sizes) {
    const World::Options where{.directory = scratch.path() + "/" + std::to_string(tasks),
                               .postgres = server ? server->database() : ""};
    places.emplace(tasks, where);
    const double start = wall_seconds();
    fill(where, tasks, most_opened);
    fill_seconds[tasks] = wall_seconds() - start;
    bytes[tasks] = server ? database_bytes(*server, where.postgres) : store_bytes(where.directory);
  }
  std::map<std::size_t, std::vector<Probe>> probes;
  for (std::size_t i = 0; i < rounds; ++i)
    for (const std::size_t tasks : sizes)
      probes[tasks].push_back(
          run_probe(argv[0], places.at(tasks), tasks, std::min(tasks, most_opened), count));

  const auto of = [&](std::size_t tasks, auto member) {
    std::vector<double> out;
    for (const Probe& p : probes[tasks]) out.push_back(p.*member);
    return out;
  };
  const auto over_fewest = [&](std::size_t tasks, auto member) {
    std::vector<double> out;
    for (std::size_t i = 0; i < rounds; ++i)
      out.push_back(probes[tasks][i].*member / probes[sizes[0]][i].*member);
    return out;
  };
  char what[128], note[200];
  std::vector<double> memory;
  for (std::size_t i = 0; i < rounds; ++i)
    memory.push_back((probes[most][i].memory - probes[sizes[0]][i].memory) /
                     static_cast<double>(most - sizes[0]) / 1024);
  std::snprintf(note, sizeof note, "resident after start, %zu less %zu tasks", most, sizes[0]);
  row("P11", "memory of an open task" + on + ", KiB", memory, 2.0, note, false);
  for (const std::size_t tasks : {sizes[1], sizes[2]}) {
    std::snprintf(what, sizeof what, "request CPU%s, %zu tasks / %zu", on.c_str(), tasks, sizes[0]);
    std::snprintf(note, sizeof note, "%.1f us against %.1f us",
                  spread(of(tasks, &Probe::cpu)).median, spread(of(sizes[0], &Probe::cpu)).median);
    row("P11", what, over_fewest(tasks, &Probe::cpu), 1.25, note, false);
    std::snprintf(what, sizeof what, "request p50%s, %zu tasks / %zu", on.c_str(), tasks, sizes[0]);
    std::snprintf(note, sizeof note, "p50 %.1f us against %.1f us, p99 %.1f us against %.1f us",
                  spread(of(tasks, &Probe::p50)).median, spread(of(sizes[0], &Probe::p50)).median,
                  spread(of(tasks, &Probe::p99)).median, spread(of(sizes[0], &Probe::p99)).median);
    row("P11", what, over_fewest(tasks, &Probe::p50), 1.25, note, false);
    std::snprintf(what, sizeof what, "the decision in it, p50%s, %zu tasks / %zu", on.c_str(),
                  tasks, sizes[0]);
    std::snprintf(note, sizeof note, "%.1f us against %.1f us",
                  spread(of(tasks, &Probe::decision)).median,
                  spread(of(sizes[0], &Probe::decision)).median);
    row("P11", what, over_fewest(tasks, &Probe::decision), 0, note, false);
  }
  for (const std::size_t tasks : sizes) {
    std::snprintf(what, sizeof what, "start-up%s with %zu tasks, ms", on.c_str(), tasks);
    std::vector<double> ms;
    for (const Probe& p : probes[tasks]) ms.push_back(p.start * 1e3);
    std::snprintf(note, sizeof note,
                  "%.1f us of CPU a task; store %.2f MB, %.2f KiB a task; filled in %.1f s",
                  (spread(of(tasks, &Probe::start_cpu)).median -
                   (tasks == sizes[0] ? 0 : spread(of(sizes[0], &Probe::start_cpu)).median)) /
                      static_cast<double>(tasks) * 1e6,
                  bytes[tasks] / 1e6,
                  (bytes[tasks] - (tasks == sizes[0] ? 0 : bytes[sizes[0]])) /
                      static_cast<double>(tasks) / 1024,
                  fill_seconds[tasks]);
    row("P11", what, ms, 0, note, false);
  }
  return 0;
}

int run(int argc, char** argv) {
  const std::string at = option(argc, argv, "probe", "");
  if (at.empty()) return drive(argc, argv);
  const std::string tasks = option(argc, argv, "tasks", "10");
  return probe(at, option(argc, argv, "url", ""), std::stoul(tasks),
               std::stoul(option(argc, argv, "opened", tasks)),
               std::stoul(option(argc, argv, "count", "10000")));
}

}  // namespace
}  // namespace stint::bench

int main(int argc, char** argv) { return stint::bench::run(argc, argv); }
