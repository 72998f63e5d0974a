// S2: from a close's acknowledgement to its refusal on every node, under load; beside it a bare
// INSERT, NOTIFY and COMMIT to listeners in as many sessions, on the same server at the same time.
//
// What is taken as the acknowledgement is the commit's return at the closing node, before anything
// is answered; as the refusal, at each other node, the moment at which its view has no such task
// any more: both seen by an observer of the node's store, which is told after the view. So the time
// is from before the promise's to after it.
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "lib/fleet.h"
#include "lib/measure.h"
#include "lib/peer.h"
#include "stint/audit/event.h"
#include "stint/rt/runtime.h"
#include "stint/testkit/postgres_server.h"

namespace stint::bench {
namespace {

constexpr std::size_t kNodes = 3;

// When each node was told of something; who waits for the last.
class Arrivals {
 public:
  void begin(std::size_t expected) {
    const std::lock_guard lock(mutex_);
    at_.assign(expected, 0);
    left_ = expected;
  }
  void arrived(std::size_t who) {
    const double now = wall_seconds();
    const std::lock_guard lock(mutex_);
    if (who >= at_.size() || at_[who] != 0) return;
    at_[who] = now;
    if (--left_ == 0) all_.notify_one();
  }
  std::vector<double> wait() {
    std::unique_lock lock(mutex_);
    if (!all_.wait_for(lock, std::chrono::seconds(10), [&] { return left_ == 0; }))
      no_figure("not everybody was told");
    return at_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_;
  std::vector<double> at_;
  std::size_t left_ = 0;
};

// Tells when a node refuses the task that is being closed. The stores keep it: observers live as
// long as they do.
class Watch {
 public:
  static std::shared_ptr<Watch> over(Fleet& fleet) {
    const std::shared_ptr<Watch> watch(new Watch(fleet));
    for (std::size_t i = 0; i < fleet.size(); ++i)
      fleet.node(i).store->observe([watch, i](std::span<const store::EventView> events) {
        for (const auto& e : events)
          if (e.kind == audit::TaskClosed::kKind && e.task == watch->task()) watch->told(i);
      });
    return watch;
  }
  void begin(TaskId task) {
    arrivals_.begin(fleet_.size());
    const std::lock_guard lock(mutex_);
    task_ = task;
  }
  std::vector<double> wait() {
    auto at = arrivals_.wait();
    const std::lock_guard lock(mutex_);
    task_.reset();
    return at;
  }

 private:
  explicit Watch(Fleet& fleet) : fleet_(fleet) {}
  std::optional<TaskId> task() {
    const std::lock_guard lock(mutex_);
    return task_;
  }
  void told(std::size_t node) {
    const auto closed = task();
    if (!closed) return;
    const auto live = fleet_.node(node).authority->live(*closed);
    if (live || live.error().code != Errc::kTaskClosed) no_figure("a closed task is not refused");
    arrivals_.arrived(node);
  }

  Fleet& fleet_;
  Arrivals arrivals_;
  std::mutex mutex_;
  std::optional<TaskId> task_;
};

// Calls at a steady pace at every node, one in four of them a write that waits for its commit.
class Load {
 public:
  Load(Fleet& fleet, const std::vector<TaskId>& tasks, double per_second) {
    for (std::size_t i = 0; i < fleet.size(); ++i)
      threads_.emplace_back([this, &fleet, &tasks, i, per_second] {
        run(fleet.node(i), tasks, per_second / static_cast<double>(fleet.size()));
      });
  }
  ~Load() {
    over_ = true;
    for (auto& t : threads_) t.join();
  }
  std::size_t calls() const { return calls_; }

