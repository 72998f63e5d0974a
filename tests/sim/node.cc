#include "node.h"

#include <utility>

#include "open_on.h"

namespace stint::sim {

Node::Node(Scheduler& scheduler, SharedDatabase& database, std::size_t index, std::uint64_t seed,
           authority::Settings settings, milliseconds skew)
    : process(scheduler),
      link{.database = database, .process = process, .node = index},
      database_(database),
      clock_(scheduler),
      entropy_(seed),
      settings_(std::move(settings)) {
  clock_.set_skew(skew);
}

Status Node::start(const crypto::RootKey& root) {
  store_ = STINT_TRY(store::OpenOn::database(database_.connect(link), {}, clock_, process));
  keys_ = STINT_TRY(keys::KeyRing::open(*store_, root, "sim.test", entropy_, clock_.wall()));
  vault_ = STINT_TRY(vault::Vault::open(*store_, root, entropy_));
  authority_ = STINT_TRY(
      authority::Authority::open({*store_, *keys_, *vault_, clock_, entropy_}, settings_));
  if (database_.planted == Planted::kFollowsNobody)
    store_->follow([](std::span<const store::EventView>) -> Status { return {}; });
  reaper::Settings upkeep;
  if (database_.planted == Planted::kNeverPublishes)
    upkeep.checkpoint_every = upkeep.longest_pause = std::chrono::hours(1);
  reaper_ = std::make_unique<reaper::Reaper>(*authority_, upkeep, process);
  reaper_->start();
  return {};
}

void Node::kill() {
  link.dead = true;
  process.alone();
  database_.link_changed();
  if (reaper_) reaper_->stop();
  if (store_) store_->stop();
  while (under_way_ > 0 && loop_.poll() > 0) {
  }
  reaper_.reset();
  authority_.reset();
  vault_.reset();
  keys_.reset();
  store_.reset();
}

void Node::cut(bool cut) {
  link.cut = cut;
  database_.link_changed();
}

rt::Co<void> Node::counted(std::size_t* under_way, rt::Co<void> work) {
  co_await std::move(work);
  --*under_way;
}

void Node::spawn(rt::Co<void> work) {
  if (loop_.stopped()) loop_.restart();
  ++under_way_;
  rt::spawn(loop_.get_executor(), counted(&under_way_, std::move(work)));
}

}  // namespace stint::sim
