// Every wait for the database's answer follows a PQpipelineSync: the linker hands us those of the
// store (--wrap), and they are counted.
#include <libpq-fe.h>

#include <atomic>

#include "fleet.h"

namespace stint::bench {
namespace {
std::atomic<std::uint64_t> syncs{0};
}
std::uint64_t round_trips() { return syncs.load(std::memory_order_relaxed); }
}  // namespace stint::bench

extern "C" {
int __real_PQpipelineSync(PGconn* connection);
int __wrap_PQpipelineSync(PGconn* connection);
int __wrap_PQpipelineSync(PGconn* connection) {
  stint::bench::syncs.fetch_add(1, std::memory_order_relaxed);
  return __real_PQpipelineSync(connection);
}
}
