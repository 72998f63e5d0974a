#include "fleet.h"

#include <array>
#include <cstdlib>
#include <utility>

#include "clients.h"
#include "fiber.h"
#include "stint/base/log.h"
#include "stint/testkit/seeded_entropy.h"

namespace stint::sim {
namespace {

constexpr std::size_t kTraceEnd = 60;  // lines
constexpr std::size_t kUnderWay = 6;   // of one node, but for a burst

authority::Settings settings_of(Planted planted) {
  authority::Settings settings{.issuer = "http://127.0.0.1:7443",
                               .gateway_url = "http://127.0.0.1:7444"};
  if (planted == Planted::kTrustsForLong) settings.feed_max_age = std::chrono::hours(1);
  return settings;
}

// A database with keys and configuration: made once, since RSA keys take their time.
struct Template {
  Template() {
    Node node(scheduler, database, 0, 7, settings_of(Planted::kNone), milliseconds(0));
    if (!node.start(root)) std::abort();
    bool applied = false;
    node.spawn(apply(&node, &applied));
    while (!applied)
      if (!node.poll()) scheduler.pass();
    node.kill();
  }
  static rt::Co<void> apply(Node* node, bool* applied) {
    std::map<std::string, Secret> secrets;
    secrets.emplace("git-password", Secret(std::string("test-password-planted")));
    const auto done = co_await node->authority().apply(
        configuration(), std::move(secrets), std::nullopt, authority::Actor::local_operator(0));
    if (!done) std::abort();
    *applied = true;
  }

  Scheduler scheduler{0};
  Probes probes;
  testkit::SeededEntropy entropy{11};
  crypto::RootKey root = crypto::RootKey::generate(entropy);
  SharedDatabase database{scheduler, probes};
};

Template& made_once() {
  static Template made;
  return made;
}

class Fleet {
 public:
  explicit Fleet(const Plan& plan)
      : plan_(plan),
        scheduler_(plan.seed),
        database_(scheduler_, out_.probes),
        model_(database_, scheduler_, out_.probes, authority::Settings{}.feed_max_age),
        market_{.scheduler = scheduler_,
                .model = model_,
                .probes = out_.probes,
                .trace = [this](std::string s) { trace(std::move(s)); },
                .any_node = [this] { return any_node(); },
                .tasks = {},
                .asked = {}},
        current_(plan.nodes),
        down_until_(plan.nodes),
        cut_until_(plan.nodes) {}

  Outcome run();

 private:
  void trace(std::string what);
  bool ok() const { return !model_.violation(); }
  void start(std::size_t index);
  void one_step();
  void look();
  Node* any_node();
  void ask();
  void ask_of(Node& node);
  void freeze(Node& node, milliseconds time);
  void fault();
  void heal(bool all);
  bool run_some(std::size_t tries);
  void end();
  bool done();
  void rest(milliseconds time);

