#include "stint/authority/revocations.h"

#include <algorithm>
#include <variant>

#include "stint/audit/event.h"
#include "stint/base/log.h"

namespace stint::authority {
namespace {

// How often what has expired is looked for: a full pass over what is held.
constexpr std::chrono::seconds kSweep{10};

using Kind = Revocation::Kind;

std::optional<Kind> kind_of(std::string_view kind) {
  if (kind == audit::TaskClosed::kKind) return Kind::kTaskClosed;
  if (kind == audit::TaskPaused::kKind) return Kind::kTaskPaused;
  if (kind == audit::TaskResumed::kKind) return Kind::kTaskResumed;
  if (kind == audit::TokenRevoked::kKind) return Kind::kTokenRevoked;
  if (kind == audit::KeyRetired::kKind) return Kind::kKeyRetired;
  return std::nullopt;
}

}  // namespace

std::optional<Revocation> revocation_of(const store::EventView& event) {
  const auto kind = kind_of(event.kind);
  if (!kind) return std::nullopt;
  Revocation out{.seq = event.seq, .time = event.time, .kind = *kind, .task = event.task};
  if (kind != Kind::kTokenRevoked && kind != Kind::kKeyRetired) return out;
  const auto entry = audit::parse(event.bytes);
  if (!entry) {  // bytes of ours that we cannot read: a newer version wrote them
    log::error("a revocation in the log cannot be read", {{"reason", entry.error().reason}});
    return out;
  }
  if (const auto* revoked = std::get_if<audit::TokenRevoked>(&entry->event))
    out.token = revoked->token;
  if (const auto* retired = std::get_if<audit::KeyRetired>(&entry->event)) out.kid = retired->kid;
  return out;
}

void Revocations::take(Rows rows) {
  longest_ = rows.longest;
  for (const auto& row : rows.ended) {
    if (row.token)
      revoked_.insert_or_assign(*row.token, Token{row.task, row.expires});
    else
      closed_.insert_or_assign(row.task, row.expires);
  }
  for (auto& [kid, until] : rows.keys) keys_.insert_or_assign(std::move(kid), until);
  for (const TaskId task : rows.paused) paused_.insert_or_assign(task, rows.size);
  // What was observed before the rows were read is in them too; what they may know beyond it is not
  // in the tail, which then begins here.
  if (rows.size > next_ || tail_.empty()) {
    tail_.clear();
    begin_ = next_ = std::max(next_, rows.size);
  }
}

void Revocations::add(std::span<const store::EventView> events, WallTime now) {
  if (events.empty()) return;
  std::optional<rt::SharedEvent> told;
  {
    const std::lock_guard lock(mutex_);
    if (events.front().seq > next_) {  // what came between is not known: followers begin anew
      tail_.clear();
      begin_ = events.front().seq;
    }
    for (const auto& event : events) {
      if (event.seq < next_) continue;
      if (auto entry = revocation_of(event)) {
        apply(*entry, now);
        tail_.push_back(*std::move(entry));
        if (!told) told = std::exchange(changed_, rt::SharedEvent());
      }
      next_ = event.seq + 1;
    }
    while (tail_.size() > kept_) {
      begin_ = tail_.front().seq + 1;
      tail_.pop_front();
    }
    if (told) forget(now);
  }
  if (told) told->set();
}

// An event's time is its node's: another's clock must not make us forget early.
void Revocations::apply(const Revocation& entry, WallTime now) {
  const WallTime until = std::max(entry.time, now) + longest_;
  switch (entry.kind) {
    case Kind::kTaskClosed:
      if (!entry.task) return;
      closed_.insert_or_assign(*entry.task, until);
      paused_.erase(*entry.task);
      return;
    case Kind::kTaskPaused:
      if (entry.task) paused_.insert_or_assign(*entry.task, entry.seq);
      return;
    case Kind::kTaskResumed:
      if (entry.task) paused_.erase(*entry.task);
      return;
    case Kind::kTokenRevoked:
      if (entry.task && entry.token)
        revoked_.insert_or_assign(*entry.token, Token{*entry.task, until});
      return;
    case Kind::kKeyRetired:
      keys_.insert_or_assign(entry.kid, until + kKeysCached);
      return;
  }
  __builtin_trap();
}

// Their tokens refuse themselves by now.
void Revocations::forget(WallTime now) {
  if (now - swept_ < kSweep) return;
  swept_ = now;
  std::erase_if(closed_, [&](const auto& c) { return c.second < now; });
  std::erase_if(revoked_, [&](const auto& r) { return r.second.until < now; });
  std::erase_if(keys_, [&](const auto& k) { return k.second < now; });
}

store::Seq Revocations::head() const {
  const std::lock_guard lock(mutex_);
  return next_;
}

store::Seq Revocations::begin() const {
  const std::lock_guard lock(mutex_);
  return begin_;
}

std::chrono::milliseconds Revocations::longest() const {
  const std::lock_guard lock(mutex_);
  return longest_;
}

Revocations::Standing Revocations::standing(WallTime now) const {
  const std::lock_guard lock(mutex_);
  Standing out{.next = next_, .closed = {}, .paused = {}, .revoked = {}, .keys = {}};
  out.closed.reserve(closed_.size());
  for (const auto& [task, until] : closed_)
    if (until >= now) out.closed.push_back(task);
  for (const auto& [task, seq] : paused_) out.paused.push_back(task);
  for (const auto& [token, of] : revoked_)
    if (of.until >= now) out.revoked.emplace_back(of.task, token);
  for (const auto& [kid, until] : keys_)
    if (until >= now) out.keys.push_back(kid);
  return out;
}

std::optional<Revocations::Tail> Revocations::tail(store::Seq from, std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  if (from < begin_) return std::nullopt;
  Tail out{.entries = {}, .next = std::max(from, next_)};
  auto at = std::ranges::lower_bound(tail_, from, {}, &Revocation::seq);
  for (; at != tail_.end(); ++at) {
    if (out.entries.size() == limit) {
      out.next = at->seq;
      break;
    }
    out.entries.push_back(*at);
  }
  return out;
}

rt::SharedEvent Revocations::changed() const {
  const std::lock_guard lock(mutex_);
  return changed_;
}

Revocations::Counts Revocations::counts() const {
  const std::lock_guard lock(mutex_);
  return {.kept = tail_.size(),
          .closed = closed_.size(),
          .paused = paused_.size(),
          .revoked = revoked_.size()};
}

}  // namespace stint::authority
