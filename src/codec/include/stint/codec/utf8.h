#pragma once

#include <string_view>

namespace stint::codec {

// RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF. The empty text is UTF-8.
bool is_utf8(std::string_view bytes);

}  // namespace stint::codec
