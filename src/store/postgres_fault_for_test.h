#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "contract_for_test.h"
#include "postgres_proxy_for_test.h"

namespace stint::store {

inline std::string database_in(const std::string& url) { return url.substr(url.rfind('/') + 1); }

inline EventRun recorded(const std::string& bytes) {
  EventRun run;
  EXPECT_TRUE(run.add(event(bytes)).has_value());
  return run;
}

inline constexpr std::string_view kUnknown = "it is not known yet whether this was committed";
inline constexpr std::string_view kLost = "connection to the database is lost";

// Returns whether it came to hold within a time that only a broken test takes.
template <class F>
bool soon(F holds, std::chrono::seconds limit = std::chrono::seconds(30)) {
  const auto until = SystemClock().mono() + limit;
  while (!holds()) {
    if (SystemClock().mono() >= until) return false;
    ::poll(nullptr, 0, 2);
  }
  return true;
}

// One of a fleet: a store, and what it was told.
class Node {
 public:
  explicit Node(const std::string& url, Options options = {}, bool follows = true) {
    options.postgres = PostgresOptions{.url = url, .password = nullptr};
    auto opened = Store::open(std::move(options), clock_);
    EXPECT_TRUE(opened.has_value()) << opened.error().reason.text();
    if (!opened) return;
    store_ = *std::move(opened);
    start_ = store_->size();
    store_->observe([this](std::span<const EventView> events) {
      const std::lock_guard lock(mutex_);
      for (const EventView& e : events) {
        EXPECT_EQ(e.seq, start_ + seen_.size()) << "once each, in order, without a gap";
        seen_.emplace_back(e.bytes);
      }
    });
    if (follows) follow();
  }
  void follow() {
    store_->follow([this](std::span<const EventView> events) -> Status {
      followed_ += events.size();
      return {};
    });
  }
  Store* operator->() const { return store_.get(); }
  Store& operator*() const { return *store_; }
  void close() { store_ = nullptr; }
  std::vector<std::string> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  std::size_t followed() const { return followed_; }
  Status sync() const {
    std::promise<Status> done;
    store_->sync([&](Status s) { done.set_value(s); });
    return done.get_future().get();
  }

 private:
  SystemClock clock_;
  Seq start_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> seen_;
  std::atomic<std::size_t> followed_{0};
  std::unique_ptr<Store> store_;
};

// The log as the database has it.
inline std::vector<std::string> log_of(Store& store) {
  std::vector<std::string> out;
  while (true) {
    const auto events = store.events(out.size(), 10'000);
    EXPECT_TRUE(events.has_value()) << events.error().reason.text();
    if (!events || events->empty()) return out;
    for (const StoredEvent& e : *events) {
      EXPECT_EQ(e.seq, out.size());
      EXPECT_EQ(e.leaf, merkle::leaf_hash(e.bytes));
      out.push_back(e.bytes);
    }
  }
}

inline std::map<std::string, int> counted(const std::vector<std::string>& log) {
  std::map<std::string, int> out;
  for (const auto& bytes : log) ++out[bytes];
  return out;
}

template <class T>
std::string why(const Result<T>& result) {
  return result ? "ok" : std::string(result.error().reason.text());
}

// Rows and events say the same: put() writes both.
inline void expect_consistent(Store& store) {
  std::map<std::string, std::string> told;
  for (const auto& bytes : log_of(store)) {
    const auto at = bytes.find('=');
    if (at != std::string::npos) told[bytes.substr(0, at)] = bytes.substr(at + 1);
  }
  const auto rows = store.read([](Reader& r) {
    return r.rows<std::tuple<std::string, std::string>>(
        "SELECT name, body FROM entity WHERE kind = 'agent' ORDER BY name");
  });
  ASSERT_TRUE(rows.has_value());
  std::map<std::string, std::string> found;
  for (const auto& [name, body] : *rows) found[name] = body;
  EXPECT_EQ(found, told);
}

}  // namespace stint::store