  const Plan plan_;
  Outcome out_;
  Scheduler scheduler_;
  SharedDatabase database_;
  Model model_;
  Market market_;
  std::vector<std::unique_ptr<Node>> nodes_;  // also those that were killed
  std::vector<Node*> current_;                // null: down
  std::vector<MonoTime> down_until_, cut_until_;
  MonoTime looked_{};
};

void Fleet::trace(std::string what) {
  what.insert(0, std::to_string(scheduler_.now().time_since_epoch() / milliseconds(1)) + " ");
  for (const char c : what) {
    out_.trace_hash ^= static_cast<unsigned char>(c);
    out_.trace_hash *= 0x100000001b3ULL;
  }
  out_.trace.push_back(std::move(what));
  if (!plan_.keep_trace && out_.trace.size() > kTraceEnd) out_.trace.pop_front();
}

void Fleet::start(std::size_t index) {
  auto& dice = scheduler_.dice();
  const milliseconds skew{dice.permille(500) ? 0 : static_cast<int>(dice.below(600'001)) - 300'000};
  // Its ids are its own, at each start.
  std::uint64_t seed = dice.next();
  if (plan_.planted == Planted::kOneNodeId) seed = plan_.seed;
  nodes_.push_back(
      std::make_unique<Node>(scheduler_, database_, index, seed, settings_of(plan_.planted), skew));
  Node& node = *nodes_.back();
  const Status started = node.start(made_once().root);
  trace("node " + std::to_string(index) +
        (started ? " starts"
                 : std::string(" does not start: ") + std::string(started.error().reason.text())));
  if (started) {
    current_[index] = &node;
  } else {
    node.kill();
    down_until_[index] = scheduler_.now() + milliseconds(500);
  }
}

// One loop of some node goes on, or one step of what a client asked.
bool Fleet::run_some(std::size_t tries) {
  for (std::size_t i = 0; i < tries; ++i) {
    if (scheduler_.dice().permille(500)) {
      if (scheduler_.step()) return true;
    } else if (Node* node = scheduler_.dice().of(current_);
               node != nullptr && !node->frozen() && node->under_way() > 0 && node->poll()) {
      return true;
    }
  }
  return false;
}

Node* Fleet::any_node() {
  Node* const node = scheduler_.dice().of(current_);
  const bool can =
      node != nullptr && node->runs() && !node->frozen() && node->under_way() < kUnderWay;
  return can ? node : nullptr;
}

void Fleet::ask() {
  if (Node* const node = any_node(); node != nullptr) ask_of(*node);
}

// At the views of all who live, whenever time has passed.
void Fleet::look() {
  if (std::exchange(looked_, scheduler_.now()) == scheduler_.now()) return;
  for (Node* const node : current_)
    if (node != nullptr) model_.check_view(node->authority(), node->view_age());
}

void Fleet::ask_of(Node& node) {
  auto& dice = scheduler_.dice();
  auto& m = market_;
  const auto what = dice.below(100);
  if (m.tasks.empty() || what < 14) return node.spawn(open_one(&m, &node));
  // The newest are the most busy.
  const std::size_t last = std::min<std::size_t>(m.tasks.size(), 6);
  const Known& known = m.tasks[m.tasks.size() - 1 - dice.below(last)];
  const TaskId id = known.task.id;
  if (what < 26) return node.spawn(delegate_one(&m, &node, known));
  if (what < 36) return node.spawn(mint_one(&m, &node, known));
  if (what < 53) return node.spawn(call_one(&m, &node, known.task, CallKind::kRead));
  if (what < 65) return node.spawn(call_one(&m, &node, known.task, CallKind::kWrite));
  if (what < 74) return node.spawn(call_one(&m, &node, known.task, CallKind::kAsked));
  if (what < 82 && !m.asked.empty())
    return node.spawn(answer_one(&m, &node, m.asked[m.asked.size() - 1]));
  if (what < 84) return node.spawn(pause_one(&m, &node, id, false));
  if (what < 88) return node.spawn(pause_one(&m, &node, id, true));
  if (what < 94) return node.spawn(close_one(&m, &node, known.task));
  if (dice.permille(100)) burst(m, node, known.task, 160);
}

void Fleet::freeze(Node& node, milliseconds time) {
  if (plan_.planted == Planted::kClockStops && !node.frozen()) node.clock().lose(time);
  node.process.freeze_until(scheduler_.now() + time);
}

void Fleet::fault() {
  auto& dice = scheduler_.dice();
  const std::size_t index = dice.below(current_.size());
  Node* const node = current_[index];
  if (node == nullptr) return;
  const std::string name = "node " + std::to_string(index);
  switch (dice.below(5)) {
    case 0:
      trace(name + " is killed");
      current_[index] = nullptr;
      node->kill();
      down_until_[index] = scheduler_.now() + milliseconds(dice.below(3000));
      return;
    case 1:
      trace(name + " is cut off");
      if (!node->link.cut) model_.link_cut(node->link);
      node->cut(true);
      cut_until_[index] = scheduler_.now() + milliseconds(dice.below(6000));
      return;
    case 2:
      trace(name + " freezes");
      freeze(*node, milliseconds(dice.below(7000)));
      return;
    case 3:
      trace(name + "'s clock is set");
      node->clock().set_skew(milliseconds(static_cast<int>(dice.below(600'001)) - 300'000));
      return;
    default:
      trace("the weather changes");
      database_.weather = dice.permille(400) ? Weather{}
                                             : Weather{.break_statement = dice.below(15),
                                                       .break_read = dice.below(15),
                                                       .lose_commit = dice.below(120),
                                                       .conflict = dice.below(80),
                                                       .lose_notice = dice.below(600)};
  }
}

void Fleet::heal(bool all) {
  for (std::size_t i = 0; i < current_.size(); ++i) {
    if (current_[i] == nullptr && (all || scheduler_.now() >= down_until_[i])) start(i);
    Node* const node = current_[i];
    if (node == nullptr) continue;
    if (all) node->process.freeze_until(scheduler_.now());
    if (node->link.cut && (all || scheduler_.now() >= cut_until_[i])) {
      node->cut(false);
      model_.link_healed(node->link);
      trace("node " + std::to_string(i) + " is back");
    }
  }
}

void Fleet::one_step() {
  auto& dice = scheduler_.dice();
  look();
  heal(false);
  const auto what = dice.below(1000);
  if (what < 130) {
    ask();
  } else if (what < 138) {
    fault();
  } else if (what < 260) {
    scheduler_.advance(milliseconds(dice.below(dice.permille(50) ? 1500 : 40)));
  } else if (scheduler_.empty()) {
    scheduler_.advance(milliseconds(50));
  } else if (!run_some(4)) {
    scheduler_.pass();
  }
}

// Time goes by, and everybody does what there is to do.
void Fleet::rest(milliseconds time) {
  const MonoTime until = scheduler_.now() + time;
  while (ok() && scheduler_.now() < until) {
    look();
    heal(true);
    bool any = false;
    for (Node* node : current_) any |= node != nullptr && node->under_way() > 0 && node->poll();
    if (any) continue;
    if (scheduler_.empty()) scheduler_.advance(milliseconds(50));
    if (!scheduler_.empty()) scheduler_.pass();
  }
}

// Everybody was answered, and nothing is owed.
bool Fleet::done() {
  if (!ok()) return true;
  for (const Node* const node : current_)
    if (node == nullptr || node->under_way() > 0) return false;
  return model_.settled();
}

void Fleet::end() {
  trace("faults stop");
  database_.weather = {};
  heal(true);
  rest(std::chrono::seconds(1));  // what was recorded is written, and each view confirmed
  for (int i = 0; i < 8 && !done(); ++i) rest(std::chrono::seconds(1));
  for (int i = 0; i < 4 && !done(); ++i) {
    // What waits by a wall clock waits as long as clocks differ.
    scheduler_.advance(std::chrono::minutes(4));
    for (int n = 0; n < 6 && !done(); ++n) rest(std::chrono::seconds(1));
  }
  if (ok()) model_.check_end();
}

Outcome Fleet::run() {
  log::set_threshold(static_cast<log::Level>(255));  // faults are what it is about
  out_.trace_hash = 0xcbf29ce484222325ULL;
  (void)database_.copy_from(made_once().database);
  model_.read_log(nullptr);
  database_.committed = [this](const Link* by) { model_.read_log(by); };
  database_.planted = plan_.planted;
  for (std::size_t i = 0; i < current_.size(); ++i) start(i);
  for (; ok() && out_.steps < plan_.steps; ++out_.steps) one_step();
  if (ok()) end();
  if (!ok()) trace(*model_.violation());
  out_.violation = model_.violation();
  out_.events = model_.events();
  for (const auto& node : nodes_) node->kill();
  nodes_.clear();
  return std::move(out_);
}

}  // namespace

Outcome simulate(const Plan& plan) {
  Outcome out;
  on_fiber_thread([&] { out = Fleet(plan).run(); });
  return out;
}

const std::vector<std::string>& rare_branches() {
  static const std::vector<std::string> names{
      "in doubt: the commit never arrived",
      "in doubt: the commit's answer was lost",
      "in doubt: committed after the client was gone",
      "in doubt: given up after the client was gone",
      "a transaction met another's, and ran again",
      "a write connection broke at a statement",
      "a read connection broke",
      "the server ended the turn of a frozen process",
      "a lease was taken over",
      "a feed delivered a commit before its writer did",
      "a writer was further behind than it reads in its turn",
      "a node that did not know yet went on after the close",
      "a node was asked for a task that it had not heard of",
      "a node could not find out whether a task is open",
      "a close came between permit and release",
      "a close overtook a delegation",
      "a close overtook a mint",
      "a stale view refused",
      "a budget was used up",
      "an approval lifted a deny",
      "an assertion came twice",
      "a read's record died with its process",
  };
  return names;
}

}  // namespace stint::sim
