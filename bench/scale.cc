// What one, two and three nodes carry: opening, minting, decisions, closing; the work of nodes and
// of the database for each, and how often they waited for it. Then what a task leaves in the
// database, and what is left of it once its tokens are forgotten.
//
// All nodes are in this process; the server and they share the machine. With fewer cores than they
// could use, work for each operation says more than operations a second.
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "lib/fleet.h"
#include "lib/measure.h"
#include "stint/rt/event.h"
#include "stint/rt/runtime.h"
#include "stint/testkit/postgres_server.h"
#include "stint/testkit/reveal.h"

namespace stint::bench {
namespace {

constexpr std::size_t kInFlight = 64;  // at all nodes together
constexpr std::size_t kReads = 4;      // calls that read, of a task

enum class Op : std::uint8_t { kOpen, kMint, kRead, kWrite, kClose };
constexpr std::pair<Op, const char*> kOps[] = {{Op::kOpen, "tasks opened, with a token"},
                                               {Op::kMint, "tokens minted by handle"},
                                               {Op::kRead, "decisions of reads"},
                                               {Op::kWrite, "decisions of writes"},
                                               {Op::kClose, "tasks closed"}};

struct Item {
  std::string reference;
  std::optional<TaskId> task;
  std::string handle;
};

// One node's share of one kind of work, on a loop of its own.
struct Share {
  World& world;
  Op op;
  std::span<Item> items;
  std::size_t repeat = 1;
  std::size_t next = 0, done = 0;
};

const domain::Binding& binding() {
  static const domain::Binding one{domain::Binding::Kind::kDpop, std::string(43, 'A')};
  return one;
}

rt::Co<bool> open_one(World* world, Item* item) {
  auto request = world->order(binding(), "plain");
  request.order.reference = item->reference;
  request.audience = std::string(kGateway) + "/u/plain";
  auto opened = co_await world->authority->open_task(std::move(request));
  if (!opened) co_return false;
  item->task = opened->task.id;
  item->handle = testkit::text_of(opened->handle);
  co_return true;
}

rt::Co<bool> one(Share* share, std::size_t i) {
  World& world = share->world;
  Item& item = share->items[i % share->items.size()];
  switch (share->op) {
    case Op::kOpen:
      co_return co_await open_one(&world, &item);
    case Op::kMint: {
      authority::MintRequest request{.handle_text = item.handle,
                                     .presented = binding(),
                                     .client_id = "coder",
                                     .audience = std::string(kGateway) + "/u/plain"};
      const auto minted = co_await world.authority->mint(std::move(request));
      co_return minted.has_value();
    }
    case Op::kRead:
    case Op::kWrite: {
      auto call = call_of(world, *item.task, share->op == Op::kWrite, i);
      const auto verdict = co_await world.authority->decide(std::move(call));
      co_return verdict && verdict->permit.has_value();
    }
    case Op::kClose: {
      const auto closed = co_await world.authority->close(*item.task, domain::How::kCompleted,
                                                          authority::Actor::local_operator(0));
      co_return closed && closed->count == 1;
    }
  }
  __builtin_trap();
}

rt::Co<void> lane(Share* share, rt::SharedEvent over) {
  while (share->next < share->items.size() * share->repeat) {
    const bool ok = co_await one(share, share->next++);
    if (ok) ++share->done;
  }
  over.set();
}

rt::Co<void> all_lanes(Share* share, std::size_t count) {
  const rt::Executor executor = co_await rt::this_executor();
  std::vector<rt::SharedEvent> lanes(count);
  for (const auto& over : lanes) rt::spawn(executor, lane(share, over));
  for (const auto& over : lanes)
    while (!over.is_set()) [[maybe_unused]]
      const auto woken = co_await over.wait();
}

struct Figures {
  std::vector<double> rate, cpu, server_cpu, trips;  // a second; µs; µs; a piece
};

// Every node does its share at once; the last commit ends it.
void work(Fleet& fleet, Op op, std::vector<Item>& items, Figures& out) {
  std::vector<Share> shares;
  const std::size_t each = items.size() / fleet.size();
  for (std::size_t i = 0; i < fleet.size(); ++i)
    shares.push_back({.world = fleet.node(i),
                      .op = op,
                      .items = std::span(items).subspan(i * each, each),
                      .repeat = op == Op::kRead ? kReads : 1});
  const double cpu = cpu_seconds(), server = descendants_cpu_seconds(), start = wall_seconds();
  const auto trips = round_trips();
  std::vector<std::thread> threads;
  for (Share& share : shares)
    threads.emplace_back([&] { rt::block_on(all_lanes(&share, kInFlight / shares.size())); });
  for (auto& t : threads) t.join();
  for (std::size_t i = 0; i < fleet.size(); ++i) fleet.node(i).flush();
  const double seconds = wall_seconds() - start;
  const auto made = static_cast<double>(round_trips() - trips);
  std::size_t done = 0, wanted = 0;
  for (const Share& share : shares) {
    done += share.done;
    wanted += share.items.size() * share.repeat;
  }
  if (done != wanted) no_figure("not everything was done");
  const auto n = static_cast<double>(done);
  out.rate.push_back(n / seconds);
  out.cpu.push_back((cpu_seconds() - cpu) / n * 1e6);
  out.server_cpu.push_back((descendants_cpu_seconds() - server) / n * 1e6);
  out.trips.push_back(made / n);
  fleet.settle();  // what others have to follow is no part of the next
}

// Round trips of one command that has its commit to itself: the fewest of several, since the upkeep
// of a node makes some of its own.
double trips_alone(Fleet& fleet, Op op, std::vector<Item>& items) {
  std::uint64_t fewest = ~std::uint64_t{0};
  for (Item& item : items) {
    Share share{.world = fleet.node(0), .op = op, .items = std::span(&item, 1)};
    const auto before = round_trips();
    rt::block_on(all_lanes(&share, 1));
    fewest = std::min(fewest, round_trips() - before);
    if (share.done != 1) no_figure("not everything was done");
  }
  return static_cast<double>(fewest);
}

std::vector<Item> fresh(std::size_t count, const std::string& prefix) {
  std::vector<Item> items(count);
  for (std::size_t i = 0; i < count; ++i) items[i].reference = prefix + std::to_string(i);
  return items;
}

// --- what a task leaves behind ---

double bytes_of(const testkit::PostgresServer& server, const std::string& database) {
  server.sql(database, "VACUUM FULL");
  return std::stod(server.ask(database, "SELECT pg_database_size(current_database())"));
}

void growth(testkit::PostgresServer& server, const std::string& directory, std::size_t tasks) {
  Fleet fleet(directory, &server, 1);
  Figures ignored;
  const double empty = bytes_of(server, fleet.database());
  auto items = fresh(tasks, "G-");
  const auto per_task = [&] {
    return (bytes_of(server, fleet.database()) - empty) / static_cast<double>(tasks) / 1024;
  };
  work(fleet, Op::kOpen, items, ignored);
  const double opened = per_task();
  work(fleet, Op::kMint, items, ignored);
  work(fleet, Op::kRead, items, ignored);
  work(fleet, Op::kWrite, items, ignored);
  const double used = per_task();
  work(fleet, Op::kClose, items, ignored);
  while (server.ask(fleet.database(), "SELECT count(*) FROM owed") != "0") {
    fleet.node(0).reaper->run_now();  // receipts, which replace what is owed
    if (server.ask(fleet.database(), "SELECT count(*) FROM owed WHERE kind <> 'receipt'") != "0")
      no_figure("receipts are not signed");
  }
  const double closed = per_task();
  // As if the tokens had expired two hours ago.
  server.sql(fleet.database(), "UPDATE token SET exp = exp - 14400000");
  while (server.ask(fleet.database(), "SELECT count(*) FROM token") != "0")
    fleet.node(0).authority->sweep();
  const double pruned = per_task();
  char note[200];
  std::snprintf(note, sizeof note,
                "opened %.2f, with 1 more token and %zu calls %.2f, closed with its receipt %.2f, "
                "its tokens forgotten %.2f",
                opened, kReads + 1, used, closed, pruned);
  row("S", "what a closed task leaves in PostgreSQL, KiB", {pruned}, 0, note, false);
}

int run(int argc, char** argv) {
  const auto rounds = std::stoul(option(argc, argv, "rounds", "7"));
  const auto count = std::stoul(option(argc, argv, "count", "600"));
  const Scratch scratch(option(argc, argv, "dir", "build/bench"));
  testkit::PostgresServer server;
  struct Setting {
    std::string name;
    std::unique_ptr<Fleet> fleet;
    std::map<Op, Figures> figures;
  };
  std::vector<Setting> settings;
  settings.push_back(
      {"SQLite", std::make_unique<Fleet>(scratch.path() + "/sqlite", nullptr, 1), {}});
  for (const std::size_t nodes : {1u, 2u, 3u})
    settings.push_back(
        {"PostgreSQL, " + std::to_string(nodes) + (nodes == 1 ? " node" : " nodes"),
         std::make_unique<Fleet>(scratch.path() + "/" + std::to_string(nodes), &server, nodes),
         {}});
  const std::size_t even = count - count % 6;  // as many for each node
  for (std::size_t round = 0; round <= rounds; ++round)
    for (auto& s : settings) {
      auto items = fresh(even, std::to_string(round) + "-");
      std::map<Op, Figures> warm;
      for (const auto& [op, name] : kOps)
        work(*s.fleet, op, items, (round == 0 ? warm : s.figures)[op]);
    }
  for (const auto& [op, name] : kOps)
    for (auto& s : settings) {
      const Figures& f = s.figures[op];
      const Figures& base = settings[1].figures[op];  // one node on PostgreSQL
      std::vector<double> ratios;
      for (std::size_t i = 0; i < rounds; ++i) ratios.push_back(f.rate[i] / base.rate[i]);
      char note[160];
      std::snprintf(note, sizeof note,
                    "%.0f/s; CPU a piece %.0f us of nodes, %.0f us of the server; %.1f round trips",
                    spread(f.rate).median, spread(f.cpu).median, spread(f.server_cpu).median,
                    spread(f.trips).median);
      row("S", std::string(name) + ", " + s.name + " / one on PostgreSQL", ratios, 0, note);
    }
  settings.clear();
  {
    Fleet alone(scratch.path() + "/alone", &server, 1);
    auto warm = fresh(20, "W-"), items = fresh(20, "A-");
    for (const auto& [op, name] : kOps) trips_alone(alone, op, warm);  // prepares the statements
    for (const auto& [op, name] : kOps)
      row("S", std::string("round trips of one, alone: ") + name, {trips_alone(alone, op, items)},
          0, "with its BEGIN and its COMMIT; reads are recorded within 20 ms, in the next commit",
          false);
  }
  growth(server, scratch.path() + "/growth", even * 2);
  return 0;
}

}  // namespace
}  // namespace stint::bench

int main(int argc, char** argv) { return stint::bench::run(argc, argv); }
