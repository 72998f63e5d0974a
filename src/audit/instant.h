#pragma once

#include <array>
#include <string>
#include <string_view>

#include "stint/base/clock.h"
#include "stint/base/error.h"

namespace stint::audit {

// RFC 3339 in UTC with milliseconds, always of this form: 2026-01-31T09:05:00.123Z.
// Years 1970 to 9999. Errors: kMalformed "event time range", "event time form".
Result<std::string> instant(WallTime time);
using InstantText = std::array<char, 24>;
Result<InstantText> instant_text(WallTime time);  // the same without the heap
Result<WallTime> parse_instant(std::string_view text);

}  // namespace stint::audit
