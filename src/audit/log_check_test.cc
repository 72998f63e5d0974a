#include "stint/audit/log_check.h"

#include <gtest/gtest.h>

#include "log_for_test.h"

namespace stint::audit {
namespace {

using Files = std::map<std::string, std::string>;

class LogChecks : public testing::Test {
 protected:
  // 600 entries: two full bundles and a partial one, tiles on two levels.
  static TestLog long_log(char seed = 1) {
    TestLog log(seed);
    tell_honest_story(log);
    while (log.entries().size() < 600) {
      log.append(ServerStopped{.reason = "run " + std::to_string(log.entries().size())}, kStart);
    }
    return log;
  }

  LogReport check(const Files& files) {
    LogCheck c;
    c.read = [&](const std::string& path) -> Result<std::string> {
      const auto it = files.find(path);
      if (it == files.end()) return fail(Errc::kNotFound, "file absent");
      return it->second;
    };
    c.keys = keys_;
    c.older_checkpoint = older_;
    c.receipt = receipt_;
    return check_log(c);
  }
  std::vector<std::string> problems(const Files& files) {
    std::vector<std::string> out;
    for (const Problem& p : check(files).problems) out.push_back(text(p));
    return out;
  }
  // Offset of entry i's bytes within its bundle.
  std::size_t offset(std::size_t i) const {
    std::size_t at = 2;
    for (std::size_t j = i / 256 * 256; j < i; ++j) at += 2 + log_.entries()[j].size();
    return at;
  }

