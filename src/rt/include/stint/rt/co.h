#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>

#include "stint/base/clock.h"

namespace stint::rt {

// Where a coroutine runs: one context, so one thread. Copyable, thread-safe. Named in full, since
// an erased executor is paid for at each step of each coroutine.
using Executor = boost::asio::io_context::executor_type;

// A coroutine. Lazy: nothing runs until it is awaited or spawned. Its parameters are taken by
// value, or outlive it; it is a function, never a capturing lambda (the captures die first).
template <class T = void>
using Co = boost::asio::awaitable<T, Executor>;

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
