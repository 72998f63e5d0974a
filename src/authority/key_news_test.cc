#include "key_news.h"

#include <gtest/gtest.h>

#include <deque>
#include <future>

#include "stint/rt/runtime.h"
#include "stint/testkit/manual_clock.h"

namespace stint::authority {
namespace {

class KeyNewsTest : public testing::Test {
 protected:
  KeyNewsTest() { runtime.start(); }
  ~KeyNewsTest() override { runtime.stop(); }
  // Asks on a thread of the runtime; the future is there when ask() returned.
  std::future<void> ask() {
    auto done = std::make_shared<std::promise<void>>();
    auto future = done->get_future();
    rt::spawn(runtime.executor(0), asking(news, std::move(done)));
    return future;
  }
  static rt::Co<void> asking(KeyNews& news, std::shared_ptr<std::promise<void>> done) {
    co_await news.ask();
    done->set_value();
  }
  std::function<void(Status)> begun() {
    while (true) {
      const std::lock_guard lock(mutex);
      if (questions.empty()) continue;
      auto first = std::move(questions.front());
      questions.pop_front();
      return first;
    }
  }
  std::size_t total() {
    const std::lock_guard lock(mutex);
    return count;
  }

  testkit::ManualClock clock;
  std::mutex mutex;
  std::deque<std::function<void(Status)>> questions;
  std::size_t count = 0;
  KeyNews news{[this](std::function<void(Status)> done) {
                 const std::lock_guard lock(mutex);
                 ++count;
                 questions.push_back(std::move(done));
               },
               clock};
  rt::Runtime runtime{2};
};

TEST_F(KeyNewsTest, AQuestionOfBeforeIsNoAnswer) {
  auto first = ask();
  auto answer = begun();
  auto second = ask();  // what it asks of may be later than the question under way
  clock.advance(KeyNews::kEach);
  answer({});
  first.get();
  begun()(Status());
  second.get();
  EXPECT_EQ(total(), 2u);
}

TEST_F(KeyNewsTest, AFailureIsAnAnswer) {
  auto first = ask();
  begun()(fail(Errc::kUnavailable, "no database"));
  first.get();
  EXPECT_EQ(total(), 1u);
}

// However many come: the clock stands still, and so no second question is begun.
TEST_F(KeyNewsTest, StrangersMakeNoMoreQuestions) {
  auto first = ask();
  auto answer = begun();
  std::vector<std::future<void>> strangers;
  for (int i = 0; i < 500; ++i) strangers.push_back(ask());
  answer({});
  first.get();
  for (auto& stranger : strangers) stranger.get();
  EXPECT_EQ(total(), 1u);
  clock.advance(KeyNews::kEach);
  auto next = ask();
  begun()(Status());
  next.get();
  EXPECT_EQ(total(), 2u);
}

}  // namespace
}  // namespace stint::authority
