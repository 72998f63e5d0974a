#include "stint/codec/yaml.h"

#include <gtest/gtest.h>

namespace stint::yaml {
namespace {

using std::literals::operator""sv;

struct Refusal {
  const char* name;
  std::string_view text;
  Errc code;
  std::string_view reason;
  int line, column;
};
constexpr Refusal kRefusals[] = {
    {"anchor", "a: 1\nb: &x 2\n", Errc::kUnsupported, "yaml anchor", 2, 4},
    {"anchored_map", "a: &x\n  b: 1\n", Errc::kUnsupported, "yaml anchor", 1, 4},
    {"alias", "a: *x\n", Errc::kMalformed, "yaml syntax", 1, 4},  // to nothing
    {"merge", "a: 1\n<<: {b: 1}\n", Errc::kUnsupported, "yaml merge key", 2, 1},
    {"tag", "a: !!int 1\n", Errc::kUnsupported, "yaml tag", 1, 4},
    {"own_tag", "a: !secret x\n", Errc::kUnsupported, "yaml tag", 1, 4},
    {"map_tag", "!!map {a: 1}\n", Errc::kUnsupported, "yaml tag", 1, 1},
    {"sequence_tag", "a: !!seq [1]\n", Errc::kUnsupported, "yaml tag", 1, 4},
    {"duplicate", "a: 1\nb: 2\na: 3\n", Errc::kMalformed, "yaml duplicate key", 3, 1},
    {"duplicate_quoted", "a: 1\n\"a\": 2\n", Errc::kMalformed, "yaml duplicate key", 2, 1},
    {"duplicate_flow", "x: {a: 1, a: 2}", Errc::kMalformed, "yaml duplicate key", 1, 11},
    {"null_key", "~: 1\n", Errc::kMalformed, "yaml key is not text", 1, 1},
    {"map_key", "? {a: 1}\n: 2\n", Errc::kMalformed, "yaml key is not text", 1, 3},
    {"sequence_key", "[a]: 2\n", Errc::kMalformed, "yaml key is not text", 1, 1},
    {"tab", "a:\n\tb: 1\n", Errc::kMalformed, "yaml syntax", 2, 3},
    {"open_flow", "a: [1, 2\n", Errc::kMalformed, "yaml syntax", 2, 1},
    {"open_quote", "a: \"x\n", Errc::kMalformed, "yaml syntax", 2, 1},
    {"hidden_end",
     "a: 1\n\x04"
     "b: 2\n",
     Errc::kMalformed, "yaml control character", 2, 1},
    {"escape_next_line", "a: \"\\N\"", Errc::kMalformed, "yaml utf-8", 1, 4},
    {"escape_nbsp", "a: \"\\_\"", Errc::kMalformed, "yaml utf-8", 1, 4},
    {"escape_surrogate", "a: \"\\ud800\"", Errc::kMalformed, "yaml syntax", 1, 11},
    {"nul", "a: \0\n"sv, Errc::kMalformed, "yaml control character", 1, 4},
    {"byte_order_mark",
     "\xef\xbb\xbf"
     "a: 1\n",
     Errc::kMalformed, "yaml control character", 1, 1},
    {"utf16",
     "\xff\xfe"
     "a\0:\0 \0"sv,
     Errc::kMalformed, "yaml utf-8", 0, 0},
};
TEST(Yaml, Refuses) {
  for (const Refusal& r : kRefusals) {
    const auto got = parse_documents(r.text);
    ASSERT_FALSE(got.has_value()) << r.name;
    EXPECT_EQ(got.error().error.code, r.code) << r.name;
    EXPECT_EQ(got.error().error.reason.text(), r.reason) << r.name;
    EXPECT_EQ(got.error().line, r.line) << r.name;
    EXPECT_EQ(got.error().column, r.column) << r.name;
  }
}

constexpr std::string_view kHelpdesk = R"(# upstreams/helpdesk.yaml
upstream: helpdesk
kind: http                       # http | mcp
inject: {credential: helpdesk-bot, format: "Bearer {secret}"}
actions:
  - {action: ticket.read,   class: read,   match: "GET /tickets/{id}"}
  - action: ticket.reply
    limit: 12
unmatched:
---
agent: triage-bot
note: |
  two
  lines
trusted: true
)";

TEST(Yaml, DocumentsWithPositions) {
  const auto got = parse_documents(kHelpdesk);
  ASSERT_TRUE(got.has_value()) << got.error().error.reason.text() << got.error().line;
  ASSERT_EQ(got->size(), 2U);
  const Node& helpdesk = (*got)[0];
  EXPECT_TRUE(helpdesk.is_map());
  EXPECT_EQ(helpdesk.line, 2);
  EXPECT_EQ(helpdesk.find("kind")->scalar, "http");
  EXPECT_EQ(helpdesk.find("kind")->line, 3);
  EXPECT_EQ(helpdesk.find("kind")->column, 7);
  EXPECT_EQ(helpdesk.key_node("kind")->column, 1);
  EXPECT_EQ(helpdesk.find("inject")->find("format")->scalar, "Bearer {secret}");
  EXPECT_TRUE(helpdesk.find("inject")->find("format")->quoted);
  EXPECT_TRUE(helpdesk.find("unmatched")->is_null());
  EXPECT_EQ(helpdesk.find("nothing"), nullptr);
  const Node& actions = *helpdesk.find("actions");
  ASSERT_EQ(actions.seq.size(), 2U);
  EXPECT_EQ(actions.seq[0].find("match")->scalar, "GET /tickets/{id}");
  EXPECT_EQ(actions.seq[1].line, 7);
  EXPECT_EQ(as_int(*actions.seq[1].find("limit")), 12);
  const Node& agent = (*got)[1];
  EXPECT_EQ(agent.map.front().key.scalar, "agent");
  EXPECT_EQ(agent.find("note")->scalar, "two\nlines\n");
  EXPECT_TRUE(agent.find("note")->quoted);
  EXPECT_EQ(as_bool(*agent.find("trusted")), true);
}

TEST(Yaml, TextMayEndAnywhere) {
  EXPECT_EQ((*parse_documents("a: b"))[0].find("a")->scalar, "b");
  EXPECT_EQ((*parse_documents("a: 'b'  "))[0].find("a")->scalar, "b");
  EXPECT_EQ((*parse_documents("a: |\n  b\n"))[0].find("a")->scalar, "b\n");
  EXPECT_EQ((*parse_documents("a: |-\n  b\n"))[0].find("a")->scalar, "b");
  EXPECT_EQ((*parse_documents("a: |+\n  b\n\n"))[0].find("a")->scalar, "b\n\n");
  EXPECT_EQ((*parse_documents("a: >\n  b\n  c"))[0].find("a")->scalar, "b c\n");
  EXPECT_EQ((*parse_documents("a: b # remark"))[0].find("a")->scalar, "b");
  EXPECT_EQ((*parse_documents("a: b\n...\n"))[0].find("a")->scalar, "b");
}

TEST(Yaml, EmptyDocumentsAreLeftOut) {
  for (const std::string_view text : {"", "\n", "# only a remark\n", "---\n", "---\n---\n...\n"})
    EXPECT_TRUE(parse_documents(text)->empty()) << text;
  EXPECT_EQ(parse_documents("---\n---\na: 1\n---\n")->size(), 1U);
}

TEST(Yaml, ScalarsAreNotGuessed) {
  const auto got = parse_documents(
      "[no, 'true', True, true, 012, 1_000, 0x10, +1, -1, -0, '7', 1.0, 9223372036854775808]");
  ASSERT_TRUE(got.has_value());
  const auto& seq = (*got)[0].seq;
  ASSERT_EQ(seq.size(), 13U);
  for (std::size_t i = 0; i < seq.size(); ++i) {
    EXPECT_EQ(as_bool(seq[i]), i == 3 ? std::optional(true) : std::nullopt) << i;
    EXPECT_EQ(as_int(seq[i]), i == 8 ? std::optional<std::int64_t>(-1) : std::nullopt) << i;
  }
}

TEST(Yaml, Limits) {
  const auto reason = [](std::string_view text, Limits limits) {
    const auto got = parse_documents(text, limits);
    if (got) return std::string_view("accepted");
    EXPECT_EQ(got.error().error.code, Errc::kTooLarge);
    return got.error().error.reason.text();
  };
  EXPECT_EQ(reason("a: 1", {.bytes = 4}), "accepted");
  EXPECT_EQ(reason("a: 12", {.bytes = 4}), "yaml too large");
  EXPECT_EQ(reason("[[1]]", {.depth = 2}), "accepted");
  EXPECT_EQ(reason("[[[1]]]", {.depth = 2}), "yaml too deep");
  EXPECT_EQ(reason("[1, 2]", {.nodes = 3}), "accepted");
  EXPECT_EQ(reason("[1, 2, 3]", {.nodes = 3}), "yaml too many nodes");
  EXPECT_EQ(reason("--- 1\n--- 2\n", {.documents = 2}), "accepted");
  EXPECT_EQ(reason("--- 1\n--- 2\n--- 3\n", {.documents = 2}), "yaml too many documents");
  EXPECT_EQ(reason(std::string(33, '[') + std::string(33, ']'), {}), "yaml too deep");
  EXPECT_EQ(parse_documents(std::string(100'000, '[')).error().line, 1);
  std::string dashes;
  for (int i = 0; i < 1000; ++i) dashes += "- ";
  EXPECT_EQ(reason(dashes, {}), "yaml too deep");
}

}  // namespace
}  // namespace stint::yaml
