#include "stint/audit/event.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <fstream>
#include <iterator>
#include <set>

#include "arbitrary_for_test.h"
#include "stint/codec/json.h"

namespace stint::audit {
namespace {

const WallTime kTime = from_unix_millis(1'767'323'045'678);  // 2026-01-02T03:04:05.678Z

TaskId task(int n) {
  std::array<std::uint8_t, 16> b{};
  b[15] = static_cast<std::uint8_t>(n);
  return TaskId(b);
}

Decided decided() {
  Decided d;
  d.decision = DecisionId::parse("dec_000102030405060708090a0b0c0d0e0f").value();
  d.task = task(1);
  d.agent = "coder";
  d.verdict = Verdict::kPermit;
  d.reason = "permitted by policy";
  d.policies = {"within-grants"};
  d.upstream = "git";
  d.action = "git.push";
  d.action_class = domain::ActionClass::kWrite;
  d.resource = "team/app.git";
  d.method = "POST";
  d.target = "/team/app.git/git-receive-pack";
  return d;
}

TEST(Event, HasOneSpelling) {
  EXPECT_EQ(
      encode(kTime, decided()).value(),
      R"({"action":"git.push","agent":"coder","class":"write",)"
      R"("decision":"dec_000102030405060708090a0b0c0d0e0f","kind":"decision","method":"POST",)"
      R"("policies":["within-grants"],"reason":"permitted by policy",)"
      R"("resource":"team/app.git","target":"/team/app.git/git-receive-pack",)"
      R"("task":"task_00000000000000000000000000000001","time":"2026-01-02T03:04:05.678Z",)"
      R"("upstream":"git","v":1,"verdict":"permit"})");
}

// Free text from requests cannot break out of its member.
TEST(Event, EscapesControlCharacters) {
  Decided d = decided();
  d.resource = "a\"},\n\x01\x7f";
  const std::string bytes = encode(kTime, d).value();
  EXPECT_NE(bytes.find(R"("resource":"a\"},\n\u0001)"), std::string::npos);
  EXPECT_EQ(std::ranges::count_if(bytes, [](char c) { return static_cast<unsigned char>(c) < 32; }),
            0);
  EXPECT_EQ(std::get<Decided>(parse(bytes)->event), d);
}

RC_GTEST_PROP(Event, RoundTripsAndIsCanonical, ()) {
  Arbitrary any([] { return *rc::gen::arbitrary<std::uint64_t>(); });
  const Entry entry{any.time(), any.event()};
  const auto bytes = encode(entry.time, entry.event);
  RC_ASSERT(bytes.has_value());
  const auto back = parse(*bytes);
  RC_ASSERT(back.has_value());
  RC_ASSERT(*back == entry);
  RC_ASSERT(json::canonical(json::parse(*bytes).value()) == *bytes);
  RC_ASSERT(kind_of_bytes(*bytes) == std::string(kind(entry.event)));
  RC_TAG(std::string(kind(entry.event)));
}

// Every kind, many times, whatever a generator above happened to choose.
TEST(Event, EveryKindRoundTrips) {
  for (std::size_t k = 0; k < std::variant_size_v<AnyEvent>; ++k) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
      Arbitrary any(Numbers{seed * 0x9e3779b97f4a7c15});
      const Entry entry{any.time(), any.pick(k)};
      ASSERT_EQ(entry.event.index(), k);
      const auto bytes = encode(entry.time, entry.event);
      ASSERT_TRUE(bytes.has_value()) << kind(entry.event) << bytes.error().reason.text();
      const auto back = parse(*bytes);
      ASSERT_TRUE(back.has_value()) << *bytes << back.error().reason.text();
      EXPECT_EQ(*back, entry) << *bytes;
    }
  }
}

DecidedView view_of(const Decided& d) {
  DecidedView v{.decision = d.decision,
                .task = d.task,
                .agent = d.agent,
                .human = {},
                .token = d.token,
                .verdict = d.verdict,
                .reason = d.reason,
                .policies = d.policies,
                .approvers = d.approvers,
                .approval = d.approval,
                .upstream = d.upstream,
                .action = d.action,
                .action_class = d.action_class,
                .resource = d.resource,
                .method = d.method,
                .target = d.target,
                .call = d.call,
                .facts = d.facts,
                .source_ip = d.source_ip};
  if (d.human) v.human = *d.human;
  return v;
}

// What every call writes goes past AnyEvent: the same bytes, behind what was there.
TEST(Event, BorrowedFormsAreWrittenAlike) {
  const auto expect_same = [](WallTime time, const auto& event, const AnyEvent& any) {
    std::string out = "before";
    ASSERT_TRUE(encode_to(out, time, event).has_value());
    EXPECT_EQ(out, "before" + encode(time, any).value());
  };
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Arbitrary any(Numbers{seed * 0x9e3779b97f4a7c15});
    const WallTime time = any.time();
    Decided d;
    CredentialReleased c;
    Outcome o;
    fields(any, d);
    fields(any, c);
    fields(any, o);
    expect_same(time, view_of(d), d);
    expect_same(time, c, c);
    expect_same(time, o, o);
  }
  Decided d = decided();
  d.resource = "\xff";
  std::string out = "before";
  const Status refused = encode_to(out, kTime, view_of(d));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason.text(), "event text not utf-8");
  EXPECT_EQ(out, "before");
}