 private:
  void run(World& node, const std::vector<TaskId>& tasks, double per_second) {
    double due = wall_seconds();
    for (std::size_t i = 0; !over_; ++i) {
      due = std::max(due + 1 / per_second, wall_seconds() - 0.1);
      if (const double left = due - wall_seconds(); left > 0)
        ::poll(nullptr, 0, static_cast<int>(left * 1e3));
      auto verdict = rt::block_on(
          node.authority->decide(call_of(node, tasks[i % tasks.size()], i % 4 == 0, i)));
      if (!verdict || !verdict->permit) no_figure("a call of the load was not permitted");
      ++calls_;
    }
  }
  std::atomic<bool> over_ = false;
  std::atomic<std::size_t> calls_ = 0;
  std::vector<std::thread> threads_;
};

// One session that writes and announces, and others that listen.
class Bare {
 public:
  Bare(const std::string& url, std::size_t listeners) : writer_(connect_peer(url)) {
    exec(writer_.get(), "CREATE TABLE bare (n bigserial PRIMARY KEY, body bytea NOT NULL)");
    for (std::size_t i = 0; i < listeners; ++i) {
      sessions_.push_back(connect_peer(url));
      exec(sessions_.back().get(), "LISTEN bare");
      threads_.emplace_back([this, i] { listen(i); });
    }
  }
  ~Bare() {
    over_ = true;
    exec(writer_.get(), "NOTIFY bare");
    for (auto& t : threads_) t.join();
  }

  // Milliseconds from its begin, and from its acknowledgement, to the last listener.
  std::pair<double, double> once() {
    arrivals_.begin(sessions_.size());
    const double begun = wall_seconds();
    // One round trip, one durable transaction, as many bytes as a close's events.
    exec(writer_.get(),
         "BEGIN; INSERT INTO bare (body) VALUES (convert_to(repeat('e', 400), 'UTF8'));"
         "NOTIFY bare; COMMIT");
    const double acknowledged = wall_seconds();
    const double last = std::ranges::max(arrivals_.wait());
    return {(last - begun) * 1e3, std::max(0.0, last - acknowledged) * 1e3};
  }

 private:
  void listen(std::size_t i) {
    PGconn* const session = sessions_[i].get();
    while (!over_) {
      pollfd waiting{.fd = PQsocket(session), .events = POLLIN, .revents = 0};
      (void)::poll(&waiting, 1, 1000);
      if (PQconsumeInput(session) != 1) no_figure("a listener lost its session");
      while (PGnotify* told = PQnotifies(session)) {
        PQfreemem(told);
        arrivals_.arrived(i);
      }
    }
  }

