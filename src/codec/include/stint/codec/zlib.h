#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "stint/base/error.h"

// The ZLIB format (RFC 1950): DEFLATE with a header and an Adler-32.
//
// Threads: any. Ownership: results own their bytes. Never throws but std::bad_alloc.
namespace stint::codec {

std::string zlib_deflate(std::string_view bytes);

// At most `most` bytes come out, and no more than that is ever held: a small text may be a bomb.
// Errors: kTooLarge "zlib over the limit"; kMalformed "zlib data" (not the format, a dictionary, a
// wrong checksum, ends early), "zlib trailing bytes".
Result<std::string> zlib_inflate(std::string_view bytes, std::size_t most);

}  // namespace stint::codec
