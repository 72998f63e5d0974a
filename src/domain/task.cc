#include "stint/domain/task.h"

#include <algorithm>

#include "texts.h"

namespace stint::domain {
namespace {

using std::chrono::seconds;

constexpr Texts<State, 3> kStates{
    {{State::kActive, "active"}, {State::kPaused, "paused"}, {State::kClosed, "closed"}}};
constexpr Texts<Why, 5> kWhys{{{Why::kSupervision, "supervision"},
                               {Why::kRisk, "risk"},
                               {Why::kApproval, "approval"},
                               {Why::kBudget, "budget"},
                               {Why::kOperator, "operator"}}};
constexpr Texts<How, 10> kHows{{{How::kCompleted, "completed"},
                                {How::kExpired, "expired"},
                                {How::kIdle, "idle"},
                                {How::kRevoked, "revoked"},
                                {How::kBudget, "budget"},
                                {How::kRisk, "risk"},
                                {How::kLeaked, "leaked"},
                                {How::kOffboarded, "offboarded"},
                                {How::kAgentSuspended, "agent-suspended"},
                                {How::kParentClosed, "parent-closed"}}};
constexpr Texts<Consent, 3> kConsents{{{Consent::kExchange, "exchange"},
                                       {Consent::kDelegated, "delegated"},
                                       {Consent::kAutonomous, "autonomous"}}};

// Free text that people read: UTF-8 is checked by the JSON parser; control characters would let a
// purpose forge lines on an approver's terminal.
Status check_text(std::string_view text, std::size_t most, bool required) {
  if (required && text.empty()) return fail(Errc::kMalformed, "purpose is missing");
  if (text.size() > most) return fail(Errc::kTooLarge, "purpose or reference too long");
  if (std::ranges::any_of(text, [](char c) {
        const auto u = static_cast<unsigned char>(c);
        return u < 0x20 || u == 0x7f;
      }))
    return fail(Errc::kMalformed, "control character in purpose or reference");
  return {};
}

bool negative(const Budget& b) { return b.requests.value_or(0) < 0 || b.bytes_out.value_or(0) < 0; }

// Absent is unlimited, so a child must state what its parent states.
bool exceeds(const std::optional<std::int64_t>& child, const std::optional<std::int64_t>& left) {
  return left && (!child || *child > *left);
}

std::optional<std::int64_t> left(const std::optional<std::int64_t>& limit, std::int64_t spent) {
  if (!limit) return std::nullopt;
  return std::max<std::int64_t>(0, *limit - spent);
}

}  // namespace

std::string_view text(State s) { return text_of(kStates, s); }
std::string_view text(Why w) { return text_of(kWhys, w); }
std::string_view text(How h) { return text_of(kHows, h); }
std::string_view text(Consent c) { return text_of(kConsents, c); }
Result<State> parse_state(std::string_view t) { return value_of(kStates, t, "unknown task state"); }
Result<Why> parse_why(std::string_view t) { return value_of(kWhys, t, "unknown pause cause"); }
Result<How> parse_how(std::string_view t) { return value_of(kHows, t, "unknown close cause"); }
Result<Consent> parse_consent(std::string_view t) {
  return value_of(kConsents, t, "unknown consent");
}

Result<Task> open(OpenOrder order, const TaskLimits& limits, TaskId id, WallTime now) {
  STINT_TRY(check_text(order.purpose, limits.purpose_bytes, true));
  STINT_TRY(check_text(order.reference, limits.reference_bytes, false));
  if (!valid_name(order.agent)) return fail(Errc::kMalformed, "agent name");
  if (order.human && !valid_human(*order.human)) return fail(Errc::kMalformed, "human name");
  if (order.binding.thumbprint.size() != 43) return fail(Errc::kMalformed, "key thumbprint");
  if (!order.environment.empty() && !valid_name(order.environment))
    return fail(Errc::kMalformed, "environment name");
  if (order.grants.empty()) return fail(Errc::kMalformed, "a task needs at least one grant");
  auto grants = STINT_TRY(normalise(std::move(order.grants), limits.grants));
  const seconds life = order.life.value_or(limits.default_life);
  if (life < seconds(1)) return fail(Errc::kMalformed, "deadline is not in the future");
  if (life > limits.max_life) return fail(Errc::kMalformed, "deadline is past the longest allowed");
  if (order.idle_limit < seconds(0) || order.presence_limit < seconds(0))
    return fail(Errc::kMalformed, "negative limit");
  if (order.attended && order.presence_limit == seconds(0))
    return fail(Errc::kMalformed, "an attended task needs a presence limit");
  if (negative(order.budget)) return fail(Errc::kMalformed, "negative budget");

  const auto opened = std::chrono::floor<seconds>(now);
  return Task{.id = id,
              .purpose = std::move(order.purpose),
              .reference = std::move(order.reference),
              .agent = std::move(order.agent),
              .binding = std::move(order.binding),
              .human = std::move(order.human),
              .consent = order.consent,
              .acr = std::move(order.acr),
              .auth_time = order.auth_time,
              .grants = std::move(grants),
              .environment = std::move(order.environment),
              .ceiling = order.ceiling,
              .opened = opened,
              .deadline = opened + life,
              .idle_limit = order.idle_limit,
              .attended = order.attended,
              .presence_limit = order.presence_limit,
              .budget = order.budget,
              .last_used = now,
              .last_present = now};
}

Result<Task> delegate(const Task& parent, OpenOrder order, const TaskLimits& limits, TaskId id,
                      WallTime now) {
  STINT_TRY(live(parent, now));
  if (parent.depth >= limits.max_depth) return fail(Errc::kMalformed, "delegation too deep");
  order.human = parent.human;
  order.consent = Consent::kDelegated;
  order.acr = parent.acr;
  order.auth_time = parent.auth_time;
  if (order.reference.empty()) order.reference = parent.reference;
  // An environment is inherited, never chosen: policies judge by it.
  order.environment = parent.environment;
  order.attended = order.attended || parent.attended;
  if (parent.attended) order.presence_limit = parent.presence_limit;

  Task child = STINT_TRY(open(std::move(order), limits, id, now));
  STINT_TRY(within_parent(child, parent));
  child.deadline = std::min(child.deadline, parent.deadline);
  child.parent = parent.id;
  child.depth = parent.depth + 1;
  return child;
}

Status within_parent(const Task& child, const Task& parent) {
  if (!within(child.grants, parent.grants))
    return fail(Errc::kDenied, "grants exceed the parent's");
  if (child.ceiling > parent.ceiling)
    return fail(Errc::kDenied, "sensitivity exceeds the parent's");
  const Budget rest = left(parent.budget, parent.spend);
  if (exceeds(child.budget.requests, rest.requests) ||
      exceeds(child.budget.bytes_out, rest.bytes_out))
    return fail(Errc::kDenied, "budget exceeds what the parent has left");
  return {};
}

Status live(const Task& task, WallTime now) {
  return live(task, {task.last_used, task.last_present}, now);
}

Status live(const Task& task, const Activity& activity, WallTime now) {
  switch (task.state) {
    case State::kClosed:
      return fail(Errc::kTaskClosed, "the task is closed");
    case State::kPaused:
      return fail(Errc::kTaskPaused, "the task is paused");
    case State::kActive:
      break;
  }
  const Due d = due(task, activity, now);
  if (d.close == How::kExpired) return fail(Errc::kExpired, "the task is past its deadline");
  if (d.close) return fail(Errc::kExpired, "the task is past its idle limit");
  if (d.pause) return fail(Errc::kTaskPaused, "the human's presence is gone");
  return {};
}

bool close(Task& task, How how, WallTime now) {
  if (task.state == State::kClosed) return false;
  task.state = State::kClosed;
  task.why.reset();
  task.how = how;
  task.closed = now;
  ++task.version;
  return true;
}

Status pause(Task& task, Why why, WallTime now) {
  switch (task.state) {
    case State::kClosed:
      return fail(Errc::kTaskClosed, "the task is closed");
    case State::kPaused:
      return {};  // the first cause stands until it is gone
    case State::kActive:
      break;
  }
  if (due(task, now).close) return fail(Errc::kExpired, "the task is past its end");
  task.state = State::kPaused;
  task.why = why;
  ++task.version;
  return {};
}

Status resume(Task& task, Why gone, WallTime now) {
  if (task.state == State::kClosed) return fail(Errc::kTaskClosed, "the task is closed");
  if (task.state == State::kActive) return fail(Errc::kConflict, "the task is not paused");
  if (task.why != gone) return fail(Errc::kConflict, "the task is paused for another cause");
  if (now >= task.deadline) return fail(Errc::kExpired, "the task is past its deadline");
  task.state = State::kActive;
  task.why.reset();
  task.last_used = std::max(task.last_used, now);  // time spent paused is not idleness
  if (gone == Why::kSupervision) task.last_present = std::max(task.last_present, now);
  ++task.version;
  return {};
}

Result<TokenLife> token_life(const Task& task, seconds ttl, WallTime now) {
  STINT_TRY(live(task, now));
  // NumericDate has whole seconds; `opened` has too, so rounding down keeps iat >= opened (rule 1).
  // Another node opened the task, by a clock that may be ahead of this one's: no token is older.
  const auto second = std::chrono::floor<seconds>(now);
  const auto issued = std::max(second, std::chrono::ceil<seconds>(task.opened));
  const auto expires = std::min(second + ttl, std::chrono::floor<seconds>(task.deadline));
  if (expires <= issued) return fail(Errc::kExpired, "the task is about to end");
  return TokenLife{issued, expires};
}

Due due(const Task& task, WallTime now) {
  return due(task, {task.last_used, task.last_present}, now);
}

Due due(const Task& task, const Activity& activity, WallTime now) {
  if (task.state == State::kClosed) return {};
  if (now >= task.deadline) return {.close = How::kExpired};
  if (task.state == State::kPaused) return {};
  if (task.idle_limit > seconds(0) &&
      now - std::max(task.last_used, activity.used) >= task.idle_limit)
    return {.close = How::kIdle};
  if (task.attended && now - std::max(task.last_present, activity.present) >= task.presence_limit)
    return {.pause = Why::kSupervision};
  return {};
}

Budget left(const Budget& budget, const Spend& spend) {
  return {.requests = left(budget.requests, spend.requests),
          .bytes_out = left(budget.bytes_out, spend.bytes_out)};
}

}  // namespace stint::domain
