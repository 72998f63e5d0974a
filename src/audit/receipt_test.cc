#include "stint/audit/receipt.h"

#include <gtest/gtest.h>

#include "log_for_test.h"

namespace stint::audit {
namespace {

class Receipts : public testing::Test {
 protected:
  std::string reason(const auto& result) {
    return result ? "fine" : std::string(result.error().reason.text());
  }
  TestLog log_ = [] {
    TestLog log;
    tell_honest_story(log);
    return log;
  }();
  Receipt receipt_ = log_.receipt(test_id<TaskId>(1)).value();
};

TEST_F(Receipts, SumUpTheTask) {
  EXPECT_EQ(receipt_.agent, "coder");
  EXPECT_EQ(receipt_.counts.permitted, 3);
  EXPECT_EQ(receipt_.counts.asked, 1);
  EXPECT_EQ(receipt_.counts.approvals_granted, 1);
  EXPECT_EQ(receipt_.counts.tokens, 1);
  EXPECT_EQ(receipt_.counts.signals, 1);
  EXPECT_EQ(receipt_.first_event, 1U);
  EXPECT_EQ(receipt_.last_event, log_.entries().size() - 1);
  // opened, delegated, paused, resumed, closed
  ASSERT_EQ(receipt_.life.size(), 5U);
  EXPECT_EQ(receipt_.life[0].leaf, merkle::leaf_hash(log_.entries()[1]));
  EXPECT_EQ(receipt_.tree_size, log_.entries().size());
}

TEST_F(Receipts, CountWhatTheTasksOwnAgentAskedBeforeTheClose) {
  Honest h;
  ReceiptBuilder b(h.task);
  std::uint64_t index = 0;
  const auto add = [&](const AnyEvent& e) {
    EXPECT_EQ(reason(b.add(++index, {}, e, h.now)), "fine");
  };
  Decided mine = h.permit(1);
  mine.verdict = Verdict::kDeny;
  Decided strangers = mine;
  strangers.agent = "helper";
  add(h.opened(h.task));
  add(mine);
  add(strangers);
  add(h.closed(h.task));
  add(mine);                                     // late
  add(strangers);                                // both
  add(h.permit(2, domain::ActionClass::kRead));  // recorded with its batch
  const auto counts = b.finish({"o", 99, {}}).value().counts;
  EXPECT_EQ(counts.denied, 1);
  EXPECT_EQ(counts.permitted, 1);
}

TEST_F(Receipts, AreReadByPeople) {
  const std::string t = text(receipt_).value();
  EXPECT_EQ(t.substr(0, t.find("\n{") + 1),
            "stint receipt v1\n"
            "task task_00000000000000010000000000000001\n"
            "agent \"coder\"\n"
            "for \"alice@example.com\"\n"
            "purpose \"fix the typo in README\"\n"
            "reference \"T-17\"\n"
            "opened 2026-01-02T03:03:20.000Z\n"
            "closed 2026-01-02T03:03:20.100Z completed\n"
            "decisions 3 permitted, 0 denied, 1 asked\n"
            "approvals 1 requested, 1 granted, 0 refused\n"
            "events 1 to 21 of a log of 22\n");
}

TEST_F(Receipts, SignedVerifiedAndFoundInTheLog) {
  const auto note = sign_receipt(receipt_, TestLog::kOrigin, log_.signing_key());
  ASSERT_TRUE(note.has_value());
  const merkle::NoteKey keys[] = {log_.key()};
  const auto back = verify_receipt(*note, keys);
  ASSERT_TRUE(back.has_value()) << back.error().reason.text();
  EXPECT_EQ(*back, receipt_);
  EXPECT_EQ(reason(verify_receipt_in_log(*back, log_.head(), log_.nodes())), "fine");
  // Also after the log has grown.
  for (int i = 0; i < 300; ++i) log_.append(ServerStopped{.reason = "command"}, kStart);
  EXPECT_EQ(reason(verify_receipt_in_log(*back, log_.head(), log_.nodes())), "fine");

  const merkle::NoteKey others[] = {TestLog(2).key()};
  EXPECT_EQ(reason(verify_receipt(*note, others)), "note bears no signature of a known key");
  std::string edited = *note;
  edited.replace(edited.find("3 permitted"), 1, "2");
  EXPECT_EQ(reason(verify_receipt(edited, keys)), "note signature does not verify");
}

TEST_F(Receipts, OfAnotherLogAreRefused) {
  Receipt r = receipt_;
  r.life[1].leaf[0] ^= 1;
  EXPECT_EQ(reason(verify_receipt_in_log(r, log_.head(), log_.nodes())),
            "receipt names an event that is not in the log");
  r = receipt_;
  r.life[4].index = r.tree_size;
  EXPECT_EQ(reason(verify_receipt_in_log(r, log_.head(), log_.nodes())),
            "receipt names an event that is not in the log");
  r = receipt_;
  r.tree_root[0] ^= 1;
  EXPECT_EQ(reason(verify_receipt_in_log(r, log_.head(), log_.nodes())),
            "receipt's checkpoint is not of this log");
  r = receipt_;
  r.tree_size += 1;
  EXPECT_EQ(reason(verify_receipt_in_log(r, log_.head(), log_.nodes())),
            "receipt is newer than the log");
}

TEST_F(Receipts, LinesFollowFromTheData) {
  const std::string t = text(receipt_).value();
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string out = t;
    out.replace(out.find(from), from.size(), to);
    return reason(parse_receipt(out));
  };
  EXPECT_EQ(reason(parse_receipt(t)), "fine");
  EXPECT_EQ(changed("3 permitted", "2 permitted"), "receipt lines differ from its data");
  EXPECT_EQ(changed("agent \"coder\"", "agent \"coder\" "), "receipt lines differ from its data");
  EXPECT_EQ(changed("\"v\":1", "\"v\": 1"), "receipt not canonical");
  EXPECT_EQ(changed("\"v\":1", "\"v\":1,\"x\":1"), "receipt not canonical");
  EXPECT_EQ(changed("\"v\":1", "\"v\":2"), "receipt version");
  EXPECT_EQ(changed("receipt v1", "receipt v2"), "not a receipt");
  EXPECT_EQ(reason(parse_receipt(t.substr(0, t.size() - 1))), "receipt cut short");
  // What the purpose says stays in its line.
  Receipt r = receipt_;
  r.purpose = "x\"\nfor \"mallory\"\n\n— a b";
  const std::string hostile = text(r).value();
  EXPECT_EQ(std::ranges::count(hostile, '\n'), std::ranges::count(t, '\n'));
  EXPECT_EQ(parse_receipt(hostile).value(), r);
}

TEST_F(Receipts, ABuilderRefusesAWrongStory) {
  Honest h;
  ReceiptBuilder b(h.task);
  EXPECT_EQ(reason(b.add(0, {}, h.closed(h.task), kStart)),
            "task's first event is not its opening");
  EXPECT_EQ(reason(b.add(0, {}, h.opened(test_id<TaskId>(5)), kStart)), "event of another task");
  EXPECT_EQ(reason(b.add(3, {}, h.opened(h.task), kStart)), "fine");
  EXPECT_EQ(reason(b.add(4, {}, h.opened(h.task), kStart)), "task opened twice");
  EXPECT_EQ(reason(b.add(3, {}, h.closed(h.task), kStart)), "task's events out of order");
  EXPECT_EQ(reason(b.finish({"o", 9, {}})), "task not closed");
  EXPECT_EQ(reason(b.add(8, {}, h.closed(h.task), kStart)), "fine");
  EXPECT_EQ(reason(b.finish({"o", 8, {}})), "checkpoint does not cover the task");
  EXPECT_EQ(reason(b.finish({"o", 9, {}})), "fine");
}

}  // namespace
}  // namespace stint::audit
