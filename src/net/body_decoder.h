#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "stint/base/error.h"
#include "stint/http/check.h"

namespace stint::net {

// Turns what follows a head into the body that it frames. Pure: no I/O, no memory of its own.
//
// Chunks are read strictly (RFC 9112 section 7.1): CRLF only, 1 to 15 hex digits, extensions of
// visible ASCII skipped, trailer fields syntax-checked and dropped. The first error is final.
// Limits: extensions and trailers together at most `overhead`, size lines not counted.
// Errors: kMalformed, kTooLarge.
class BodyDecoder {
 public:
  BodyDecoder(http::Framing framing, std::size_t overhead);

  bool done() const { return state_ == State::kDone; }
  // Body bytes that are certain to follow, for a length; 0 otherwise.
  std::uint64_t remaining() const {
    return framing_.kind == http::Framing::Kind::kLength ? left_ : 0;
  }

  struct Step {
    std::size_t consumed = 0;
    std::string_view data;  // of the body; lies in `in`
  };
  // Takes from `in` up to the end of its first run of body bytes, of which at most `most` (> 0).
  // Without data all of `in` was consumed, or the body ended.
  Result<Step> decode(std::string_view in, std::size_t most = std::string_view::npos);
  // The connection ended in order: completes kUntilClose, otherwise kIo "body truncated".
  Status at_end();

 private:
  enum class State : std::uint8_t {
    kData,  // left_ bytes of a length or of a chunk; everything for kUntilClose
    kSize,
    kExtension,
    kSizeLf,
    kDataCr,
    kDataLf,
    kTrailerStart,
    kTrailerName,
    kTrailerValue,
    kTrailerLf,
    kLastLf,
    kDone,
    kFailed,
  };
  Status control(char c);
  Status size_digit(char c);
  Status spend();

  http::Framing framing_;
  State state_;
  std::uint64_t left_ = 0;
  std::size_t overhead_;
  unsigned digits_ = 0;
};

}  // namespace stint::net