// One changed byte never reads as the same event, and what still reads is canonical.
TEST(Event, NoTwoSpellingsOfOneEvent) {
  const std::string whole = encode(kTime, decided()).value();
  const Entry before = parse(whole).value();
  std::size_t ran = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char c : std::string_view("\0 \"x0\xff", 6)) {
      if (whole[i] == c) continue;
      std::string changed = whole;
      changed[i] = c;
      const auto got = parse(changed);
      if (got) EXPECT_FALSE(*got == before) << changed;
      ++ran;
    }
  }
  EXPECT_GT(ran, 2000U);
}

struct Row {
  std::string_view name, from, to, reason;
};
const Row kRows[] = {
    {"unknown_member", R"("v":1)", R"("v":1,"w":2)", "event member unknown"},
    {"space", R"("v":1)", R"("v": 1)", "event not canonical"},
    {"order", R"("action":"git.push","agent":"coder")", R"("agent":"coder","action":"git.push")",
     "event not canonical"},
    {"empty_text", R"("upstream":"git")", R"("upstream":"")", "event not canonical"},
    {"escape", R"("upstream":"git")", R"("upstream":"\u0067it")", "event not canonical"},
    {"version", R"("v":1)", R"("v":2)", "event version"},
    {"version_text", R"("v":1)", R"("v":"1")", "json member type"},
    {"kind", R"("kind":"decision")", R"("kind":"decisions")", "event kind"},
    {"kind_missing", R"("kind":"decision",)", "", "json member missing"},
    {"other_kind", R"("kind":"decision")", R"("kind":"outcome")", "event member missing"},
    {"verdict", R"("verdict":"permit")", R"("verdict":"maybe")", "event word unknown"},
    {"time_form", "2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05Z", "event time form"},
    {"time_zone", "05.678Z", "05.678z", "event time form"},
    {"time_day", "2026-01-02", "2026-02-30", "event time form"},
    {"time_leap_second", "03:04:05", "03:04:60", "event time form"},
    {"time_year", "2026-", "1969-", "event time range"},
    {"id", "dec_000102", "dec_00010G", "event id malformed"},
    {"id_missing", R"("decision":"dec_000102030405060708090a0b0c0d0e0f",)", "",
     "event member missing"},
    {"id_null", "task_00000000000000000000000000000001", "task_00000000000000000000000000000000",
     "event id missing"},
    {"list_type", R"(["within-grants"])", R"("within-grants")", "event member type"},
    {"list_item", R"(["within-grants"])", R"([1])", "event member type"},
    {"duplicate", R"("v":1)", R"("v":1,"v":1)", "json duplicate key"},
};

TEST(Event, RefusesWithTheStatedReason) {
  const std::string whole = encode(kTime, decided()).value();
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    std::string bytes = whole;
    const std::size_t at = bytes.find(row.from);
    ASSERT_NE(at, std::string::npos);
    bytes.replace(at, row.from.size(), row.to);
    const auto got = parse(bytes);
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().reason.text(), row.reason);
  }
}

TEST(Event, LimitsAreEnforcedWhenWritten) {
  const auto reason = [](const AnyEvent& e) {
    const auto got = encode(kTime, e);
    return got ? std::string("written") : std::string(got.error().reason.text());
  };
  Decided d = decided();
  d.target = std::string(kMaxTarget, 'a');
  EXPECT_EQ(reason(d), "written");
  d.target += 'a';
  EXPECT_EQ(reason(d), "event text too long");
  d = decided();
  d.resource = std::string(kMaxText + 1, 'a');
  EXPECT_EQ(reason(d), "event text too long");
  d.resource = "\xff";
  EXPECT_EQ(reason(d), "event text not utf-8");
  d = decided();
  d.policies.assign(257, "p");
  EXPECT_EQ(reason(d), "event list too long");
  d.policies.assign(256, std::string(1000, 'p'));
  EXPECT_EQ(reason(d), "event over 65535 bytes");
  d = decided();
  d.human = "";
  EXPECT_EQ(reason(d), "event text empty");
  d = decided();
  d.decision = unset;
  EXPECT_EQ(reason(d), "event id missing");
  d = decided();
  ObjectWriter w;
  w.add("x", std::string(kMaxFacts, 'a'));
  d.facts = w.finish();
  EXPECT_EQ(reason(d), "event facts too long");
  EXPECT_EQ(reason(Outcome{.decision = decided().decision, .task = task(1), .bytes_in = 1LL << 53}),
            "event number range");
  EXPECT_EQ(reason(TaskClosed{.task = task(1), .actor = Actor::human("")}),
            "event actor without name");
  EXPECT_EQ(encode(from_unix_millis(-1), decided()).error().reason.text(), "event time range");
  EXPECT_EQ(parse(std::string(kMaxEventBytes + 1, ' ')).error().reason.text(), "json too large");
}

