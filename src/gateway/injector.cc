#include "injector.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "stint/codec/base64.h"

namespace stint::gateway {
namespace {

// Shorter ones would cover innocent text, and are no secrets.
constexpr std::size_t kShortest = 6;

void wipe(std::string& s) {
  s.resize(s.capacity());
  OPENSSL_cleanse(s.data(), s.size());
  s.clear();
}

bool fits_header(std::string_view value) {
  return std::ranges::all_of(value, [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u >= 0x20 && u != 0x7f;
  });
}

}  // namespace

Masker::~Masker() {
  for (auto& needle : needles_) wipe(needle);
  wipe(held_);
}

std::size_t Masker::cover(std::string& text) const {
  std::size_t unfinished = text.size();
  for (const auto& needle : needles_) {
    for (std::size_t at = 0; (at = text.find(needle, at)) != std::string::npos;
         at += needle.size())
      text.replace(at, needle.size(), needle.size(), '*');
    // A tail that is a beginning of the needle waits for the next bytes.
    const std::size_t longest = std::min(text.size(), needle.size() - 1);
    for (std::size_t n = longest; n > 0; --n) {
      if (std::string_view(text).substr(text.size() - n) ==
          std::string_view(needle).substr(0, n)) {
        unfinished = std::min(unfinished, text.size() - n);
        break;
      }
    }
  }
  return unfinished;
}

std::string_view Masker::feed(std::string_view bytes) {
  if (needles_.empty()) return bytes;
  held_.append(bytes);
  const std::size_t ready = cover(held_);
  out_.assign(held_, 0, ready);
  held_.erase(0, ready);
  return out_;
}

std::string_view Masker::finish() {
  out_.swap(held_);
  held_.clear();
  return out_;
}

std::string Masker::mask(std::string_view whole) const {
  std::string text(whole);
  cover(text);
  return text;
}

Result<Masker> Injector::apply(const resource::Injection& how, const authority::Released& released,
                               http::Headers& headers) {
  const std::string_view secret = released.value.reveal(RevealKey());
  if (!fits_header(secret)) return fail(Errc::kMalformed, "the credential does not fit a header");
  Masker masker;
  if (secret.size() >= kShortest) masker.needles_.emplace_back(secret);
  switch (how.as) {
    case resource::Injection::As::kBasic: {
      std::string pair = how.username + ":";
      pair += secret;
      std::string encoded = codec::encode_base64(pair);
      wipe(pair);
      headers.set("Authorization", "Basic " + encoded);
      masker.needles_.push_back(std::move(encoded));
      break;
    }
    case resource::Injection::As::kHeader: {
      std::string value = how.format;
      value.replace(value.find("{secret}"), 8, secret);
      headers.set(how.header, std::move(value));
      break;
    }
  }
  return masker;
}

}  // namespace stint::gateway