  TestLog log_ = long_log();
  Files files_ = log_.files();
  std::vector<merkle::NoteKey> keys_{log_.key()};
  std::optional<std::string> older_, receipt_;
};

using Lines = std::vector<std::string>;

TEST_F(LogChecks, HonestLogIsFine) {
  const LogReport report = check(files_);
  EXPECT_TRUE(report.ok()) << text(report.problems.front());
  EXPECT_EQ(report.entries, 600U);
  EXPECT_EQ(report.signer, "stint.test/log");
  EXPECT_EQ(report.by_kind.at("decision"), 4U);
  EXPECT_EQ(report.head, log_.head());
}

TEST_F(LogChecks, EmptyLogIsFine) {
  const TestLog empty;
  keys_ = {empty.key()};
  EXPECT_EQ(problems(empty.files()), Lines{});
}

TEST_F(LogChecks, OneChangedByteIsNamed) {
  // In the text of entry 300, so that it still reads as an event.
  std::string& bundle = files_["tile/entries/001"];
  const std::size_t at = bundle.find("run 300", offset(300));
  ASSERT_NE(at, std::string::npos);
  bundle[at] = 'R';
  EXPECT_EQ(problems(files_),
            Lines{"entry 300 (server.stopped): its bytes do not hash to its leaf in tile/0/001, "
                  "which the signed root covers: the entry was changed"});
}

// Every byte of an entry, also where it stops being readable.
TEST_F(LogChecks, AnyChangedByteOfAnEntryIsFound) {
  const std::size_t start = offset(1);
  for (std::size_t i = 0; i < log_.entries()[1].size(); i += 7) {
    Files edited = files_;
    edited["tile/entries/000"][start + i] ^= 0x20;
    const auto found = problems(edited);
    ASSERT_FALSE(found.empty()) << i;
    EXPECT_TRUE(found.front().starts_with("entry 1")) << found.front();
    EXPECT_TRUE(found.front().ends_with("the entry was changed")) << found.front();
  }
}

TEST_F(LogChecks, SwappedEntriesAreBothNamed) {
  std::string& bundle = files_["tile/entries/001"];
  // Same length, so that only their places change.
  const std::string a = log_.entries()[300], b = log_.entries()[301];
  ASSERT_EQ(a.size(), b.size());
  bundle.replace(offset(300), b.size(), b);
  bundle.replace(offset(301), a.size(), a);
  EXPECT_EQ(problems(files_),
            (Lines{"entry 300 (server.stopped): its bytes do not hash to its leaf in tile/0/001, "
                   "which the signed root covers: the entry was changed; it holds entry 301",
                   "entry 301 (server.stopped): its bytes do not hash to its leaf in tile/0/001, "
                   "which the signed root covers: the entry was changed; it holds entry 300"}));
}

TEST_F(LogChecks, ChangedLeafHashIsTheTilesFault) {
  files_["tile/0/000"][32 * 7] ^= 1;
  EXPECT_EQ(problems(files_),
            Lines{"entry 7 (task.opened): its leaf in tile/0/000 is not the hash of its bytes, "
                  "which the signed root covers: the tile was changed"});
}

TEST_F(LogChecks, ChangedUpperTileIsTheTilesFault) {
  files_["tile/1/000.p/2"][32] ^= 1;
  EXPECT_EQ(problems(files_),
            Lines{"entries 256 to 511: tile/1/000.p/2 does not hold their hash, which the signed "
                  "root covers: the tile was changed"});
}

TEST_F(LogChecks, EntryAndLeafChangedTogetherAreNamedByTheTileAbove) {
  TestLog forged;
  for (std::size_t i = 0; i < 600; ++i) {
    forged.append_bytes(i == 300 ? encode(kStart, ServerStopped{.reason = "nothing to see"}).value()
                                 : log_.entries()[i]);
  }
  const Files other = forged.files();
  files_["tile/entries/001"] = other.at("tile/entries/001");
  files_["tile/0/001"] = other.at("tile/0/001");
  EXPECT_EQ(problems(files_),
            Lines{"entries 256 to 511: tile/1/000.p/2 does not hold their hash: entries and leaf "
                  "hashes were changed together"});
  // All tiles rewritten: only the signed root is left to say so.
  files_["tile/1/000.p/2"] = other.at("tile/1/000.p/2");
  EXPECT_EQ(problems(files_),
            Lines{"entries 0 to 599: their root is not the checkpoint's, though every tile agrees "
                  "with every entry: log or checkpoint was replaced as a whole"});
  // Signed again, by the same key: only somebody who kept an older checkpoint can tell.
  EXPECT_EQ(problems(other), Lines{});
  older_ = log_.checkpoint();
  EXPECT_EQ(problems(other), Lines{"entries 0 to 599: they are not the entries that the older "
                                   "checkpoint was signed over: the log was forked"});
}

TEST_F(LogChecks, SignedByAnotherKeyIsSaid) {
  files_["checkpoint"] = long_log(2).checkpoint();
  EXPECT_EQ(problems(files_), Lines{"checkpoint: note bears no signature of a known key"});
  files_["checkpoint"] = log_.checkpoint();
  char& root = files_["checkpoint"][files_["checkpoint"].find("600\n") + 4];
  root = root == 'A' ? 'B' : 'A';
  const auto found = problems(files_);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0], "checkpoint: note signature does not verify");
  EXPECT_TRUE(found[1].starts_with("entries 0 to 599: their root is not the checkpoint's"));
  files_.erase("checkpoint");
  EXPECT_EQ(problems(files_), Lines{"checkpoint: file absent"});
}

TEST_F(LogChecks, TruncationIsFound) {
  Files cut = files_;
  cut.erase("tile/entries/001");
  EXPECT_EQ(problems(cut),
            Lines{"entries 256 to 599: tile/entries/001: file absent; the log is cut short here"});
  cut = files_;
  cut["tile/entries/001"].resize(offset(400));
  const auto found = problems(cut);
  EXPECT_EQ(found, Lines{"entries 400 to 511: tile/entries/001: entry bundle cut short"});
  cut = files_;
  cut.erase("tile/0/001");
  EXPECT_EQ(problems(cut), Lines{"entries 256 to 511: tile/0/001: file absent"});
  cut = files_;
  cut["tile/0/001"].resize(100);
  EXPECT_EQ(problems(cut), Lines{"entries 256 to 511: tile/0/001: hash tile length"});

  // Cut and signed again by the server itself.
  TestLog shorter;
  for (std::size_t i = 0; i < 500; ++i) shorter.append_bytes(log_.entries()[i]);
  EXPECT_EQ(problems(shorter.files()), Lines{});
  older_ = log_.checkpoint();
  EXPECT_EQ(
      problems(shorter.files()),
      Lines{"entries 500 to 599: the log ends before them, but an older checkpoint was signed "
            "over 600 entries: the log was truncated"});
}

