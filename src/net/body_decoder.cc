#include "body_decoder.h"

#include <algorithm>

namespace stint::net {
namespace {

using Kind = http::Framing::Kind;

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
bool visible(char c) { return (c >= 0x20 && c < 0x7f) || c == '\t'; }
bool value_byte(char c) { return visible(c) || static_cast<unsigned char>(c) >= 0x80; }

}  // namespace

BodyDecoder::BodyDecoder(http::Framing framing, std::size_t overhead)
    : framing_(framing), state_(State::kData), overhead_(overhead) {
  switch (framing.kind) {
    case Kind::kNone:
      state_ = State::kDone;
      break;
    case Kind::kLength:
      left_ = framing.length;
      if (left_ == 0) state_ = State::kDone;
      break;
    case Kind::kChunked:
      state_ = State::kSize;
      break;
    case Kind::kUntilClose:
      break;
  }
}

Result<BodyDecoder::Step> BodyDecoder::decode(std::string_view in, std::size_t most) {
  Step step;
  while (state_ != State::kDone && step.consumed < in.size()) {
    if (state_ == State::kFailed) return fail(Errc::kMalformed, "body broken before");
    if (state_ == State::kData) {
      std::size_t n = std::min(in.size() - step.consumed, most);
      if (framing_.kind != Kind::kUntilClose)
        n = static_cast<std::size_t>(std::min<std::uint64_t>(n, left_));
      step.data = in.substr(step.consumed, n);
      step.consumed += n;
      if (framing_.kind == Kind::kUntilClose) return step;
      left_ -= n;
      if (left_ == 0) state_ = framing_.kind == Kind::kLength ? State::kDone : State::kDataCr;
      return step;
    }
    if (auto ok = control(in[step.consumed]); !ok) {
      state_ = State::kFailed;
      return fail(ok.error());
    }
    ++step.consumed;
  }
  return step;
}

Status BodyDecoder::at_end() {
  if (state_ == State::kDone) return {};
  if (framing_.kind == Kind::kUntilClose && state_ == State::kData) {
    state_ = State::kDone;
    return {};
  }
  state_ = State::kFailed;
  return fail(Errc::kIo, "body truncated");
}

Status BodyDecoder::spend() {
  if (overhead_ == 0) return fail(Errc::kTooLarge, "chunk overhead over the limit");
  --overhead_;
  return {};
}

Status BodyDecoder::size_digit(char c) {
  const int digit = hex(c);
  if (digit >= 0) {
    // 15 digits: no overflow, and more than any body.
    if (++digits_ > 15) return fail(Errc::kTooLarge, "chunk size over the limit");
    left_ = left_ * 16 + static_cast<unsigned>(digit);
    return {};
  }
  if (digits_ == 0) return fail(Errc::kMalformed, "chunk size missing");
  if (c == '\r') {
    state_ = State::kSizeLf;
    return {};
  }
  if (c != ';') return fail(Errc::kMalformed, "chunk size not hex");
  state_ = State::kExtension;
  return spend();
}

Status BodyDecoder::control(char c) {
  switch (state_) {
    case State::kSize:
      return size_digit(c);
    case State::kExtension:
      if (c == '\r') {
        state_ = State::kSizeLf;
        return {};
      }
      if (!visible(c)) return fail(Errc::kMalformed, "chunk extension characters");
      return spend();
    case State::kSizeLf:
      if (c != '\n') return fail(Errc::kMalformed, "chunk size line ending");
      digits_ = 0;
      state_ = left_ == 0 ? State::kTrailerStart : State::kData;
      return {};
    case State::kDataCr:
      if (c != '\r') return fail(Errc::kMalformed, "chunk data longer than its size");
      state_ = State::kDataLf;
      return {};
    case State::kDataLf:
      if (c != '\n') return fail(Errc::kMalformed, "chunk data line ending");
      state_ = State::kSize;
      return {};
    case State::kTrailerStart:
      if (c == '\r') {
        state_ = State::kLastLf;
        return {};
      }
      state_ = State::kTrailerName;
      [[fallthrough]];
    case State::kTrailerName:
      if (c == ':') {
        state_ = State::kTrailerValue;
        return spend();
      }
      if (!http::is_token(std::string_view(&c, 1))) return fail(Errc::kMalformed, "trailer name");
      return spend();
    case State::kTrailerValue:
      if (c == '\r') {
        state_ = State::kTrailerLf;
        return {};
      }
      if (!value_byte(c)) return fail(Errc::kMalformed, "trailer value characters");
      return spend();
    case State::kTrailerLf:
      if (c != '\n') return fail(Errc::kMalformed, "trailer line ending");
      state_ = State::kTrailerStart;
      return {};
    case State::kLastLf:
      if (c != '\n') return fail(Errc::kMalformed, "last line ending");
      state_ = State::kDone;
      return {};
    case State::kData:
    case State::kDone:
    case State::kFailed:
      break;
  }
  return fail(Errc::kInternal, "body decoder state");
}

}  // namespace stint::net
