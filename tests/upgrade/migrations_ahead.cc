// In the place of src/store/migrations.cc: today's, and those of STINT_AHEAD versions to come. Each
// does what a migration may do that the version before it works with: a table and an index that it
// does not know, a column that it does not fill.
#include <array>
#include <cstddef>
#include <vector>

#include "schema.h"

namespace stint::store {
namespace {

constexpr std::array<const char*, 2> kAhead{
    R"sql(
CREATE TABLE drill_note (
  name TEXT PRIMARY KEY,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
ALTER TABLE task ADD COLUMN drill INTEGER;
ALTER TABLE token ADD COLUMN drill TEXT;
CREATE INDEX task_drill ON task (drill) WHERE drill IS NOT NULL;
)sql",
    "ALTER TABLE drill_note ADD COLUMN later INTEGER;"};
static_assert(STINT_AHEAD <= kAhead.size());

}  // namespace

std::span<const char* const> migrations() {
  static const auto list = [] {
    const auto today = all_migrations();
    std::vector<const char*> all(today.begin(), today.end());
    all.insert(all.end(), kAhead.begin(), kAhead.begin() + STINT_AHEAD);
    return all;
  }();
  return list;
}

}  // namespace stint::store
