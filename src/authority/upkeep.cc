// What time and the log ask for, on the reaper's thread.
#include <algorithm>

#include "impl.h"
#include "stint/audit/receipt.h"
#include "stint/domain/json.h"
#include "stint/keys/key_ring.h"
#include "stint/merkle/checkpoint.h"
#include "stint/merkle/note.h"

namespace stint::authority {

Authority::Swept Authority::sweep() {
  Impl* impl = impl_.get();
  const WallTime now = impl->now();
  Swept swept;
  for (const auto& live : impl->view.all()) {
    const auto task = live->task();
    const auto due = domain::due(*task, {live->last_used(), live->last_present()}, now);
    if (due.close) {
      const auto closed =
          impl->commit_sync([&](store::Tx& tx, Changes& changes) -> Result<Closed> {
            return impl->close_subtree(tx, changes, task->id, *due.close, Actor::system("reaper"),
                                       now);
          });
      if (closed) swept.closed += closed->count;
    } else if (due.pause && task->state == domain::State::kActive) {
      const auto paused = impl->commit_sync([&](store::Tx& tx, Changes& changes) -> Result<bool> {
        domain::Task row = STINT_TRY(Impl::load_task(tx, task->id));
        STINT_TRY(domain::pause(row, *due.pause, now));
        Impl::update_task(tx, row);
        append(tx, now,
               audit::TaskPaused{
                   .task = row.id, .why = *due.pause, .actor = audit::Actor::server()});
        changes.tasks.push_back(std::make_shared<const domain::Task>(std::move(row)));
        return true;
      });
      if (paused) ++swept.paused;
    }
  }
  const auto expired = impl->commit_sync([&](store::Tx& tx, Changes& changes) -> Result<int> {
    int count = 0;
    for (const auto& body : tx.rows<std::string>(
             "SELECT body FROM approval WHERE state = 'pending' AND expires <= $1 LIMIT 500", now)) {
      domain::Approval a = STINT_TRY(domain::decode_approval(body));
      a.state = domain::ApprovalState::kExpired;
      ++a.version;
      Impl::update_approval(tx, a);
      append(tx, now, audit::ApprovalExpired{.approval = a.id, .task = a.call.task});
      changes.settled.push_back(a.id);
      ++count;
    }
    if (count == 0) tx.no_event();
    return count;
  });
  if (expired) swept.approvals_expired = static_cast<std::size_t>(*expired);
  const auto forgotten = impl->commit_sync([&](store::Tx& tx, Changes&) -> Result<std::int64_t> {
    tx.no_event();
    auto n = tx.run("DELETE FROM used_jti WHERE exp < $1", now);
    n += tx.run("DELETE FROM idempotency WHERE exp < $1", now);
    n += tx.run("DELETE FROM token WHERE exp < $1", now - std::chrono::hours(1));
    return n;
  });
  if (forgotten) swept.forgotten = static_cast<std::size_t>(*forgotten);
  return swept;
}

Result<bool> Authority::publish_log() {
  Impl* impl = impl_.get();
  const std::lock_guard lock(impl->publisher_mutex);
  const auto& keys = impl->parts.keys;
  const auto row = impl->publisher->publish(
      [&](store::Seq size, const store::Hash& root) {
        return merkle::sign_note(
            merkle::text({.origin = keys.origin(), .size = size, .root = root}), keys.origin(),
            keys.log_key());
      },
      impl->now());
  if (!row) return fail(row.error());
  return row->has_value();
}

Result<std::size_t> Authority::sign_receipts() {
  Impl* impl = impl_.get();
  const auto head = STINT_TRY(checkpoint());
  if (!head) return std::size_t{0};
  const merkle::Checkpoint covering{
      .origin = impl->parts.keys.origin(), .size = head->size, .root = head->root};
  const auto owed = STINT_TRY(impl->parts.store.read([](store::Reader& reader) {
    return reader.rows<TaskId>("SELECT task FROM owed WHERE kind = 'receipt' ORDER BY id LIMIT 200");
  }));
  std::size_t done = 0;
  for (const TaskId task : owed) {
    audit::ReceiptBuilder builder(task);
    bool covered = true;
    for (store::Seq from = 0; covered;) {
      const auto events = STINT_TRY(impl->parts.store.task_events(task, from, 1000));
      if (events.empty()) break;
      for (const auto& event : events) {
        // What came after the checkpoint waits for the next one.
        if (event.seq >= head->size) {
          covered = event.kind == audit::ReceiptSigned::kKind;
          break;
        }
        const auto entry = STINT_TRY(audit::parse(event.bytes));
        STINT_TRY(builder.add(event.seq, event.leaf, entry.event, entry.time));
      }
      from = events.back().seq + 1;
    }
    if (!covered) continue;
    const auto receipt = builder.finish(covering);
    if (!receipt) continue;
    const std::string note = STINT_TRY(
        audit::sign_receipt(*receipt, impl->parts.keys.origin(), impl->parts.keys.log_key()));
    const WallTime now = impl->now();
    STINT_TRY(impl->commit_sync([&](store::Tx& tx, Changes&) -> Result<bool> {
      tx.run(
          "INSERT INTO receipt (task, time, text) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", task,
          now, note);
      tx.run("DELETE FROM owed WHERE kind = 'receipt' AND task = $1", task);
      append(tx, now, audit::ReceiptSigned{.task = task, .digest = crypto::sha256(note)});
      return true;
    }));
    ++done;
  }
  return done;
}

void Authority::confirm_view() {
  Impl* impl = impl_.get();
  // Asks the writer, does not wait for it: a writer that hangs leaves the view to go stale.
  impl->parts.store.submit(
      [](store::Tx& tx) -> Result<bool> {
        tx.no_event();
        return true;
      },
      [impl](Result<bool> r) {
        if (r) impl->view.confirm(impl->parts.clock.mono());
      });
}

}  // namespace stint::authority
