// What became of a commit whose answer was lost, and whether the database can be written at all.
#include <chrono>
#include <utility>

#include "log_rows.h"
#include "writer.h"

namespace stint::store {
namespace {

constexpr Sql kProbe =
    "INSERT INTO meta (key, value) VALUES ('probe', $1) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value";

// What became of a commit whose answer was lost is asked for so long before the callers are told
// that it is not known.
constexpr int kSettles = 20;  // looks, at most so long:
constexpr std::chrono::seconds kSettle{5};
constexpr std::chrono::milliseconds kSettleEvery{250};

constexpr Error kUnknown{Errc::kUnavailable, "it is not known yet whether this was committed"};

}  // namespace

// The connection broke while the batch was being committed. The log says what came of it, once it
// can be read; until then nobody is told yes, nor what was recorded is written again. What was
// taken of the batch is then a prefix of commands; the others were not part of it.
std::optional<Error> Writer::settle(Error error, Batch& batch, std::size_t& taken) {
  if (doubt_->leaves.empty()) {  // nothing in the log would tell
    (void)give_up(error);
    doubt_.reset();
    return kUnknown;
  }
  const MonoTime until = threads_.now() + kSettle;
  for (int attempt = 1;; ++attempt) {
    const Result<Seq> begun = begin();
    (void)give_up(error);
    if (!begun) error = begun.error();
    // A look may take long, and clock_ may stand still.
    if (!doubt_ || attempt == kSettles || threads_.now() >= until) break;
    std::unique_lock lock(mutex_);
    wake_->wait_for(lock, kSettleEvery, [] { return false; });
  }
  if (!doubt_ && !settled_) return undone(error, batch, taken);
  // It stands here. A standby that must have it too may lack it: a later commit waits for both.
  if (!doubt_ && !probe()) return std::nullopt;
  Batch commands, recorded;
  for (; taken > 0; --taken) {
    (batch.front().command ? commands : recorded).push_back(std::move(batch.front()));
    batch.pop_front();
  }
  if (doubt_) doubt_->recorded = std::move(recorded);  // else they stand as well
  taken = commands.size();
  for (; !commands.empty(); commands.pop_back()) batch.push_front(std::move(commands.back()));
  return kUnknown;
}

// Reads what became of the batch in doubt, inside a transaction: nobody can carry it out any more.
Status Writer::resolve(Seq end) {
  Reader reader(*connection_);
  const auto& wanted = doubt_->leaves;
  std::size_t same = 0;
  if (end >= doubt_->first + wanted.size()) {
    read_leaves(reader, doubt_->first, [&](const Hash& leaf) {
      if (leaf != wanted[same]) return false;
      return ++same < wanted.size();
    });
  }
  if (reader.error()) return fail(*reader.error());
  settled_ = same == wanted.size();
  if (!settled_) recovered_ = std::move(doubt_->recorded);
  doubt_.reset();
  return {};
}

// Writes to see whether it can, and learns of the batch in doubt, if there is one. When that is
// done, what it had recorded is queued again unless it stands, and behind it what is `newer`.
std::optional<Error> Writer::reconsider(Batch& newer) {
  const auto error = probe();
  if (!doubt_) put_back(newer);
  put_back(recovered_);
  return error;
}

// A whole durable transaction of its own: begin, change, commit, fsync.
std::optional<Error> Writer::probe() {
  const Result<Seq> first = begin();
  if (!first) return give_up(first.error());
  {
    EventBatch none;  // what is being settled stays as it is
    none.start(*first);
    Tx tx(*connection_, none);
    tx.run(kProbe, Blob{"1"});
    if (tx.error()) return give_up(*tx.error());
  }
  if (const Status s = connection_->commit(); !s) return give_up(s.error());
  return std::nullopt;
}

}  // namespace stint::store
