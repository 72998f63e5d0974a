#pragma once

#include <memory>

#include "database.h"
#include "stint/base/clock.h"
#include "stint/rt/threads.h"
#include "stint/store/store.h"

namespace stint::store {

// How every store is opened: over a database that is open already, with its loops on `threads`.
// Borrows clock and threads, which outlive it. Private to the store and to the simulation.
struct OpenOn {
  static Result<std::unique_ptr<Store>> database(std::unique_ptr<Database> database,
                                                 Options options, const Clock& clock,
                                                 rt::Threads& threads);
};

}  // namespace stint::store
