#include <string>
#include <utility>

#include "archive.h"
#include "log_rows.h"
#include "restore_target.h"

namespace stint::store {

Result<std::unique_ptr<RestoreTarget>> RestoreTarget::of(const Options& to, const Clock& clock) {
  if (to.postgres) return restore_to_postgres(*to.postgres, clock);
  return restore_to_file(to);
}

// One restore under way.
class Restoring {
 public:
  Restoring(Archive::State& from, RestoreTarget& to) : from_(from), to_(to) {}

  Status carry() {
    STINT_TRY(to_.begin(from_.info.schema));
    STINT_TRY(from_.reader->begin());
    for (const auto& table : from_.tables)
      STINT_TRY(carry_rows(*from_.reader, *table, [&](std::span<const Param> row) {
        return to_.put(table->insert(), row);
      }));
    STINT_TRY(from_.reader->end());
    return to_.rows_are_in();
  }

  // Row by row, as the other database gives them back.
  Status compare() {
    for (std::size_t i = 0; i < from_.tables.size(); ++i) {
      const auto rows = STINT_TRY(carry_rows(to_.connection(), *from_.tables[i],
                                             [](std::span<const Param>) { return Status(); }));
      if (rows != from_.digests[i])
        return fail(Errc::kInternal, "what was written is not what the backup holds");
    }
    return {};
  }

  Status run(const RestoreStep& step) {
    Seq next = from_.info.size;
    for (bool more = true; more;) {
      EventBatch events;
      events.start(next);
      Tx tx(to_.connection(), events);
      const Result<bool> done = step(tx);
      if (!done) return fail(done.error());
      if (const auto refused = tx.verdict()) return fail(*refused);
      const auto views = events.events();
      STINT_TRY(to_.connection().write_log(events, views));
      next = events.next();
      more = *done;
    }
    return {};
  }

  static Archive::State& state(Archive& archive) { return *archive.state_; }

 private:
  Archive::State& from_;
  RestoreTarget& to_;
};

Status restore(Archive& from, const Options& to, const Clock& clock, const RestoreStep& step) {
  const auto target = STINT_TRY(RestoreTarget::of(to, clock));
  Restoring work(Restoring::state(from), *target);
  STINT_TRY(work.carry());
  STINT_TRY(work.compare());
  STINT_TRY(target->migrate(from.info().schema));
  STINT_TRY(work.run(step));
  return target->commit();
}

}  // namespace stint::store
