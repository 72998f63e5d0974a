#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/merkle/hash.h"
#include "stint/store/store.h"
#include "stint/testkit/held_writer.h"
#include "stint/testkit/manual_clock.h"
#include "stint/testkit/postgres_server.h"
#include "stint/testkit/seeded_entropy.h"
#include "stint/testkit/temp_dir.h"

// What every store promises, whatever database stands under it, is tested in store_contract_test.cc
// (one command and its neighbours), store_queue_test.cc (many) and store_read_test.cc. A second
// store joins by adding a Backend to kBackends.
namespace stint::store {

struct Backend {
  const char* name;
  Result<std::unique_ptr<Store>> (*open)(const std::string& dir, Options, const Clock&);
};

inline Result<std::unique_ptr<Store>> open_sqlite(const std::string& dir, Options options,
                                                  const Clock& clock) {
  options.path = dir + "/stint.db";
  return Store::open(std::move(options), clock);
}

// The database belongs to the directory: opened again, it is the same.
inline Result<std::unique_ptr<Store>> open_postgres(const std::string& dir, Options options,
                                                    const Clock& clock) {
  static std::map<std::string, std::string> urls;
  auto& url = urls[dir];
  if (url.empty()) url = testkit::PostgresServer::shared().database();
  options.postgres = PostgresOptions{.url = url, .password = nullptr};
  auto store = Store::open(std::move(options), clock);
  if (store) (*store)->follow([](std::span<const EventView>) -> Status { return {}; });
  return store;
}

inline const Backend kBackends[] = {{"Sqlite", open_sqlite}, {"Postgres", open_postgres}};

inline constexpr Sql kPut =
    "INSERT INTO entity (kind, name, version, state, body, updated) "
    "VALUES ('agent', $1, 1, 'active', $2, 0) "
    "ON CONFLICT (kind, name) DO UPDATE SET version = entity.version + 1, body = excluded.body";
inline constexpr Sql kInsert =
    "INSERT INTO entity (kind, name, version, state, body, updated) "
    "VALUES ('agent', $1, 1, 'active', $2, 0)";
inline constexpr Sql kDelete = "DELETE FROM entity WHERE kind = 'agent' AND name = $1";
inline constexpr Sql kGet = "SELECT body FROM entity WHERE kind = 'agent' AND name = $1";
inline constexpr Sql kAll =
    "SELECT name, body FROM entity WHERE kind = 'agent' ORDER BY name LIMIT 1000";
inline constexpr Sql kUse = "INSERT INTO used_jti (scope, hash, exp) VALUES ($1, $2, $3)";

inline EventBytes event(std::string bytes) {
  return {"test.happened", std::nullopt, std::move(bytes), {}};
}

inline auto put(std::string name, std::string body) {
  return [=](Tx& tx) {
    tx.run(kPut, name, body);
    return tx.append(event(name + "=" + body));
  };
}

class ContractTest : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    // A shared database has a clock of its own, and is refused when ours is another's.
    clock_.step_wall(std::chrono::duration_cast<std::chrono::milliseconds>(SystemClock().wall() -
                                                                           clock_.wall()));
    open();
  }
  void open(Options options = {}) {
    store_ = nullptr;
    auto opened = GetParam().open(dir_.path(), std::move(options), clock_);
    ASSERT_TRUE(opened.has_value()) << opened.error().reason.text();
    store_ = *std::move(opened);
  }
  std::optional<std::string> get(std::string name) {
    auto got = store_->read([&](Reader& r) { return r.one<std::string>(kGet, name); });
    EXPECT_TRUE(got.has_value());
    return got ? *got : std::nullopt;
  }
  std::vector<std::string> log() {
    std::vector<std::string> out;
    auto events = store_->events(0, 10'000);
    EXPECT_TRUE(events.has_value());
    for (Seq i = 0; i < events->size(); ++i) {
      const StoredEvent& e = (*events)[i];
      EXPECT_EQ(e.seq, i) << "a gap";
      EXPECT_EQ(e.leaf, merkle::leaf_hash(e.bytes));
      out.push_back(e.bytes);
    }
    EXPECT_EQ(store_->size(), out.size());
    return out;
  }
  template <class F>
  void expect_refused(F f, Errc code, std::string_view reason) {
    const auto r = store_->write_sync(f);
    ASSERT_FALSE(r.has_value());
    EXPECT_EQ(r.error().code, code);
    EXPECT_EQ(r.error().reason.text(), reason);
  }

  testkit::TempDir dir_;
  testkit::ManualClock clock_;
  std::unique_ptr<Store> store_;
};

}  // namespace stint::store
