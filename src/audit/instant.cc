#include "instant.h"

#include <algorithm>
#include <chrono>

namespace stint::audit {
namespace {

using std::chrono::days;
using std::chrono::sys_days;

constexpr std::string_view kForm = "0000-00-00T00:00:00.000Z";

void put(InstantText& out, std::size_t at, std::size_t digits, std::int64_t value) {
  for (std::size_t i = digits; i-- > 0; value /= 10) {
    out[at + i] = static_cast<char>('0' + value % 10);
  }
}

int get(std::string_view text, std::size_t at, std::size_t digits) {
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) value = value * 10 + (text[at + i] - '0');
  return value;
}

}  // namespace

Result<InstantText> instant_text(WallTime time) {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  if (static_cast<int>(date.year()) < 1970 || static_cast<int>(date.year()) > 9999) {
    return fail(Errc::kMalformed, "event time range");
  }
  const std::int64_t ms = (time - day).count();
  InstantText out;
  std::ranges::copy(kForm, out.begin());
  put(out, 0, 4, static_cast<int>(date.year()));
  put(out, 5, 2, static_cast<unsigned>(date.month()));
  put(out, 8, 2, static_cast<unsigned>(date.day()));
  put(out, 11, 2, ms / 3'600'000);
  put(out, 14, 2, ms / 60'000 % 60);
  put(out, 17, 2, ms / 1000 % 60);
  put(out, 20, 3, ms % 1000);
  return out;
}

Result<std::string> instant(WallTime time) {
  const InstantText text = STINT_TRY(instant_text(time));
  return std::string(text.begin(), text.end());
}

Result<WallTime> parse_instant(std::string_view text) {
  if (text.size() != kForm.size()) return fail(Errc::kMalformed, "event time form");
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == '0' ? !digit : text[i] != kForm[i]) {
      return fail(Errc::kMalformed, "event time form");
    }
  }
  const std::chrono::year_month_day date{std::chrono::year(get(text, 0, 4)),
                                         std::chrono::month(static_cast<unsigned>(get(text, 5, 2))),
                                         std::chrono::day(static_cast<unsigned>(get(text, 8, 2)))};
  const int hour = get(text, 11, 2);
  const int minute = get(text, 14, 2);
  const int second = get(text, 17, 2);
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) {
    return fail(Errc::kMalformed, "event time form");
  }
  if (static_cast<int>(date.year()) < 1970) return fail(Errc::kMalformed, "event time range");
  return WallTime(sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) + std::chrono::milliseconds(get(text, 20, 3));
}

}  // namespace stint::audit
