#pragma once

#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "stint/base/clock.h"
#include "stint/store/store.h"
#include "stint/testkit/postgres_server.h"

// For tests that link the store; this header only includes it.
namespace stint::testkit {

inline bool on_postgres() {
  const char* store = std::getenv("STINT_TEST_STORE");
  return store != nullptr && std::string_view(store) == "postgres";
}

// The URL of the database that belongs to a directory.
inline const std::string& test_database(const std::string& directory) {
  static std::map<std::string, std::string> urls;
  auto& url = urls[directory];
  if (url.empty()) url = PostgresServer::shared().database();
  return url;
}

// The store that belongs to a directory, opened: SQLite, or with STINT_TEST_STORE=postgres a
// database of its own on the process's own server, which has the time of day.
inline Result<std::unique_ptr<store::Store>> open_test_store(const std::string& directory,
                                                             const Clock& clock,
                                                             const std::string& vfs = {},
                                                             bool alone = false) {
  store::Options options;
  options.alone = alone;
  if (!on_postgres()) {
    options.path = directory + "/stint.db";
    options.vfs = vfs;
    return store::Store::open(std::move(options), clock);
  }
  static const SystemClock now;
  options.postgres = store::PostgresOptions{.url = test_database(directory), .password = nullptr};
  return store::Store::open(std::move(options), now);
}

// Returns once the authority's view has been confirmed.
template <class Authority>
void confirm_view(Authority& authority, store::Store& store) {
  authority.confirm_view();
  (void)store.write_sync([](store::Tx& tx) { tx.no_event(); });  // in the order of their asking
}

}  // namespace stint::testkit
