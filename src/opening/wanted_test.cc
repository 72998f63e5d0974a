#include "stint/opening/wanted.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "stint/codec/json.h"

namespace stint::opening {
namespace {

using namespace std::chrono_literals;
constexpr WallTime kNow{1'790'000'000'123ms};

RC_GTEST_PROP(Rfc3339, ReadsWhatItWrites, ()) {
  const auto t = from_unix_millis(*rc::gen::inRange<std::int64_t>(0, 253'402'300'799'999));
  const auto back = parse_rfc3339(rfc3339(t));
  RC_ASSERT(back.has_value());
  RC_ASSERT(*back == t);
}

struct TimeRow {
  std::string_view text;
  std::optional<std::int64_t> millis;
  const char* source;
};
TEST(Rfc3339, Rows) {
  const TimeRow rows[] = {
      {"1985-04-12T23:20:50.52Z", 482196050520, "RFC 3339 s5.8"},
      {"1996-12-19T16:39:57-08:00", 851042397000, "RFC 3339 s5.8"},
      {"1937-01-01T12:00:27.87+00:20", -1041337172130, "RFC 3339 s5.8"},
      {"2026-11-22t02:00:00z", 1795312800000, "RFC 3339 s5.6: letters have no case"},
      {"2024-02-29T00:00:00Z", 1709164800000, "leap day"},
      {"2026-11-22T02:00:00.1239Z", 1795312800123, "own: beyond milliseconds is cut"},
      {"2023-02-29T00:00:00Z", std::nullopt, "no leap day"},
      {"1990-12-31T23:59:60Z", std::nullopt, "own: leap seconds are not taken"},
      {"2026-11-22T24:00:00Z", std::nullopt, "hour"},
      {"2026-13-22T02:00:00Z", std::nullopt, "month"},
      {"2026-11-22 02:00:00Z", std::nullopt, "own: no space"},
      {"2026-11-22T02:00:00", std::nullopt, "no offset"},
      {"2026-11-22T02:00:00.Z", std::nullopt, "empty fraction"},
      {"2026-11-22T02:00:00+0100", std::nullopt, "offset without colon"},
      {"2026-11-22T02:00:00ZZ", std::nullopt, "trailing"},
      {"2026-11-22", std::nullopt, "date"},
      {"", std::nullopt, "empty"},
  };
  for (const TimeRow& row : rows) {
    SCOPED_TRACE(row.source);
    const auto got = parse_rfc3339(row.text);
    EXPECT_EQ(got.has_value(), row.millis.has_value()) << row.text;
    if (got && row.millis) {
      EXPECT_EQ(unix_millis(*got), *row.millis) << row.text;
    }
  }
}

TEST(Details, ReadsEveryMember) {
  const auto w = parse_details(
      R"([{"type":"stint_grant","upstream":"git","actions":["git.push","git.fetch"],"resources":["a/*"],"exclusive":true},
          {"type":"stint_task","purpose":"p","reference":"T-1","ttl":900,"environment":"production","idle":60,
           "attended":true,"presence":20,"sensitivity":"internal","budget":{"requests":5,"bytes_out":7}},
          {"type":"stint_grant","upstream":"desk","actions":["ticket.read"]}])",
      kNow);
  ASSERT_TRUE(w.has_value()) << w.error().reason.text();
  EXPECT_EQ(w->purpose, "p");
  EXPECT_EQ(w->reference, "T-1");
  EXPECT_EQ(w->environment, "production");
  EXPECT_EQ(w->life, 900s);
  EXPECT_EQ(w->idle_limit, 60s);
  EXPECT_TRUE(w->attended);
  EXPECT_EQ(w->presence_limit, 20s);
  EXPECT_EQ(w->ceiling, domain::Sensitivity::kInternal);
  EXPECT_EQ(w->budget.requests, 5);
  EXPECT_EQ(w->budget.bytes_out, 7);
  ASSERT_EQ(w->grants.size(), 2U);
}

TEST(Details, ADeadlineIsATimeFromNow) {
  const std::string text = R"([{"type":"stint_task","purpose":"p","deadline":")" +
                           rfc3339(kNow + 600s) +
                           R"("},{"type":"stint_grant","upstream":"git","actions":["git.fetch"]}])";
  const auto w = parse_details(text, kNow);
  ASSERT_TRUE(w.has_value());
  EXPECT_EQ(w->life, 600s);
  EXPECT_EQ(w->presence_limit, 0s);
}

struct BadRow {
  std::string_view task, reason;
};
TEST(Details, BadTaskObjects) {
  const BadRow rows[] = {
      {R"({"type":"stint_task","purpose":1})", "json member type"},
      {R"({"type":"stint_task","purpose":"p","ttl":"1h"})", "json member type"},
      {R"({"type":"stint_task","purpose":"p","ttl":-1})", "a number of seconds is out of range"},
      {R"({"type":"stint_task","purpose":"p","ttl":9223372036854775807})",
       "a number of seconds is out of range"},
      {R"({"type":"stint_task","purpose":"p","ttl":9223372036854775808})", "json integer range"},
      {R"({"type":"stint_task","purpose":"p","deadline":"tomorrow"})", "time is not RFC 3339"},
      {R"({"type":"stint_task","purpose":"p","deadline":"2000-01-01T00:00:00Z"})",
       "the deadline has passed"},
      {R"({"type":"stint_task","purpose":"p","ttl":60,"deadline":"2100-01-01T00:00:00Z"})",
       "deadline and ttl exclude each other"},
      {R"({"type":"stint_task","purpose":"p","budget":{"money":1}})", "json unknown member"},
      {R"({"type":"stint_task","purpose":"p","sensitivity":"extreme"})", "unknown sensitivity"},
      {R"({"type":"stint_task","purpose":"p","id":"task_1"})", "json unknown member"},
      {R"({"type":"stint_task","purpose":"p","attended":null})", "json member type"},
      {R"(7)", "authorization_details holds a non-object"},
  };
  for (const BadRow& row : rows) {
    SCOPED_TRACE(row.task);
    const auto w =
        parse_details("[" + std::string(row.task) +
                          R"(,{"type":"stint_grant","upstream":"git","actions":["git.fetch"]}])",
                      kNow);
    ASSERT_FALSE(w.has_value());
    EXPECT_EQ(w.error().reason.text(), row.reason);
  }
  const auto deep = parse_details(std::string(9, '[') + std::string(9, ']'), kNow);
  EXPECT_EQ(deep.error().reason.text(), "json too deep");
  const auto large = parse_details("[" + std::string(70'000, ' ') + "]", kNow);
  EXPECT_EQ(large.error().reason.text(), "json too large");
}

TEST(Body, IsTheSameWithNamesOfTheApi) {
  const auto body = *json::parse_object(
      R"({"purpose":"p","ttl":60,"idle_seconds":5,"attended":true,"presence_seconds":9,
          "grants":[{"upstream":"git","actions":["git.fetch"]}]})");
  const auto w = parse_body(body, kNow);
  ASSERT_TRUE(w.has_value()) << w.error().reason.text();
  EXPECT_EQ(w->idle_limit, 5s);
  EXPECT_EQ(w->presence_limit, 9s);
  ASSERT_EQ(w->grants.size(), 1U);

  const BadRow rows[] = {
      {R"({"purpose":"p","grants":[]})", "a task needs at least one grant"},
      {R"({"purpose":"p"})", "json member missing"},
      {R"({"grants":[{"upstream":"git","actions":["git.fetch"]}]})", "json member missing"},
      {R"({"purpose":"p","idle":5,"grants":[]})", "json unknown member"},
      {R"({"purpose":"p","grants":[{"type":"stint_task","upstream":"g","actions":["a"]}]})",
       "grant type"},
      {R"({"purpose":"p","grants":[{"upstream":"g","actions":[]}]})", "grant without actions"},
  };
  for (const BadRow& row : rows) {
    SCOPED_TRACE(row.task);
    const auto bad = parse_body(*json::parse_object(row.task), kNow);
    ASSERT_FALSE(bad.has_value());
    EXPECT_EQ(bad.error().reason.text(), row.reason);
  }
}

TEST(Narrowing, TakesGrantsAlone) {
  EXPECT_TRUE(
      parse_narrowing(R"([{"type":"stint_grant","upstream":"git","actions":["git.fetch"]}])"));
  EXPECT_EQ(parse_narrowing("[]").error().reason.text(), "authorization_details is empty");
  EXPECT_EQ(parse_narrowing(R"([{"type":"stint_task","purpose":"p"}])").error().reason.text(),
            "a refresh takes stint_grant objects alone");
}

}  // namespace
}  // namespace stint::opening
