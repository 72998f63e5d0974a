#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "stint/http/git.h"
#include "stint/http/pktline.h"

namespace stint::http {
namespace {

using namespace std::literals;

const std::string kA(40, 'a'), kB(40, 'b'), kZero(40, '0'), kLong(64, 'c');
const std::string kCaps = "\0 report-status side-band-64k agent=git/2.39.5"s;

std::string pkts(std::vector<std::string> lines) {
  std::string out;
  for (const std::string& l : lines) {
    if (l == "FLUSH")
      write_flush(out);
    else
      write_pkt(out, l);
  }
  return out;
}

struct Row {
  const char* name;
  std::string stream;
  std::string_view reason;
  std::size_t commands = 0;
};
const std::string kUpdate = kA + " " + kB + " refs/heads/main";
const Row kRows[] = {
    {"update", pkts({kUpdate + kCaps, "FLUSH"}) + "PACK", "", 1},
    {"line_feeds", pkts({kUpdate + kCaps + "\n", kB + " " + kA + " refs/heads/x\n", "FLUSH"}), "",
     2},
    {"delete", pkts({kA + " " + kZero + " refs/heads/x" + kCaps, "FLUSH"}), "", 1},
    {"no_capabilities", pkts({kUpdate, "FLUSH"}), "", 1},
    {"probe", "0000", "", 0},
    {"shallow", pkts({"shallow " + kA, kUpdate + kCaps, "FLUSH"}), "", 1},
    {"options", pkts({kUpdate + "\0push-options"s, "FLUSH", "ci.skip", "FLUSH"}) + "PACK", "", 1},
    {"sha256",
     pkts({kLong + " " + std::string(64, '0') + " refs/heads/x\0object-format=sha256"s, "FLUSH"}),
     "", 1},
    {"push_cert", pkts({"push-cert\0push-cert"s, "FLUSH"}),
     "git push certificates are not supported"},
    {"push_cert_capability", pkts({kUpdate + "\0push-cert=x"s, "FLUSH"}),
     "git push certificates are not supported"},
    {"bad_id", pkts({"xyz " + kB + " refs/heads/main", "FLUSH"}), "git command"},
    {"upper_case_id", pkts({std::string(40, 'A') + " " + kB + " refs/heads/main", "FLUSH"}),
     "git object id"},
    {"short_ids", pkts({"aa bb refs/heads/main", "FLUSH"}), "git object id"},
    {"two_lengths",
     pkts({kLong + " " + std::string(64, 'd') + " refs/heads/a\0x"s, kUpdate, "FLUSH"}),
     "git object ids of two lengths"},
    {"format_mismatch", pkts({kUpdate + "\0object-format=sha256"s, "FLUSH"}),
     "git object-format does not fit the ids"},
    {"no_ref", pkts({kA + " " + kB + " ", "FLUSH"}), "git ref name"},
    {"head", pkts({kA + " " + kB + " HEAD", "FLUSH"}), "git ref name"},
    {"dot_dot", pkts({kA + " " + kB + " refs/heads/../x", "FLUSH"}), "git ref name"},
    {"newline_in_ref", pkts({kA + " " + kB + " refs/heads/a\n\n", "FLUSH"}), "git ref name"},
    {"not_utf8", pkts({kA + " " + kB + " refs/heads/\xff", "FLUSH"}), "git ref name not utf-8"},
    {"twice", pkts({kUpdate + kCaps, kB + " " + kZero + " refs/heads/main", "FLUSH"}),
     "git ref named twice"},
    {"nothing", pkts({kZero + " " + kZero + " refs/heads/x", "FLUSH"}),
     "git command changes nothing"},
    {"late_capabilities", pkts({kUpdate, kB + " " + kA + " refs/heads/x\0atomic"s, "FLUSH"}),
     "git capabilities after the first command"},
    {"late_shallow", pkts({kUpdate, "shallow " + kA, "FLUSH"}), "git shallow line after commands"},
    {"bad_shallow", pkts({"shallow x", "FLUSH"}), "git object id"},
    {"control_capability", pkts({kUpdate + "\0a\tb"s, "FLUSH"}), "git capabilities"},
    {"empty_line", pkts({"", "FLUSH"}), "git empty command"},
    {"delim", pkts({kUpdate}) + "0001", "git special packet in commands"},
    {"option_nul", pkts({kUpdate + "\0push-options"s, "FLUSH", "a\0b"s, "FLUSH"}),
     "git push option"},
    {"bad_length", "zzzz", "pkt-line length"},
    {"truncated", pkts({kUpdate}), "git command list truncated"},
    {"truncated_line", "0099" + kA, "git command list truncated"},
    {"truncated_options", pkts({kUpdate + "\0push-options"s, "FLUSH"}),
     "git command list truncated"},
    {"nothing_at_all", "", "git command list truncated"},
};

Status run(ReceivePackParser& parser, std::string_view stream, std::size_t step) {
  while (!stream.empty() && !parser.done()) {
    const auto part = stream.substr(0, step);
    const auto got = parser.feed(part);
    if (!got) return fail(got.error());
    stream.remove_prefix(part.size());
  }
  return parser.finish();
}

class PushRows : public testing::TestWithParam<Row> {};
TEST_P(PushRows, AreJudgedHoweverTheyAreCut) {
  const Row& row = GetParam();
  for (const std::size_t step :
       {std::size_t{1}, std::size_t{3}, std::size_t{7}, row.stream.size() + 1}) {
    ReceivePackParser parser;
    const auto got = run(parser, row.stream, step);
    if (row.reason.empty()) {
      ASSERT_TRUE(got.has_value()) << got.error().reason.text() << " in steps of " << step;
      EXPECT_EQ(parser.request().commands.size(), row.commands);
    } else {
      ASSERT_FALSE(got.has_value()) << "in steps of " << step;
      EXPECT_EQ(got.error().reason.text(), row.reason) << "in steps of " << step;
      EXPECT_FALSE(parser.done());
    }
  }
}
INSTANTIATE_TEST_SUITE_P(All, PushRows, testing::ValuesIn(kRows),
                         [](const auto& i) { return std::string(i.param.name); });

TEST(Push, ReadsWhatItSays) {
  ReceivePackParser parser;
  const std::string list =
      pkts({"shallow " + kB, kA + " " + kZero + " refs/heads/old\0 atomic agent=git/2"s,
            kZero + " " + kB + " refs/tags/v1", "FLUSH"});
  const auto done = parser.feed(list + "PACKxxxx");
  ASSERT_TRUE(done && *done);
  EXPECT_EQ(parser.consumed(), list.size());
  const auto& r = parser.request();
  EXPECT_EQ(r.shallow, std::vector<std::string>{kB});
  EXPECT_TRUE(r.has_capability("atomic"));
  EXPECT_TRUE(r.has_capability("agent"));
  EXPECT_FALSE(r.has_capability("agen"));
  ASSERT_EQ(r.commands.size(), 2u);
  EXPECT_TRUE(r.commands[0].is_delete());
  EXPECT_FALSE(r.commands[0].is_create());
  EXPECT_TRUE(r.commands[1].is_create());
  EXPECT_EQ(r.commands[1].ref, "refs/tags/v1");
}

TEST(Push, Limits) {
  ReceivePackParser few({.commands = 1});
  EXPECT_EQ(few.feed(pkts({kUpdate, kB + " " + kA + " refs/heads/x"})).error().reason.text(),
            "git too many commands");
  EXPECT_EQ(few.feed("0000").error().reason.text(), "git too many commands");  // and stays so
  EXPECT_EQ(few.finish().error().reason.text(), "git too many commands");
  ReceivePackParser small({.prefix_bytes = 150});
  EXPECT_EQ(small.feed(pkts({kUpdate})).has_value(), true);
  EXPECT_EQ(small.feed(pkts({kUpdate})).error().reason.text(), "git command list too large");
  ReceivePackParser reserve({.prefix_bytes = 100});  // announced, not sent: refused as it comes
  EXPECT_EQ(reserve.feed("fff0" + std::string(200, 'a')).error().reason.text(),
            "git command list too large");
  ReceivePackParser ref({.ref_bytes = 20});
  EXPECT_EQ(
      ref.feed(pkts({kA + " " + kB + " refs/heads/" + std::string(10, 'a')})).error().reason.text(),
      "git ref name too large");
  ReceivePackParser shallow({.shallow = 1});
  EXPECT_EQ(shallow.feed(pkts({"shallow " + kA, "shallow " + kB})).error().reason.text(),
            "git too many shallow lines");
  ReceivePackParser options({.push_options = 1});
  EXPECT_EQ(
      options.feed(pkts({kUpdate + "\0push-options"s, "FLUSH", "a", "b"})).error().reason.text(),
      "git too many push options");
}

// Any list of commands, cut anywhere, is read back as it was written, and no byte of the pack
// taken.
RC_GTEST_PROP(Push, WhatIsWrittenIsRead, ()) {
  const auto id = [](char c) { return std::string(40, c); };
  std::vector<RefCommand> want;
  const int count = *rc::gen::inRange(1, 8);
  std::string stream;
  for (int i = 0; i < count; ++i) {
    RefCommand c{
        id(*rc::gen::elementOf("0ab"s)), id(*rc::gen::elementOf("1cd"s)),
        "refs/heads/" + std::to_string(i) + std::string(*rc::gen::inRange<std::size_t>(0, 9), 'x')};
    write_pkt(stream, c.old_id + ' ' + c.new_id + ' ' + c.ref + (i == 0 ? kCaps : ""));
    want.push_back(std::move(c));
  }
  write_flush(stream);
  const std::size_t size = stream.size();
  stream += "PACK" + *rc::gen::arbitrary<std::string>();
  ReceivePackParser parser;
  std::string_view rest = stream;
  while (!parser.done()) {
    const std::size_t step = *rc::gen::inRange<std::size_t>(1, 60);
    RC_ASSERT(!rest.empty());
    RC_ASSERT(parser.feed(rest.substr(0, step)).has_value());
    rest.remove_prefix(std::min(step, rest.size()));
  }
  RC_ASSERT(parser.consumed() == size);
  RC_ASSERT(parser.request().commands == want);
}

}  // namespace
}  // namespace stint::http
