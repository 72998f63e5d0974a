#include "stint/reaper/reaper.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "stint/base/log.h"

namespace stint::reaper {
namespace {

// How long until the next try, after so many failures in a row.
std::chrono::milliseconds pause_after(unsigned failures, std::chrono::milliseconds usual,
                                      std::chrono::milliseconds longest) {
  return std::min<std::chrono::milliseconds>(longest, usual * (1LL << std::min(failures, 16U)));
}

}  // namespace

struct Reaper::Impl {
  Impl(authority::Authority& authority_in, Settings settings_in, rt::Threads& threads_in)
      : authority(authority_in),
        settings(settings_in),
        threads(threads_in),
        stop_changed(threads.condition()) {}

  void confirm_loop();
  void work_loop();
  void keep_loop();
  bool rest(std::chrono::milliseconds time);  // false: stop
  void confirm() noexcept;
  void sweep();
  void tend_keys();
  bool publish();  // false: something failed
  // The same, whatever is thrown: a thread that ends would leave tasks alive past their deadline.
  void sweep_guarded() noexcept;
  bool publish_guarded() noexcept;

  authority::Authority& authority;
  const Settings settings;
  rt::Threads& threads;

  std::mutex stop_mutex;
  const std::unique_ptr<rt::Threads::Condition> stop_changed;
  bool stopping = false;

  std::mutex work_mutex;  // run_now() and the thread do not work at the same time
  std::atomic<std::uint64_t> rounds{0}, failures{0}, closed{0}, paused{0}, approvals{0},
      checkpoints{0}, receipts{0}, key_changes{0};

  std::vector<std::unique_ptr<rt::Threads::Thread>> running;
};

bool Reaper::Impl::rest(std::chrono::milliseconds time) {
  std::unique_lock lock(stop_mutex);
  return !stop_changed->wait_for(lock, time, [this] { return stopping; });
}

void Reaper::Impl::confirm() noexcept {
  try {
    authority.confirm_view();
  } catch (const std::exception&) {
    log::error("the view was not confirmed: out of resources");
  }
}

void Reaper::Impl::sweep() {
  const auto swept = authority.sweep();
  rounds += 1;
  closed += swept.closed;
  paused += swept.paused;
  approvals += swept.approvals_expired;
  if (swept.closed + swept.paused > 0)
    log::info("time ended tasks", {{"closed", swept.closed}, {"paused", swept.paused}});
}

void Reaper::Impl::tend_keys() {
  const auto tended = authority.tend_keys();
  if (!tended) {
    failures += 1;
    log::error("the signing keys were not tended",
               {{"code", tended.error().code}, {"reason", tended.error().reason}});
  } else if (*tended) {
    key_changes += 1;
    log::info("signing keys changed by their schedule");
  }
}

bool Reaper::Impl::publish() {
  const auto published = authority.publish_log();
  if (!published) {
    log::error("no checkpoint was made",
               {{"code", published.error().code}, {"reason", published.error().reason}});
    return false;
  }
  if (*published) checkpoints += 1;
  const auto signed_now = authority.sign_receipts();
  if (!signed_now) {
    log::error("receipts were not signed",
               {{"code", signed_now.error().code}, {"reason", signed_now.error().reason}});
    return false;
  }
  receipts += *signed_now;
  return true;
}

void Reaper::Impl::sweep_guarded() noexcept {
  try {
    sweep();
    tend_keys();
  } catch (const std::exception&) {
    failures += 1;
    log::error("a sweep failed: out of resources");
  }
}

bool Reaper::Impl::publish_guarded() noexcept {
  bool well = false;
  try {
    well = publish();
  } catch (const std::exception&) {
    log::error("publishing failed: out of resources");
  }
  if (!well) failures += 1;
  return well;
}

void Reaper::Impl::confirm_loop() {
  do confirm();
  while (rest(settings.confirm_every));
}

// Apart from the work, which may take longer than a lease lasts.
void Reaper::Impl::keep_loop() {
  do {
    try {
      authority.keep_leases();
    } catch (const std::exception&) {
      log::error("leases were not kept: out of resources");
    }
  } while (rest(settings.keep_every));
}

void Reaper::Impl::work_loop() {
  const auto step = std::min(settings.sweep_every, settings.checkpoint_every);
  std::chrono::milliseconds to_sweep{0}, to_publish{0};
  unsigned failed = 0;
  do {
    const std::lock_guard lock(work_mutex);
    if ((to_sweep -= step).count() <= 0) {
      sweep_guarded();
      to_sweep = settings.sweep_every;
    }
    if ((to_publish -= step).count() <= 0) {
      failed = publish_guarded() ? 0 : failed + 1;
      to_publish = pause_after(failed, settings.checkpoint_every, settings.longest_pause);
    }
  } while (rest(step));
}

Reaper::Reaper(authority::Authority& authority, Settings settings)
    : Reaper(authority, settings, rt::os_threads()) {}

Reaper::Reaper(authority::Authority& authority, Settings settings, rt::Threads& threads)
    : impl_(std::make_unique<Impl>(authority, settings, threads)) {}

Reaper::~Reaper() { stop(); }

void Reaper::start() {
  for (const auto loop : {&Impl::confirm_loop, &Impl::keep_loop, &Impl::work_loop})
    impl_->running.push_back(impl_->threads.start([impl = impl_.get(), loop] { (impl->*loop)(); }));
}

void Reaper::run_now() {
  impl_->confirm();
  impl_->authority.keep_leases();
  const std::lock_guard lock(impl_->work_mutex);
  impl_->sweep_guarded();
  impl_->publish_guarded();
}

void Reaper::stop() {
  {
    const std::lock_guard lock(impl_->stop_mutex);
    impl_->stopping = true;
  }
  impl_->stop_changed->notify_all();
  for (const auto& thread : std::exchange(impl_->running, {})) thread->join();
}

Stats Reaper::stats() const {
  return {.rounds = impl_->rounds,
          .failures = impl_->failures,
          .closed = impl_->closed,
          .paused = impl_->paused,
          .approvals_expired = impl_->approvals,
          .checkpoints = impl_->checkpoints,
          .receipts = impl_->receipts,
          .key_changes = impl_->key_changes};
}

}  // namespace stint::reaper
