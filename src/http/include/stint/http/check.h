#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "stint/base/error.h"
#include "stint/http/message.h"

namespace stint::http {

struct HeadLimits {
  std::size_t bytes = 16 * 1024;  // first line and fields together
  std::size_t fields = 64;
  std::size_t value_bytes = 8 * 1024;
  std::size_t name_bytes = 64;
};

// How the body of a message ends (RFC 9112 section 6.3).
struct Framing {
  enum class Kind : std::uint8_t {
    kNone,        // no body follows
    kLength,      // `length` bytes, which may be 0
    kChunked,     // chunked transfer coding
    kUntilClose,  // responses only
  };
  Kind kind = Kind::kNone;
  std::uint64_t length = 0;
  bool operator==(const Framing&) const = default;
};

// Refuses a request head that two servers could frame or read differently, and what Stint does not
// speak. Runs on a parsed head, whoever parsed it; the first failed rule decides:
//   method not a token, CONNECT, TRACE · count and size limits · field names that are not tokens,
//   values with control characters (NUL, CR, LF, obs-fold) · HTTP/1.0 with Transfer-Encoding or
//   without Content-Length on a body · Host absent, repeated or not a host · Content-Length
//   repeated, not plain digits, over 2^63-1, or beside Transfer-Encoding · Transfer-Encoding other
//   than exactly one "chunked" · a second Authorization, Cookie, Content-Type, Content-Encoding,
//   Expect or Host (a second DPoP is for who reads proofs) · Connection naming a field that must
//   reach us or must not be dropped · Upgrade · Expect other than 100-continue · field names that a
//   gateway interface reads as another ("_").
//
// Threads: any. Errors: kMalformed, kTooLarge, kLimit, kUnsupported, kWrongMethod.
Status check_head(const RequestHead& head, const HeadLimits& limits = {});

// How a request's body ends. Meaningful only after check_head() said yes.
Framing request_framing(const RequestHead& head);

// The same rules for what an upstream answers to `method`: fails closed on ambiguous framing, so a
// response cannot be smuggled into the next one's place. 1xx, 204, 304 and answers to HEAD have no
// body. Errors: kMalformed, kTooLarge, kLimit, kUnsupported (a 101, an unknown transfer coding).
Result<Framing> check_response(const ResponseHead& head, std::string_view method,
                               const HeadLimits& limits = {});

// True when the client asked, or its version says, that the connection ends after this exchange.
bool wants_close(const RequestHead& head);
// Expect: 100-continue on a request whose body follows.
bool expects_continue(const RequestHead& head);

// RFC 9110 section 5.6.2: one or more tchar.
bool is_token(std::string_view text);
// Visible ASCII, obs-text, space and tab; no surrounding white space.
bool is_field_value(std::string_view text);

}  // namespace stint::http
