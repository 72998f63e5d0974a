#include "key_news.h"

#include <mutex>
#include <optional>
#include <utility>

#include "stint/rt/event.h"

namespace stint::authority {
namespace {

// One question that was begun too early, a pause, and the next: no more than that.
constexpr int kTurns = 4;

}  // namespace

struct KeyNews::State {
  std::mutex mutex;
  // How many asked; how many of them had when the last question was begun, and was answered.
  std::uint64_t asked = 0, begun = 0, answered = 0;
  std::optional<MonoTime> last;  // when it was begun
  std::optional<rt::SharedEvent> under_way;
};

// What a caller does now: begin, wait for the event, or for the time.
struct KeyNews::Turn {
  bool over = false, begin = false;
  std::optional<rt::SharedEvent> answer;
  std::chrono::milliseconds pause{0};
};

KeyNews::KeyNews(Sync sync, const Clock& clock)
    : sync_(std::move(sync)), clock_(clock), state_(std::make_shared<State>()) {}

KeyNews::Turn KeyNews::next(std::uint64_t mine) {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  Turn turn;
  if (s.answered >= mine) {
    turn.over = true;
    return turn;
  }
  const MonoTime now = clock_.mono();
  if (!s.under_way && s.last && now - *s.last < kEach) {
    turn.pause = std::chrono::ceil<std::chrono::milliseconds>(*s.last + kEach - now);
    return turn;
  }
  if (!s.under_way) {
    turn.begin = true;
    s.last = now;
    s.begun = s.asked;
    s.under_way.emplace();
  }
  turn.answer = s.under_way;
  return turn;
}

rt::Co<void> KeyNews::ask() {
  std::uint64_t mine = 0;
  {
    const std::lock_guard lock(state_->mutex);
    mine = ++state_->asked;
  }
  for (int i = 0; i < kTurns; ++i) {
    const Turn turn = next(mine);
    if (turn.over) co_return;
    if (turn.begin)
      sync_([state = state_](const Status&) {
        std::optional<rt::SharedEvent> answer;
        {
          const std::lock_guard lock(state->mutex);
          state->answered = state->begun;
          answer = std::exchange(state->under_way, std::nullopt);
        }
        answer->set();
      });
    if (!turn.answer) {
      co_await rt::sleep_for(turn.pause);
    } else if (const Status waited = co_await turn.answer->wait(); !waited) {
      co_return;
    }
  }
}

}  // namespace stint::authority
