// P10: durable events a second by group commit at N outstanding, against one writer of a plain file
// with an append and an fdatasync each, on the same disk in the same run. With `--store postgres`
// on a PostgreSQL of its own, against one session that inserts and commits each alone.
//
// One round: the lone ones, then each N. Acknowledged events are counted in the store.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <latch>
#include <map>
#include <memory>
#include <semaphore>
#include <string>
#include <vector>

#include "lib/measure.h"
#include "lib/peer.h"
#include "stint/base/clock.h"
#include "stint/store/store.h"
#include "stint/testkit/postgres_server.h"

namespace stint::bench {
namespace {

const std::string kEvent(300, 'e');

double lone_appends(const std::string& directory, int appends) {
  const std::string path = directory + "/lone";
  const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_APPEND, 0600);
  if (fd < 0) no_figure("cannot write the plain file");
  const double start = wall_seconds();
  for (int i = 0; i < appends; ++i)
    if (::write(fd, kEvent.data(), kEvent.size()) != static_cast<ssize_t>(kEvent.size()) ||
        ::fdatasync(fd) != 0)
      no_figure("an append failed");
  const double rate = appends / (wall_seconds() - start);
  ::close(fd);
  return rate;
}

double lone_inserts(PGconn* session, int inserts) {
  const std::string sql =
      "INSERT INTO lone (body) VALUES (convert_to('" + kEvent + "', 'UTF8'))";  // commits by itself
  const double start = wall_seconds();
  for (int i = 0; i < inserts; ++i) exec(session, sql.c_str());
  return inserts / (wall_seconds() - start);
}

// One store, and what is alone beside it.
struct Bench {
  explicit Bench(const Scratch& scratch, bool on_postgres) : directory(scratch.path()) {
    store::Options options{.path = directory + "/stint.db"};
    if (on_postgres) {
      server = std::make_unique<testkit::PostgresServer>();
      peer = connect_peer(server->database());
      exec(peer.get(), "CREATE TABLE lone (n bigserial PRIMARY KEY, body bytea NOT NULL)");
      options = {};
      options.postgres = store::PostgresOptions{.url = server->database(), .password = nullptr};
    }
    store = must(store::Store::open(std::move(options), clock), "store");
    store->follow([](std::span<const store::EventView>) -> Status { return {}; });
  }
  double lone(int count) const {
    return peer ? lone_inserts(peer.get(), count) : lone_appends(directory, count);
  }

  std::string directory;
  SystemClock clock;
  std::unique_ptr<testkit::PostgresServer> server;
  PgPeer peer;
  std::unique_ptr<store::Store> store;
};

struct Result_ {
  double rate = 0;
  std::vector<double> latency;  // µs
};

// Keeps `outstanding` commands in flight until `count` are acknowledged.
Result_ group_commits(store::Store& store, std::ptrdiff_t outstanding, std::size_t count) {
  Result_ out;
  out.latency.resize(count);
  std::counting_semaphore<> slots(outstanding);
  std::atomic<bool> ok = true;
  std::latch done(static_cast<std::ptrdiff_t>(count));
  const store::Seq before = store.size();
  const double start = wall_seconds();
  for (std::size_t i = 0; i < count; ++i) {
    slots.acquire();
    const double sent = wall_seconds();
    store.submit(
        [](store::Tx& tx) { return tx.append({"bench.event", std::nullopt, kEvent, WallTime{}}); },
        [&, i, sent](auto r) {
          if (!r) ok = false;
          out.latency[i] = (wall_seconds() - sent) * 1e6;
          slots.release();
          done.count_down();
        });
  }
  done.wait();
  out.rate = static_cast<double>(count) / (wall_seconds() - start);
  if (!ok || store.size() - before != count) no_figure("acknowledged events are missing");
  return out;
}

int run(int argc, char** argv) {
  const auto rounds = std::stoul(option(argc, argv, "rounds", "9"));
  const auto appends = std::stoi(option(argc, argv, "count", "3000"));
  const Scratch scratch(option(argc, argv, "dir", "build/bench"));
  const bool on_postgres = option(argc, argv, "store", "sqlite") == "postgres";
  const Bench bench(scratch, on_postgres);
  auto& store = bench.store;
  const std::vector<std::pair<std::ptrdiff_t, double>> wanted{
      {1, 0}, {8, 0}, {64, on_postgres ? 12 : 8}, {256, on_postgres ? 25 : 0}};
  const char* const alone =
      on_postgres ? "PostgreSQL / lone INSERT + COMMIT" : "/ lone append + fdatasync";
  std::map<std::ptrdiff_t, std::vector<double>> ratios, rates, p50, p99;
  std::vector<double> lone;
  group_commits(*store, 64, 2000);  // the files have grown
  for (std::size_t round = 0; round < rounds; ++round) {
    lone.push_back(bench.lone(appends));
    for (const auto& [n, goal] : wanted) {
      const auto count = static_cast<std::size_t>(appends) * (n == 1 ? 1 : n == 8 ? 2 : 8);
      Result_ r = group_commits(*store, n, count);
      rates[n].push_back(r.rate);
      ratios[n].push_back(r.rate / lone.back());
      p50[n].push_back(percentile(r.latency, 0.5));
      p99[n].push_back(percentile(r.latency, 0.99));
    }
  }
  for (const auto& [n, goal] : wanted) {
    char what[96], note[160];
    std::snprintf(what, sizeof what, "events at %td outstanding%s %s", n, on_postgres ? "," : "",
                  alone);
    std::snprintf(note, sizeof note, "%.0f/s, lone %.0f/s; ack p50 %.0f us, p99 %.0f us (%.1f x)",
                  spread(rates[n]).median, spread(lone).median, spread(p50[n]).median,
                  spread(p99[n]).median, spread(p99[n]).median / spread(p50[n]).median);
    row("P10", what, ratios[n], goal, note);
  }
  return 0;
}

}  // namespace
}  // namespace stint::bench

int main(int argc, char** argv) { return stint::bench::run(argc, argv); }