TEST(Event, OpeningTakesAllFromTheTask) {
  const domain::Task t{.id = task(3),
                       .purpose = "fix the typo",
                       .reference = "T-1",
                       .agent = "coder",
                       .binding = {.thumbprint = "abc"},
                       .human = "alice@example.com",
                       .grants = {{.upstream = "git", .actions = {"git.push"}}},
                       .opened = kTime,
                       .deadline = kTime + std::chrono::hours(1),
                       .idle_limit = std::chrono::seconds(60),
                       .budget = {.requests = 5},
                       .parent = task(2),
                       .depth = 1};
  const TaskOpened e = task_opened(t, Actor::agent("coder"));
  const std::string bytes = encode(kTime, e).value();
  EXPECT_EQ(std::get<TaskOpened>(parse(bytes)->event), e);
  EXPECT_EQ(task_of(e), task(3));
  EXPECT_NE(bytes.find(R"("binding":{"jkt":"abc"},"budget":{"requests":5})"), std::string::npos);
  EXPECT_NE(bytes.find(R"("idle_limit":60)"), std::string::npos);
  EXPECT_NE(bytes.find(R"("actor":"agent:coder")"), std::string::npos);
}

TEST(Event, KindOfDamagedBytes) {
  std::string bytes = encode(kTime, decided()).value();
  bytes.resize(bytes.size() - 3);
  EXPECT_EQ(kind_of_bytes(bytes), "decision");
  EXPECT_EQ(kind_of_bytes(R"({"actor":{"kind":"none"},"kind":"task.closed")"), "task.closed");
  EXPECT_EQ(kind_of_bytes("garbage"), std::nullopt);
}

TEST(Cut, KeepsCodePointsWhole) {
  EXPECT_EQ(cut("abc", 3), "abc");
  EXPECT_EQ(cut("abcd", 3), "abc");
  EXPECT_EQ(cut("aé", 2), "a");
  EXPECT_EQ(cut("😀", 3), "");
}

TEST(Canonical, IsCheckedOrMade) {
  EXPECT_EQ(Canonical::parse(R"({"a":1,"b":2})")->text(), R"({"a":1,"b":2})");
  EXPECT_EQ(Canonical::parse(R"({"b":2,"a":1})").error().reason.text(), "not canonical json");
  EXPECT_TRUE(Canonical().empty());
}

// Against the tree's writer, for every character and wherever it stands in a word of eight bytes.
TEST(Canonical, StringsAreEscapedAsByTheTree) {
  const auto expect_same = [](const std::string& text) {
    std::string out;
    append_json_string(out, text);
    EXPECT_EQ(out, json::canonical(json::Value(text)));
  };
  for (int c = 0; c < 128; ++c)
    for (std::size_t before = 0; before < 18; ++before)
      for (const char filler : {'x', '\x1f', '"', '!', ']', '\x7f'}) {
        std::string text(before, 'x');
        text += static_cast<char>(c);
        expect_same(text + std::string(9, filler));
        expect_same(text);
      }
  expect_same("é😀 \\ \"ü\"\n");
}

// docs/events.md names every kind with exactly its members, and nothing else.
struct Names {
  std::set<std::string> names;
  template <class T>
  void operator()(std::string_view key, T&, std::size_t = 0) {
    names.emplace(key);
  }
};

template <std::size_t I = 0>
void collect(std::map<std::string, std::set<std::string>>& out) {
  if constexpr (I < std::variant_size_v<AnyEvent>) {
    std::variant_alternative_t<I, AnyEvent> event;
    Names names;
    fields(names, event);
    out[std::string(event.kKind)] = names.names;
    collect<I + 1>(out);
  }
}

TEST(Docs, DescribeExactlyTheSchema) {
  std::ifstream in(std::string(STINT_SOURCE) + "/docs/events.md");
  ASSERT_TRUE(in.is_open());
  std::map<std::string, std::set<std::string>> written;
  std::string kind, line;
  while (std::getline(in, line)) {
    if (line.starts_with("### ")) kind = line.substr(4);
    if (line.starts_with("## ")) kind.clear();
    if (!kind.empty() && line.starts_with("| `")) {
      written[kind].insert(line.substr(3, line.find('`', 3) - 3));
    }
  }
  std::map<std::string, std::set<std::string>> real;
  collect(real);
  EXPECT_EQ(written, real);
}

}  // namespace
}  // namespace stint::audit
