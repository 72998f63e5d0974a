#include "injector.h"

#include <algorithm>

#include "stint/codec/base64.h"
#include "stint/crypto/wipe.h"

namespace stint::gateway {
namespace {

// Shorter ones would cover innocent text, and are no secrets.
constexpr std::size_t kShortest = 6;
constexpr std::string_view kPlace = "{secret}";

bool fits_header(std::string_view value) {
  return std::ranges::all_of(value, [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u >= 0x20 && u != 0x7f;
  });
}

bool same_folded(std::string_view a, std::string_view b) {
  const auto fold = [](char c) { return c == '_' ? '-' : c; };
  return a.size() == b.size() && std::ranges::equal(a, b, [&](char x, char y) {
           return http::iequal(std::string_view(&x, 1), std::string_view(&y, 1)) ||
                  fold(x) == fold(y);
         });
}

}  // namespace

Result<Masker> Injector::apply(const resource::Injection& how, const authority::Released& released,
                               http::Headers& headers) {
  const std::string_view secret = released.value.reveal(RevealKey());
  if (!fits_header(secret)) return fail(Errc::kMalformed, "the credential does not fit a header");
  Masker masker;
  if (secret.size() >= kShortest) masker.hide(std::string(secret));
  switch (how.as) {
    case resource::Injection::As::kBasic: {
      std::string pair;
      pair.reserve(how.username.size() + 1 + secret.size());
      pair.append(how.username).append(":").append(secret);
      std::string encoded = codec::encode_base64(pair);
      crypto::wipe(pair);
      headers.set("Authorization", "Basic " + encoded);
      masker.hide(std::move(encoded));
      return masker;
    }
    case resource::Injection::As::kHeader: {
      std::string value = how.format;
      const auto at = value.find(kPlace);
      if (at == std::string::npos)
        return fail(Errc::kMalformed, "the header's format has no {secret}");
      value.replace(at, kPlace.size(), secret);
      // Also what CGI and WSGI servers would read as the same header.
      headers.remove_if([&](const http::Header& h) { return same_folded(h.name, how.header); });
      headers.set(how.header, std::move(value));
      return masker;
    }
  }
  __builtin_trap();
}

}  // namespace stint::gateway
