// The program itself, over files.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>

#include "log_for_test.h"
#include "stint/merkle/proof_file.h"

namespace stint::verify {
namespace {

namespace fs = std::filesystem;

struct Ran {
  int exit;
  std::string out;
};

class Verify : public testing::Test {
 protected:
  Verify() {
    std::string name = (fs::temp_directory_path() / "stint-verify-test-XXXXXX").string();
    dir_ = mkdtemp(name.data());
    audit::tell_honest_story(log_);
    for (const auto& [path, bytes] : log_.files()) write("log/" + path, bytes);
    write("key", log_.key().str() + "\n");
  }
  ~Verify() override { fs::remove_all(dir_); }

  void write(const std::string& name, const std::string& bytes) {
    const fs::path path = dir_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
  }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }

  Ran run(const std::string& arguments) {
    const std::string command = std::string(STINT_VERIFY) + " " + arguments + " 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    Ran ran{-1, ""};
    std::array<char, 4096> buffer;
    for (std::size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
      ran.out.append(buffer.data(), n);
    }
    const int status = pclose(pipe);
    ran.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return ran;
  }
  std::string key() const { return " --key @" + path("key"); }

  audit::TestLog log_;
  fs::path dir_;
};

TEST_F(Verify, HonestLog) {
  const Ran ran = run("log " + path("log") + key());
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(ran.out, "log stint.test/log: 22 entries, verified\n");
  EXPECT_EQ(run("log " + path("log") + " --key '" + log_.key().str() + "'").exit, 0);
  const Ran json = run("log --json " + path("log") + key());
  EXPECT_EQ(json.exit, 0);
  EXPECT_TRUE(json.out.starts_with(R"({"ok":true,"origin":"stint.test/log","size":22,)"))
      << json.out;
}

// One byte, anywhere in a file of the log, does not go unnoticed.
TEST_F(Verify, OneByteOfTheLog) {
  const auto files = log_.files();
  std::size_t ran = 0;
  for (const auto& [name, bytes] : files) {
    for (std::size_t at : {std::size_t{0}, bytes.size() / 2, bytes.size() - 2}) {
      std::string edited = bytes;
      edited[at] ^= 0x01;
      write("log/" + name, edited);
      const Ran got = run("log " + path("log") + key());
      EXPECT_EQ(got.exit, 1) << name << ' ' << at << got.out;
      EXPECT_NE(got.out.find("NOT VERIFIED"), std::string::npos);
      ++ran;
    }
    write("log/" + name, bytes);
  }
  EXPECT_EQ(ran, 9U);
  EXPECT_EQ(run("log " + path("log") + key()).exit, 0);
}

TEST_F(Verify, NamesTheFirstWrongEntry) {
  std::string bundle = log_.files().at("tile/entries/000.p/22");
  bundle[bundle.find("fix the typo")] = 'F';
  write("log/tile/entries/000.p/22", bundle);
  const Ran ran = run("log " + path("log") + key());
  EXPECT_EQ(ran.exit, 1);
  EXPECT_EQ(ran.out,
            "entry 1 (task.opened): its bytes do not hash to its leaf in tile/0/000, which the "
            "signed root covers: the entry was changed\n"
            "NOT VERIFIED: 22 of 22 entries read\n");
  const Ran json = run("log --json " + path("log") + key());
  EXPECT_EQ(json.exit, 1);
  EXPECT_NE(json.out.find(R"("first_entry":1,"last_entry":1,"kind":"task.opened")"),
            std::string::npos);
}

TEST_F(Verify, ForkAndTruncation) {
  write("old", log_.checkpoint());
  EXPECT_EQ(run("log " + path("log") + key() + " --old-checkpoint " + path("old")).exit, 0);
  audit::TestLog other;
  for (std::size_t i = 0; i < 10; ++i) other.append_bytes(log_.entries()[i]);
  for (const auto& [name, bytes] : other.files()) write("cut/" + name, bytes);
  const Ran cut = run("log " + path("cut") + key() + " --old-checkpoint " + path("old"));
  EXPECT_EQ(cut.exit, 1);
  EXPECT_TRUE(cut.out.starts_with("entries 10 to 21: the log ends before them")) << cut.out;
}

TEST_F(Verify, Receipt) {
  const auto receipt = log_.receipt(audit::test_id<TaskId>(1)).value();
  const std::string note =
      audit::sign_receipt(receipt, audit::TestLog::kOrigin, log_.signing_key()).value();
  write("receipt", note);
  const Ran ran = run("receipt " + path("receipt") + " --log " + path("log") + key());
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(
      ran.out,
      "receipt of task_00000000000000010000000000000001: verified, with the log it speaks of\n"
      "log stint.test/log: 22 entries, verified\n");
  std::string edited = note;
  edited[edited.find("permitted") - 2] = '9';
  write("receipt", edited);
  const Ran bad = run("receipt " + path("receipt") + " --log " + path("log") + key());
  EXPECT_EQ(bad.exit, 1);
  EXPECT_TRUE(bad.out.starts_with("receipt: note signature does not verify\n")) << bad.out;
}

TEST_F(Verify, Proof) {
  const merkle::ProofFile proof{
      .index = 4,
      .hashes = merkle::inclusion_proof(4, log_.entries().size(), log_.nodes()).value(),
      .checkpoint = log_.checkpoint()};
  write("proof", merkle::text(proof));
  write("entry", log_.entries()[4]);
  const Ran ran = run("proof " + path("proof") + " --entry " + path("entry") + key());
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(ran.out, "entry 4 (decision): in log stint.test/log of 22 entries, verified\n");
  write("entry", log_.entries()[5]);
  const Ran bad = run("proof " + path("proof") + " --entry " + path("entry") + key());
  EXPECT_EQ(bad.exit, 1);
  EXPECT_EQ(bad.out, "inclusion proof does not reach the root\nNOT VERIFIED\n");
}

TEST_F(Verify, WrongUsage) {
  EXPECT_EQ(run("").exit, 2);
  EXPECT_EQ(run("log").exit, 2);
  EXPECT_EQ(run("log " + path("log")).exit, 2);
  EXPECT_EQ(run("log " + path("absent") + key()).exit, 2);
  EXPECT_EQ(run("log " + path("log") + " --key nonsense").exit, 2);
  EXPECT_EQ(run("log " + path("log") + " --key @" + path("absent")).exit, 2);
  EXPECT_EQ(run("log " + path("log") + key() + " --old-checkpoint " + path("absent")).exit, 2);
  EXPECT_EQ(run("receipt " + path("absent") + " --log " + path("log") + key()).exit, 2);
  EXPECT_EQ(run("--help").exit, 0);
}

}  // namespace
}  // namespace stint::verify
