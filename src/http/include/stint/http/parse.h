#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "stint/base/error.h"
#include "stint/http/check.h"
#include "stint/http/message.h"

namespace stint::http {

// Heads as bytes. Strict: CRLF only, one space between the words of the first line, no white space
// before the colon, no folded lines, HTTP/1.0 and HTTP/1.1 only. What is read here has still to
// pass check_head() or check_response().

// Where the head at the start of `bytes` ends (after its empty line); nullopt: more is needed.
// Reading on past limits.bytes without an end is the caller's kTooLarge. A reader that got more
// bytes passes `from` = the size it had looked at before; older bytes are not looked at again.
std::optional<std::size_t> find_head_end(std::string_view bytes, std::size_t from = 0);

// `block` is exactly one head, its empty line included.
// Threads: any. Limits: `limits`, checked before memory is taken. Errors: kMalformed, kTooLarge,
// kLimit, kUnsupported (version).
Result<RequestHead> parse_request_head(std::string_view block, const HeadLimits& limits = {});
Result<ResponseHead> parse_response_head(std::string_view block, const HeadLimits& limits = {});

// The bytes of a head that passed its check; a parse of them gives the head back. The program that
// writes an unchecked head lets its author inject fields: do not.
std::string write_head(const RequestHead& head);
std::string write_head(const ResponseHead& head);
// Appends instead, for buffers that are reused.
void write_head(const RequestHead& head, std::string& out);
void write_head(const ResponseHead& head, std::string& out);

}  // namespace stint::http
