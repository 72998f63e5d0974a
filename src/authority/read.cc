#include <algorithm>

#include "facts_json.h"
#include "impl.h"
#include "stint/domain/json.h"
#include "stint/keys/key_ring.h"
#include "stint/merkle/proof.h"

namespace stint::authority {

Result<domain::Task> Authority::task(TaskId id) {
  auto task =
      impl_->parts.store.read([&](store::Reader& reader) { return Impl::load_task(reader, id); });
  if (!task) return task;
  if (const auto live = impl_->view.find(id, impl_->parts.clock.mono())) {
    task->last_used = std::max(task->last_used, (*live)->last_used());
    task->last_present = std::max(task->last_present, (*live)->last_present());
    if (!task->budget.requests && !task->budget.bytes_out) task->spend = (*live)->spend();
  }
  return task;
}

Result<std::vector<domain::Task>> Authority::tasks(const TaskQuery& q) {
  const auto state = q.state ? std::optional(domain::text(*q.state)) : std::nullopt;
  const auto maybe = [](const std::string& s) {
    return s.empty() ? std::nullopt : std::optional<std::string_view>(s);
  };
  const auto bodies = impl_->parts.store.read([&](store::Reader& reader) {
    return reader.rows<std::string>(
        "SELECT body FROM task WHERE (state = $1 OR $1 IS NULL) AND (agent = $2 OR $2 IS NULL) "
        "AND (human = $3 OR $3 IS NULL) AND (parent = $4 OR $4 IS NULL) "
        "AND ((opened, id) < (SELECT opened, id FROM task WHERE id = $5) OR $5 IS NULL) "
        "ORDER BY opened DESC, id DESC LIMIT $6",
        state, maybe(q.agent), maybe(q.human), q.parent, q.after,
        std::min<std::size_t>(q.limit, 1000));
  });
  if (!bodies) return fail(bodies.error());
  std::vector<domain::Task> out;
  for (const auto& body : *bodies) out.push_back(STINT_TRY(domain::decode_task(body)));
  return out;
}

Result<std::string> Authority::receipt(TaskId id) {
  auto text = impl_->parts.store.read([&](store::Reader& reader) {
    return reader.one<std::string>("SELECT text FROM receipt WHERE task = $1", id);
  });
  if (!text) return fail(text.error());
  if (*text) return **std::move(text);
  const auto failed = STINT_TRY(impl_->parts.store.read([&](store::Reader& reader) {
    return reader.one<std::int64_t>(
        "SELECT 1 FROM owed WHERE task = $1 AND kind = 'receipt-failed'", id);
  }));
  if (failed) return fail(Errc::kNotFound, "no receipt could be made for this task");
  return fail(Errc::kNotFound, "no receipt yet: it is signed after the task has closed");
}

Result<std::vector<store::StoredEvent>> Authority::events(store::Seq from, std::size_t limit) {
  return impl_->parts.store.events(from, limit);
}

Result<std::vector<store::StoredEvent>> Authority::task_events(TaskId id, store::Seq from,
                                                               std::size_t limit) {
  return impl_->parts.store.task_events(id, from, limit);
}

namespace {

// The first event at or after `time`, by bisection: the log is ordered by time but for the batches
// in which reads are recorded, which the caller's margin covers.
Result<store::Seq> first_at(store::Store& store, WallTime time) {
  store::Seq low = 0, high = store.size();
  while (low < high) {
    const store::Seq middle = low + (high - low) / 2;
    const auto at = STINT_TRY(store.events(middle, 1));
    if (at.empty()) return fail(Errc::kInternal, "the log has a gap");
    if (at.front().time < time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

policy::Outcome outcome_of(audit::Verdict verdict) {
  switch (verdict) {
    case audit::Verdict::kPermit:
      return policy::Outcome::kPermit;
    case audit::Verdict::kDeny:
      return policy::Outcome::kDeny;
    case audit::Verdict::kAsk:
      return policy::Outcome::kAsk;
  }
  __builtin_trap();
}

}  // namespace

Result<Authority::Explained> Authority::why(DecisionId id) {
  constexpr std::chrono::seconds kMargin{10};
  const WallTime decided = time_of(id);
  store::Seq from = STINT_TRY(first_at(impl_->parts.store, decided - kMargin));
  for (;;) {
    const auto events = STINT_TRY(impl_->parts.store.events(from, 1000));
    if (events.empty() || events.front().time > decided + kMargin) break;
    for (const auto& event : events) {
      if (event.kind != audit::Decided::kKind) continue;
      const auto entry = STINT_TRY(audit::parse(event.bytes));
      const auto* d = std::get_if<audit::Decided>(&entry.event);
      if (d == nullptr || d->decision != id) continue;
      if (d->facts.empty())  // refused before policies were asked
        return Explained{
            .words = "Denied: " + d->action + " by agent " + d->agent + ": " + d->reason + ".\n",
            .record = event.bytes,
            .seq = event.seq};
      const auto facts = STINT_TRY(facts_from_json(d->facts.text()));
      const policy::Decision decision{.outcome = outcome_of(d->verdict),
                                      .policies = d->policies,
                                      .approvers = d->approvers,
                                      .reason = d->reason};
      return Explained{.words = policy::explain(directory()->policies(), facts, decision),
                       .record = event.bytes,
                       .seq = event.seq};
    }
    from = events.back().seq + 1;
  }
  return fail(Errc::kNotFound, "no such decision");
}

std::string Authority::log_vkey() const { return impl_->parts.keys.log_vkey(); }

Result<std::optional<store::CheckpointRow>> Authority::checkpoint() {
  return store::latest_checkpoint(impl_->parts.store);
}

Result<std::optional<std::string>> Authority::tile(std::uint8_t level, std::uint64_t index,
                                                   std::uint16_t width) {
  return store::tile(impl_->parts.store, level, index, width);
}

Result<std::optional<std::string>> Authority::entries(std::uint64_t index, std::uint16_t width) {
  const auto head = STINT_TRY(checkpoint());
  const std::uint64_t first = index * 256;
  if (!head || width == 0 || width > 256 || first + width > head->size)
    return std::optional<std::string>();
  const auto events = STINT_TRY(impl_->parts.store.events(first, width));
  if (events.size() != width) return fail(Errc::kInternal, "the log has a gap");
  std::string out;
  for (const auto& event : events) {
    out.push_back(static_cast<char>(event.bytes.size() >> 8));
    out.push_back(static_cast<char>(event.bytes.size() & 0xff));
    out += event.bytes;
  }
  return std::optional(std::move(out));
}

}  // namespace stint::authority