TEST_F(LogChecks, GrowthIsConsistentWithAnOlderCheckpoint) {
  TestLog log;
  older_ = log.checkpoint();  // of the empty log
  EXPECT_EQ(problems(files_), Lines{});
  for (std::size_t i = 0; i < 300; ++i) log.append_bytes(log_.entries()[i]);
  older_ = log.checkpoint();
  EXPECT_EQ(problems(files_), Lines{});
  older_ = log_.checkpoint();
  EXPECT_EQ(problems(files_), Lines{});
  log.append(ServerStopped{.reason = "another history"}, kStart);
  older_ = log.checkpoint();
  EXPECT_EQ(problems(files_), Lines{"entries 0 to 300: they are not the entries that the older "
                                    "checkpoint was signed over: the log was forked"});
  older_ = "nonsense";
  EXPECT_EQ(problems(files_), Lines{"older checkpoint: note without final newline"});
}

TEST_F(LogChecks, TilesOfALaterCheckpointWillDo) {
  TestLog log;
  for (std::size_t i = 0; i < 500; ++i) log.append_bytes(log_.entries()[i]);
  Files files = files_;  // no partial tiles of size 500: the full ones that came later
  files["checkpoint"] = log.checkpoint();
  files["tile/1/000.p/1"] = log.files().at("tile/1/000.p/1");
  EXPECT_EQ(problems(files), Lines{});
}

TEST_F(LogChecks, WhatTheRulesForbidIsNamed) {
  TestLog log;
  tell_honest_story(log);
  Honest h;
  log.append(h.permit(50), kStart + std::chrono::milliseconds(101));
  log.append_bytes("{\"not\":\"an event\"}");
  EXPECT_EQ(problems(log.files()),
            (Lines{"entry 22 (decision): the rules forbid it: permit after the task's close "
                   "(task_00000000000000010000000000000001)",
                   "entry 23: not an event: json member missing"}));
}

TEST_F(LogChecks, ManyProblemsAreCounted) {
  for (std::size_t i = 0; i < 256; ++i) files_["tile/0/001"][i * 32] ^= 1;
  const LogReport report = check(files_);
  EXPECT_EQ(report.problems.size(), kMaxProblems);
  EXPECT_EQ(report.more_problems, 256 - kMaxProblems);
  EXPECT_EQ(report.problems.front().first, 256U);
}

TEST_F(LogChecks, ReceiptIsCountedAgain) {
  const Receipt honest = log_.receipt(test_id<TaskId>(1)).value();
  const auto with = [&](const Receipt& r, const crypto::PrivateKey& key) {
    receipt_ = sign_receipt(r, TestLog::kOrigin, key).value();
    return problems(files_);
  };
  EXPECT_EQ(with(honest, log_.signing_key()), Lines{});
  EXPECT_EQ(with(honest, TestLog(2).signing_key()),
            Lines{"receipt: note bears no signature of a known key"});
  // What a server that signs lies could say.
  Receipt r = honest;
  r.counts.permitted = 2;
  EXPECT_EQ(with(r, log_.signing_key()),
            Lines{"receipt: it sums the task up differently than the log does"});
  r = honest;
  r.life[2].leaf[0] ^= 1;
  EXPECT_EQ(with(r, log_.signing_key()),
            Lines{"entry " + std::to_string(r.life[2].index) +
                  ": the receipt names it as part of the task's life, and the log holds something "
                  "else there"});
  r = honest;
  r.tree_root[0] ^= 1;
  EXPECT_EQ(with(r, log_.signing_key()), Lines{"receipt: its checkpoint is not of this log"});
  r = honest;
  r.tree_size = 601;
  EXPECT_EQ(with(r, log_.signing_key()), Lines{"receipt: it is newer than the log"});
  r = honest;
  r.task = test_id<TaskId>(77);
  EXPECT_EQ(with(r, log_.signing_key()), Lines{"receipt: task not closed"});
  receipt_ = "nonsense";
  EXPECT_EQ(problems(files_), Lines{"receipt: note without final newline"});
}

}  // namespace
}  // namespace stint::audit
