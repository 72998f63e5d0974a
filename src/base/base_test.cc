#include <gtest/gtest.h>
#include <unistd.h>

#include <concepts>
#include <functional>
#include <ostream>
#include <string>
#include <type_traits>
#include <vector>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/base/id.h"
#include "stint/base/log.h"
#include "stint/base/secret.h"
#include "stint/testkit/reveal.h"
#include "stint/testkit/seeded_entropy.h"

namespace stint {
namespace {

// --- time ---
TEST(Time, UtcText) {
  const auto text = [](std::int64_t ms) { return utc_text(from_unix_millis(ms)); };
  EXPECT_EQ(text(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(text(951'827'696'999), "2000-02-29T12:34:56Z");
  EXPECT_EQ(text(253'402'300'799'000), "9999-12-31T23:59:59Z");
  EXPECT_EQ(text(-1), "1969-12-31T23:59:59Z");  // down, not toward zero
}

// --- errors ---
static_assert(!std::is_constructible_v<Reason, std::string>, "an error must not carry input");
static_assert(!std::is_constructible_v<Reason, std::string_view>);

TEST(Errors, EveryCodeHasItsOwnName) {
  std::vector<std::string_view> names;
  for (std::uint16_t code = 1; code <= 34; ++code) names.push_back(name(static_cast<Errc>(code)));
  for (std::size_t i = 0; i < names.size(); ++i)
    for (std::size_t k = i + 1; k < names.size(); ++k) EXPECT_NE(names[i], names[k]);
}

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Errc::kMalformed, "odd");
  return n / 2;
}
Result<int> quarter(int n) {
  const int h = STINT_TRY(half(n));
  return STINT_TRY(half(h));
}
TEST(Errors, TryReturnsTheFirstError) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().reason.text(), "odd");
}

// --- ids ---
static_assert(!std::is_convertible_v<TaskId, TokenId>);
static_assert(!std::is_constructible_v<TaskId, TokenId>);

struct IdRow {
  const char* name;
  std::string text;
  std::string_view reason;
};
TEST(Ids, ReadOnlyTheirOwnSpelling) {
  testkit::SeededEntropy entropy;
  const TaskId id = TaskId::random(entropy);
  const std::string text = id.str();
  EXPECT_EQ(text.size(), 5u + 32u);
  EXPECT_EQ(TaskId::parse(text).value(), id);
  std::string upper = text;
  for (std::size_t i = 5; i < upper.size(); ++i)
    if (upper[i] >= 'a') upper[i] = static_cast<char>(upper[i] - 'a' + 'A');
  const IdRow rows[] = {
      {"short", text.substr(0, 36), "identifier length"},
      {"long", text + "0", "identifier length"},
      {"other_kind", "tokn_" + text.substr(5), "identifier prefix"},
      {"upper_case", upper, "identifier digits"},
      {"not_hex", text.substr(0, 36) + "g", "identifier digits"},
  };
  for (const auto& row : rows) {
    const auto got = TaskId::parse(row.text);
    ASSERT_FALSE(got.has_value()) << row.name;
    EXPECT_EQ(got.error().reason.text(), row.reason) << row.name;
  }
}

// --- secrets ---
static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(!std::is_copy_assignable_v<Secret>);
static_assert(!std::equality_comparable<Secret>);
template <class T>
concept Printable = requires(std::ostream& out, const T& v) { out << v; };
static_assert(!Printable<Secret>);

TEST(Secrets, MatchOnlyThemselves) {
  const Secret secret(std::string("test-password"));
  EXPECT_TRUE(secret.matches("test-password"));
  EXPECT_FALSE(secret.matches("test-passwore"));
  EXPECT_FALSE(secret.matches("test-passwor"));
  EXPECT_FALSE(secret.matches(""));
}

TEST(Secrets, AreGoneFromWhereTheyWereMovedFrom) {
  std::string plain = "test-short";  // short: moving copies it
  const char* inside = plain.data();
  Secret first(std::move(plain));
  EXPECT_EQ(std::string(inside, 10), std::string(10, '\0'));
  Secret second(std::move(first));
  EXPECT_EQ(RevealKeyForTest::reveal(second), "test-short");
  EXPECT_EQ(first.size(), 0u);  // NOLINT(bugprone-use-after-move): that is what is shown
}

// --- the operational log ---
static_assert(!std::is_constructible_v<log::Value, std::string>, "input must not reach the log");
static_assert(!std::is_constructible_v<log::Value, std::string_view>);
static_assert(!std::is_constructible_v<log::Value, const Secret&>);

std::string logged(const std::function<void()>& write) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const int saved = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  write();
  dup2(saved, STDERR_FILENO);
  close(saved);
  close(ends[1]);
  std::string out(4096, '\0');
  const auto n = read(ends[0], out.data(), out.size());
  close(ends[0]);
  out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return out;
}

TEST(Log, OneEscapedJsonObjectALine) {
  const auto line = logged([] {
    log::info("upstream added", {{"name", log::label("a\"b\n\xff")}, {"count", 3}, {"ok", true}});
  });
  EXPECT_NE(line.find(R"("level":"info","message":"upstream added")"), std::string::npos) << line;
  EXPECT_NE(line.find(R"("name":"a\"b\u000a\u00ff","count":3,"ok":true})"), std::string::npos)
      << line;
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(Log, BelowTheThresholdIsDropped) {
  log::set_threshold(log::Level::kError);
  EXPECT_EQ(logged([] { log::warning("quiet"); }), "");
  log::set_threshold(log::Level::kInfo);
  EXPECT_NE(logged([] { log::warning("loud"); }), "");
}

}  // namespace
}  // namespace stint
