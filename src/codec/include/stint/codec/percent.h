#pragma once

#include <string>
#include <string_view>

#include "stint/base/error.h"

// Percent-encoding (RFC 3986 s2.1). Threads: any.
namespace stint::codec {

// Everything but the unreserved `A-Za-z0-9-._~` becomes %XX with upper-case digits.
std::string percent_encode(std::string_view bytes);

// Decodes every %XX once; `+` stays. Any byte may come out, NUL too.
// Errors: kMalformed "percent escape".
Result<std::string> percent_decode(std::string_view text);

}  // namespace stint::codec