  PgPeer writer_;
  std::vector<PgPeer> sessions_;
  std::atomic<bool> over_ = false;
  Arrivals arrivals_;
  std::vector<std::thread> threads_;
};

std::vector<TaskId> open_tasks(World& world, std::size_t count) {
  const domain::Binding binding{domain::Binding::Kind::kDpop, std::string(43, 'A')};
  std::vector<TaskId> out;
  for (std::size_t i = 0; i < count; ++i) {
    auto request = world.order(binding, "plain");
    request.order.reference = "T-" + std::to_string(i);
    out.push_back(
        must(rt::block_on(world.authority->open_task(std::move(request))), "open").task.id);
  }
  return out;
}

struct Times {  // ms
  std::vector<double> begun, acknowledged, commit;
};

void close_once(Fleet& fleet, Watch& watch, std::size_t closer, TaskId task, Times& out) {
  watch.begin(task);
  const double begun = wall_seconds();
  must(rt::block_on(fleet.node(closer).authority->close(task, domain::How::kCompleted,
                                                        authority::Actor::local_operator(0))),
       "close");
  const auto at = watch.wait();
  const double acknowledged = at[closer], last = std::ranges::max(at);
  out.begun.push_back((last - begun) * 1e3);
  out.acknowledged.push_back((last - acknowledged) * 1e3);
  out.commit.push_back((acknowledged - begun) * 1e3);
}

void append(std::vector<double>& all, const std::vector<double>& some) {
  all.insert(all.end(), some.begin(), some.end());
}

struct Rounds {
  std::vector<double> p99, of_bare, of_bare_ack, of_bare_begun;
  std::vector<double> all, all_begun, bare_begun, bare_ack;
  double per_second = 0;
};

Rounds measure(Fleet& fleet, Bare* bare, std::size_t rounds, std::size_t count, double per_second) {
  const auto watch = Watch::over(fleet);
  const auto busy = open_tasks(fleet.node(0), 50);
  const auto tasks = open_tasks(fleet.node(0), (rounds + 1) * count);
  fleet.settle();
  Rounds out;
  const double start = wall_seconds();
  Load load(fleet, busy, per_second);
  for (std::size_t r = 0; r <= rounds; ++r) {
    Times ours;
    std::vector<double> begun, acknowledged;
    for (std::size_t i = 0; i < count; ++i) {
      close_once(fleet, *watch, i % fleet.size(), tasks[r * count + i], ours);
      if (bare == nullptr) continue;
      const auto [from_begin, from_ack] = bare->once();
      begun.push_back(from_begin);
      acknowledged.push_back(from_ack);
    }
    if (r == 0) continue;  // prepares the statements
    out.p99.push_back(percentile(ours.acknowledged, 0.99));
    append(out.all, ours.acknowledged);
    append(out.all_begun, ours.begun);
    if (bare == nullptr) continue;
    out.of_bare.push_back(percentile(ours.acknowledged, 0.5) / percentile(begun, 0.5));
    out.of_bare_begun.push_back(percentile(ours.begun, 0.5) / percentile(begun, 0.5));
    append(out.bare_begun, begun);
    append(out.bare_ack, acknowledged);
  }
  out.per_second = static_cast<double>(load.calls()) / (wall_seconds() - start);
  return out;
}

std::string spread_of(const std::vector<double>& ms) {
  char out[96];
  std::snprintf(out, sizeof out, "p50 %.2f, p99 %.2f, max %.2f ms", percentile(ms, 0.5),
                percentile(ms, 0.99), spread(ms).max);
  return out;
}

int run(int argc, char** argv) {
  const auto rounds = std::stoul(option(argc, argv, "rounds", "9"));
  const auto count = std::stoul(option(argc, argv, "count", "100"));
  const auto per_second = std::stod(option(argc, argv, "load", "200"));
  const Scratch scratch(option(argc, argv, "dir", "build/bench"));
  char under[64];
  {
    Fleet one(scratch.path() + "/sqlite", nullptr, 1);
    const Rounds r = measure(one, nullptr, rounds, count, per_second);
    std::snprintf(under, sizeof under, "; %.0f calls/s meanwhile", r.per_second);
    row("S2", "acknowledged close to refusal, SQLite, one node: p99, ms", r.p99, 50,
        spread_of(r.all) + "; begun to refused " + spread_of(r.all_begun) + under, false);
  }
  testkit::PostgresServer server;
  Fleet fleet(scratch.path() + "/postgres", &server, kNodes);
  Bare bare(server.database(), kNodes - 1);
  const Rounds r = measure(fleet, &bare, rounds, count, per_second);
  std::snprintf(under, sizeof under, "; %.0f calls/s meanwhile", r.per_second);
  row("S2", "acknowledged close to last refusal, PostgreSQL, three nodes: p99, ms", r.p99, 50,
      spread_of(r.all) + under, false);
  row("S2", "its p50 / bare INSERT+NOTIFY+COMMIT to last listener", r.of_bare, 1.5,
      "bare " + spread_of(r.bare_begun) + "; of it after the acknowledgement " +
          spread_of(r.bare_ack),
      false);
  row("S2", "close begun to last refusal, p50 / the same bare", r.of_bare_begun, 0,
      spread_of(r.all_begun), false);
  return 0;
}

}  // namespace
}  // namespace stint::bench

int main(int argc, char** argv) { return stint::bench::run(argc, argv); }
