#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "stint/rt/co.h"

namespace boost::asio {
class io_context;
}

namespace stint::rt {

// The threads of the process: one event loop each, so that what lives on one executor needs no
// lock. Construct, start, stop; in that order, from one thread.
//
// Ownership: outlives everything that holds one of its executors.
// Errors:    an exception that leaves a handler is logged and ends the process.
class Runtime {
 public:
  explicit Runtime(int contexts);
  ~Runtime();  // stops and joins
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  int size() const;
  Executor executor(int i) const;  // 0 ≤ i < size()
  boost::asio::io_context& context(int i) const;

  void start();  // once
  bool running() const;
  // Whether every loop ran a function that was posted to it now, within this time. Blocks; not from
  // a loop's thread. What a loop runs too late is harmless.
  bool answers(std::chrono::milliseconds within) const;
  // Ends the loops where they are and joins the threads; suspended coroutines are destroyed with
  // the Runtime, on this thread. Drain the servers first. Idempotent. Not from a loop's thread.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

namespace detail {
void run_to_end(Co<void> co);
template <class T>
Co<void> keep(Co<T> co, std::optional<T>* out) {
  out->emplace(co_await std::move(co));
}
}  // namespace detail

// Runs one coroutine to its end on an event loop of its own, on this thread. For command-line
// verbs, tests and start-up; never from a coroutine. Exceptions of `co` come out.
template <class T>
T block_on(Co<T> co) {
  std::optional<T> out;
  detail::run_to_end(detail::keep(std::move(co), &out));
  return *std::move(out);
}
inline void block_on(Co<void> co) { detail::run_to_end(std::move(co)); }

}  // namespace stint::rt
