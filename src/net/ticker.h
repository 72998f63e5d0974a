#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>

namespace stint::net {

// Coarse time for timeouts: one timer a context, looked at once a tick for every entry, instead of
// timer operations on every request. A timeout fires up to two ticks late, never early.
// Threads: the context's. Runs only while it has entries, so it keeps no idle loop alive.
class Ticker : public std::enable_shared_from_this<Ticker> {
 public:
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  class Entry {
   public:
    // Must not add or remove entries: post what does.
    virtual void on_tick(std::uint64_t now) = 0;

   protected:
    ~Entry() = default;

   private:
    friend class Ticker;
    Entry *prev_ = nullptr, *next_ = nullptr;
  };

  Ticker(boost::asio::io_context& context, std::chrono::milliseconds tick);

  std::uint64_t now() const { return now_; }
  std::uint64_t after(std::chrono::milliseconds ttl) const {
    if (ttl.count() <= 0) return now_ + 1;
    return now_ + static_cast<std::uint64_t>((ttl + tick_ - std::chrono::milliseconds(1)) / tick_) +
           1;
  }
  void add(Entry& entry);
  void remove(Entry& entry);

 private:
  void schedule();

  boost::asio::steady_timer timer_;
  std::chrono::milliseconds tick_;
  std::uint64_t now_ = 1;
  Entry* first_ = nullptr;
  bool scheduled_ = false;
};

}  // namespace stint::net
