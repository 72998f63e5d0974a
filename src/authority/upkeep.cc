// What time and the log ask for, on the reaper's thread.
#include <algorithm>

#include "impl.h"
#include "stint/audit/receipt.h"
#include "stint/domain/json.h"
#include "stint/keys/key_ring.h"
#include "stint/merkle/checkpoint.h"
#include "stint/merkle/note.h"

namespace stint::authority {
namespace {

constexpr std::size_t kBatch = 200;
constexpr std::chrono::seconds kReceiptRetry{30};
// What comes so long after a task's end is not of its life: whoever goes on asking in its name, and
// is refused, must not put its receipt off.
constexpr std::chrono::seconds kSettled{10};

// As far as the clocks of two nodes may be apart: 30 s each from the database's, which the store
// sees to. What one forgets too early another would take again.
constexpr std::chrono::seconds kApart{60};

// The log's own content stands against the receipt: it says the same at every other try.
bool for_good(const Error& error) {
  return error.code == Errc::kTooLarge || error.code == Errc::kMalformed ||
         error.code == Errc::kConflict || error.code == Errc::kUnsupported;
}

// One task that cannot have its receipt now must not keep the others from theirs; one that never
// can is set aside: its row stays, as what it is.
void put_off(store::Tx& tx, TaskId task, const Error& error, WallTime now) {
  tx.no_event();
  if (for_good(error)) {
    tx.run(
        "UPDATE owed SET kind = 'receipt-failed', attempts = attempts + 1, body = $2 "
        "WHERE task = $1 AND kind = 'receipt'",
        task, json::write(json::Object{{"reason", error.reason.text()}}));
    return;
  }
  const auto pause = error.code == Errc::kUnavailable ? std::chrono::seconds(1) : kReceiptRetry;
  tx.run("UPDATE owed SET attempts = attempts + 1, next = $2 WHERE task = $1 AND kind = 'receipt'",
         task, now + pause);
}

}  // namespace

Authority::Swept Authority::sweep() {
  Impl* impl = impl_.get();
  const WallTime now = impl->now();
  Swept swept;
  impl->record_repeats(impl->repeats.due(impl->parts.clock.mono()));
  if (!impl->sweep_lease.held()) return swept;
  std::vector<std::pair<TaskId, domain::How>> ended;
  std::vector<std::pair<TaskId, domain::Why>> left;
  for (const auto& live : impl->view.all()) {
    const auto task = live->task();
    const auto due = domain::due(*task, {live->last_used(), live->last_present()}, now);
    if (due.close) ended.emplace_back(task->id, *due.close);
    if (due.pause && task->state == domain::State::kActive) left.emplace_back(task->id, *due.pause);
  }
  // Many in one commit: a deadline that thousands share must not be thousands of waits.
  for (std::size_t from = 0; from < ended.size(); from += kBatch) {
    const auto closed =
        impl->commit_sync([&](store::Tx& tx, Changes& changes) -> Result<std::size_t> {
          std::size_t n = 0;
          for (std::size_t i = from; i < std::min(ended.size(), from + kBatch); ++i)
            n += STINT_TRY(impl->close_subtree(tx, changes, ended[i].first, ended[i].second,
                                               Actor::system("reaper"), now))
                     .count;
          return n;
        });
    if (closed) swept.closed += *closed;
  }
  for (const auto& [id, why] : left) {
    const auto paused = impl->commit_sync([&](store::Tx& tx, Changes& changes) -> Result<bool> {
      domain::Task row = STINT_TRY(impl->load_active(tx, id));
      STINT_TRY(domain::pause(row, why, now));
      Impl::update_task(tx, row);
      append(tx, now, audit::TaskPaused{.task = id, .why = why, .actor = audit::Actor::server()});
      changes.tasks.push_back(std::make_shared<const domain::Task>(std::move(row)));
      return true;
    });
    if (paused) ++swept.paused;
  }
  const auto expired = impl->commit_sync([&](store::Tx& tx, Changes& changes) -> Result<int> {
    int count = 0;
    for (const auto& body : tx.rows<std::string>(
             "SELECT body FROM approval WHERE state = 'pending' AND expires <= $1 LIMIT 500",
             now)) {
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
    auto n = tx.run("DELETE FROM used_jti WHERE exp < $1", now - kApart);
    n += tx.run("DELETE FROM idempotency WHERE exp < $1", now);
    n += tx.run("DELETE FROM token WHERE jti IN (SELECT jti FROM token WHERE exp < $1 LIMIT 5000)",
                now - std::chrono::hours(1));
    n += tx.run("DELETE FROM status_list WHERE ends < $1", now);
    return n;
  });
  if (forgotten) swept.forgotten = static_cast<std::size_t>(*forgotten);
  return swept;
}

Result<bool> Authority::publish_log() {
  Impl* impl = impl_.get();
  const std::lock_guard lock(impl->publisher_mutex);
  const auto fence = impl->log_lease.held();
  if (!fence) return false;
  // What another holder published is not in memory.
  if (!impl->publisher || impl->publisher_fence != *fence)
    impl->publisher.emplace(STINT_TRY(store::LogPublisher::open(impl->parts.store)));
  impl->publisher_fence = *fence;
  const auto& keys = impl->parts.keys;
  const auto row = impl->publisher->publish(
      [&](store::Seq size, const store::Hash& root) {
        return merkle::sign_note(
            merkle::text({.origin = keys.origin(), .size = size, .root = root}), keys.origin(),
            keys.log_key());
      },
      impl->now(), [impl](store::Tx& tx) { return impl->log_lease.check(tx); });
  if (!row) {
    impl->publisher.reset();
    return fail(row.error());
  }
  return row->has_value();
}

Result<std::size_t> Authority::sign_receipts() {
  Impl* impl = impl_.get();
  if (!impl->log_lease.held()) return std::size_t{0};
  const auto head = STINT_TRY(checkpoint());
  if (!head) return std::size_t{0};
  const merkle::Checkpoint covering{
      .origin = impl->parts.keys.origin(), .size = head->size, .root = head->root};
  const WallTime now = impl->now();
  const auto owed = STINT_TRY(impl->parts.store.read([&](store::Reader& reader) {
    return reader.rows<TaskId>(
        "SELECT task FROM owed WHERE kind = 'receipt' AND next <= $1 ORDER BY next LIMIT 200", now);
  }));
  std::size_t done = 0;
  for (const TaskId task : owed) {
    const auto note = impl->receipt_for(task, covering);
    STINT_TRY(impl->commit_sync([&](store::Tx& tx, Changes&) -> Result<bool> {
      STINT_TRY(impl->log_lease.check(tx));
      if (!note) {
        put_off(tx, task, note.error(), now);
        return true;
      }
      tx.run("INSERT INTO receipt (task, time, text) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
             task, now, *note);
      tx.run("DELETE FROM owed WHERE task = $1 AND kind = 'receipt'", task);
      append(tx, now, audit::ReceiptSigned{.task = task, .digest = crypto::sha256(*note)});
      return true;
    }));
    if (note) {
      ++done;
    } else if (for_good(note.error())) {
      log::error("a task can have no receipt", {{"task", task}, {"reason", note.error().reason}});
    }
  }
  return done;
}

// Errors: kUnavailable when the checkpoint does not reach the task's last event yet.
Result<std::string> Authority::Impl::receipt_for(TaskId task, const merkle::Checkpoint& covering) {
  audit::ReceiptBuilder builder(task);
  const auto signed_text = [&]() -> Result<std::string> {
    const auto receipt = STINT_TRY(builder.finish(covering));
    return audit::sign_receipt(receipt, parts.keys.origin(), parts.keys.log_key());
  };
  std::optional<WallTime> closed;
  for (store::Seq from = 0;;) {
    const auto events = STINT_TRY(parts.store.task_events(task, from, 1000));
    if (events.empty()) return signed_text();
    for (const auto& event : events) {
      if (event.seq >= covering.size) {
        if (closed && event.time > *closed + kSettled) return signed_text();
        return fail(Errc::kUnavailable, "the checkpoint does not reach the task's end yet");
      }
      if (event.kind == audit::TaskClosed::kKind) closed = event.time;
      const auto entry = STINT_TRY(audit::parse(event.bytes));
      STINT_TRY(builder.add(event.seq, event.leaf, entry.event, entry.time));
    }
    from = events.back().seq + 1;
  }
}

void Authority::keep_leases() {
  Status kept;
  for (Lease* lease : {&impl_->log_lease, &impl_->sweep_lease})
    if (const Status one = lease->keep(); !one) kept = one;
  if (impl_->leases_kept.exchange(kept.has_value()) && !kept)  // said once
    log::warning("leases are not kept",
                 {{"code", kept.error().code}, {"reason", kept.error().reason}});
}

void Authority::give_up_leases() {
  impl_->log_lease.give_up();
  impl_->sweep_lease.give_up();
}

void Authority::confirm_view() {
  Impl* impl = impl_.get();
  // Asks the writer, does not wait for it: one that hangs leaves the view to go stale. An answer is
  // a durable commit, so that a server that was replaced by another, and only lets itself be read,
  // confirms nothing; and what others committed before is in the view by then. It is as old as the
  // question: this process may be frozen before the answer.
  const MonoTime asked = impl->parts.clock.mono();
  impl->parts.store.submit([](store::Tx& tx) { tx.no_event(); },
                           [impl, asked](const Status& done) {
                             if (done) impl->view.confirm(asked);
                           });
}

}  // namespace stint::authority
