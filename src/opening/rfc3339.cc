#include <charconv>
#include <chrono>

#include "stint/opening/wanted.h"

namespace stint::opening {
namespace {

using std::chrono::milliseconds;

// Fixed-width digits; -1 for anything else.
int digits(std::string_view text, std::size_t at, std::size_t n) {
  if (at + n > text.size()) return -1;
  int out = 0;
  for (const char c : text.substr(at, n)) {
    if (c < '0' || c > '9') return -1;
    out = out * 10 + (c - '0');
  }
  return out;
}

void put(std::string& out, int value, int width) {
  std::string text = std::to_string(value);
  out.append(static_cast<std::size_t>(width) - std::min<std::size_t>(text.size(), 4), '0');
  out += text;
}

std::unexpected<Error> bad() { return fail(Errc::kMalformed, "time is not RFC 3339"); }

// "Z" or "+hh:mm", which must end the text.
Result<std::chrono::minutes> offset(std::string_view text) {
  if (text == "Z" || text == "z") return std::chrono::minutes(0);
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return bad();
  const int h = digits(text, 1, 2), m = digits(text, 4, 2);
  if (h < 0 || h > 23 || m < 0 || m > 59) return bad();
  const std::chrono::minutes out(h * 60 + m);
  return text[0] == '-' ? -out : out;
}

}  // namespace

std::string rfc3339(WallTime t) {
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(t - day);
  std::string out;
  put(out, static_cast<int>(date.year()), 4);
  out += '-';
  put(out, static_cast<int>(static_cast<unsigned>(date.month())), 2);
  out += '-';
  put(out, static_cast<int>(static_cast<unsigned>(date.day())), 2);
  out += 'T';
  put(out, static_cast<int>(time.hours().count()), 2);
  out += ':';
  put(out, static_cast<int>(time.minutes().count()), 2);
  out += ':';
  put(out, static_cast<int>(time.seconds().count()), 2);
  out += '.';
  put(out, static_cast<int>(time.subseconds().count()), 3);
  out += 'Z';
  return out;
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  if (text.size() < 20 || text.size() > 40) return bad();
  const int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2),
            hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (year < 0 || month < 0 || day < 0 || hour < 0 || minute < 0 || second < 0) return bad();
  if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' ||
      text[16] != ':')
    return bad();
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return bad();
  std::size_t at = 19;
  int millis = 0;
  if (text[at] == '.') {
    std::size_t n = 0;
    for (++at; at < text.size() && digits(text, at, 1) >= 0; ++at, ++n)
      if (n < 3) millis = millis * 10 + digits(text, at, 1);
    if (n == 0) return bad();
    for (; n < 3; ++n) millis *= 10;
  }
  const auto from_utc = STINT_TRY(offset(text.substr(at)));
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + std::chrono::seconds(second) + milliseconds(millis) -
         from_utc;
}

}  // namespace stint::opening
