#include "writing_end.h"

#include <algorithm>
#include <utility>

namespace stint::sim {
namespace {

constexpr milliseconds kIdle{1000};  // as the sessions of PostgreSQL are set

}  // namespace

WritingEnd::WritingEnd(Link& link, std::unique_ptr<store::SqliteSession> session)
    : link_(link),
      shared_(link.database),
      inner_(std::make_unique<store::SqliteWriter>(std::move(session), *gate_, [](int) {})) {}

WritingEnd::~WritingEnd() { WritingEnd::abandon(); }

std::unexpected<Error> WritingEnd::break_off() {
  broken_ = true;
  if (inner_) inner_->abandon();
  give_turn();
  return fail(Errc::kUnavailable, "the connection to the database is lost");
}

void WritingEnd::terminate() {
  shared_.probe("the server ended the turn of a frozen process");
  (void)break_off();
}

Status WritingEnd::take_turn() {
  auto& turn = shared_.turn_;
  std::unique_lock lock(shared_.mutex_);
  while (turn.holder != nullptr && link_.up()) {
    const auto free = [&] { return turn.holder == nullptr || !link_.up(); };
    if (turn.freed->wait_for(lock, kIdle, free)) continue;
    if (turn.holder != nullptr && turn.holder->link_.process.frozen()) {
      lock.unlock();
      turn.holder->terminate();
      lock.lock();
    }
  }
  if (!link_.up()) return break_off();
  turn.holder = this;
  return {};
}

void WritingEnd::give_turn() {
  auto& turn = shared_.turn_;
  if (turn.holder != this) return;
  turn.holder = nullptr;
  turn.freed->notify_all();
}

Result<store::Seq> WritingEnd::begin() {
  in_doubt_ = may_retry_ = closes_ = false;
  shared_.scheduler_.yield();
  if (broken_ || !link_.up()) return break_off();
  STINT_TRY(take_turn());
  shared_.bury_undead();
  auto size = inner_->begin();
  if (!size) {
    (void)break_off();
    return size;
  }
  if (link_.delivery != nullptr && *size > link_.delivery->size() + 256)
    shared_.probe("a writer was further behind than it reads in its turn");
  return size;
}

Result<store::Cursor*> WritingEnd::start(store::Sql sql, std::span<const store::Param> parameters) {
  if (broken_ || !link_.up()) return break_off();
  if (shared_.scheduler_.dice().permille(shared_.weather.break_statement)) {
    shared_.probe("a write connection broke at a statement");
    return break_off();
  }
  return inner_->start(sql, parameters);
}

Status WritingEnd::end_command(bool keep) {
  if (broken_) return fail(Errc::kUnavailable, "the connection to the database is lost");
  return inner_->end_command(keep);
}

Status WritingEnd::write_log(const store::EventBatch& batch,
                             std::span<const store::EventView> events) {
  shared_.scheduler_.yield();
  if (broken_ || !link_.up()) return break_off();
  if (shared_.planted == Planted::kLosesTheIntent && !events.empty() &&
      events.front().kind == "decision")
    return {};
  closes_ = std::ranges::any_of(events, [](const auto& e) { return e.kind == "task.closed"; });
  return inner_->write_log(batch, events);
}

void WritingEnd::kept() {
  if (shared_.committed) shared_.committed(&link_);
  shared_.announce();
  give_turn();
}

Status WritingEnd::lose_commit() {
  in_doubt_ = true;
  switch (shared_.scheduler_.dice().below(3)) {
    case 0:
      shared_.probe("in doubt: the commit never arrived");
      return break_off();
    case 1:
      shared_.probe("in doubt: the commit's answer was lost");
      if (inner_->commit()) kept();
      return break_off();
    default:
      shared_.bury_undead();
      shared_.undead_ = std::move(inner_);
      shared_.undead_gate_ = std::move(gate_);
      return break_off();
  }
}

bool WritingEnd::in_doubt() const { return in_doubt_ && shared_.planted != Planted::kSaysNo; }

Status WritingEnd::commit() {
  shared_.scheduler_.yield();
  if (broken_ || !link_.up()) {
    in_doubt_ = true;  // it may have been on its way, for all that this end knows
    return break_off();
  }
  if (shared_.scheduler_.dice().permille(shared_.weather.conflict)) {
    shared_.probe("a transaction met another's, and ran again");
    may_retry_ = true;
    return fail(Errc::kUnavailable, "the transaction met another's");
  }
  if (shared_.scheduler_.dice().permille(shared_.weather.lose_commit)) {
    if (shared_.planted != Planted::kSaysYes) return lose_commit();
    abandon();
    return {};
  }
  if (shared_.planted == Planted::kLosesTheClose && closes_) {
    abandon();
    return {};
  }
  if (const Status done = inner_->commit(); !done) {
    (void)break_off();
    return done;
  }
  kept();
  link_.committing = true;
  shared_.scheduler_.yield();  // others hear of it before this writer does, its own feed too
  link_.committing = false;
  return {};
}

void WritingEnd::abandon() {
  if (inner_) inner_->abandon();
  give_turn();
}

}  // namespace stint::sim
