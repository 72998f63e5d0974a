#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>

#include "stint/base/clock.h"

namespace stint::rt {

// A coroutine. Lazy: nothing runs until it is awaited or spawned. Its parameters are taken by
// value, or outlive it; it is a function, never a capturing lambda (the captures die first).
template <class T = void>
using Co = boost::asio::awaitable<T>;

// Where a coroutine runs: one context, so one thread. Copyable, thread-safe.
using Executor = boost::asio::any_io_executor;

// The executor of the coroutine that asks.
Co<Executor> this_executor();

// Starts `co` on `executor`; returns at once. An exception that leaves `co` is a bug: it is logged
// and the process ends, since nobody is left to deny what was asked. Threads: any.
void spawn(const Executor& executor, Co<void> co);

// Runs a plain function on `executor`, later. Threads: any.
void post(const Executor& executor, std::move_only_function<void()> work);

// Timers. Real time: tests that need a still clock test the pure part. Ends early when cancelled.
Co<void> sleep_for(std::chrono::milliseconds ttl);
Co<void> sleep_until(MonoTime at);

}  // namespace stint::rt
