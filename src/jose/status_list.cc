#include "stint/jose/status_list.h"

#include <algorithm>
#include <boost/json/object.hpp>

#include "stint/codec/base64url.h"
#include "stint/codec/json.h"
#include "stint/codec/zlib.h"
#include "stint/jose/jws.h"
#include "stint/jose/jwt.h"

namespace stint::jose {
namespace {

constexpr std::string_view kTyp = "statuslist+jwt";
using std::chrono::seconds;
constexpr seconds kAhead{30};
constexpr std::int64_t kLongestTtl = 365LL * 24 * 3600;

bool known_bits(std::int64_t bits) { return bits == 1 || bits == 2 || bits == 4 || bits == 8; }

struct Place {
  std::size_t byte;
  unsigned shift;
};
Place place_of(std::uint64_t idx, unsigned bits) {
  const std::uint64_t in_byte = 8 / bits;
  return {static_cast<std::size_t>(idx / in_byte), static_cast<unsigned>(idx % in_byte) * bits};
}

}  // namespace

Result<StatusList> StatusList::of(unsigned bits, std::size_t entries) {
  if (!known_bits(bits)) return fail(Errc::kMalformed, "status list bits");
  return StatusList(bits, std::string((entries * bits + 7) / 8, '\0'));
}

Result<StatusList> StatusList::unpack(unsigned bits, std::string_view lst, std::size_t most) {
  if (!known_bits(bits)) return fail(Errc::kMalformed, "status list bits");
  const std::string packed = STINT_TRY(codec::decode_base64url(lst));
  return StatusList(bits, STINT_TRY(codec::zlib_inflate(packed, most)));
}

std::string StatusList::pack() const {
  return codec::encode_base64url(codec::zlib_deflate(bytes_));
}

Result<unsigned> StatusList::at(std::uint64_t idx) const {
  if (idx >= size()) return fail(Errc::kNotFound, "status list index");
  const auto [byte, shift] = place_of(idx, bits_);
  return static_cast<unsigned char>(bytes_[byte]) >> shift & ((1U << bits_) - 1);
}

Status StatusList::set(std::uint64_t idx, unsigned value) {
  if (idx >= size()) return fail(Errc::kNotFound, "status list index");
  const unsigned mask = (1U << bits_) - 1;
  if (value > mask) return fail(Errc::kMalformed, "status value");
  const auto [byte, shift] = place_of(idx, bits_);
  const unsigned others = static_cast<unsigned char>(bytes_[byte]) & ~(mask << shift);
  bytes_[byte] = static_cast<char>(others | value << shift);
  return {};
}

Result<std::string> sign_status_list(const StatusListToken& token, std::string_view kid,
                                     const crypto::PrivateKey& key) {
  if (token.sub.empty() || unix_seconds(token.exp) <= unix_seconds(token.iat) ||
      token.ttl.count() <= 0)
    return fail(Errc::kMalformed, "status list claims");
  const json::Object claims{
      {"sub", token.sub},
      {"iat", unix_seconds(token.iat)},
      {"exp", unix_seconds(token.exp)},
      {"ttl", token.ttl.count()},
      {"status_list", json::Object{{"bits", token.list.bits()}, {"lst", token.list.pack()}}}};
  return sign({.typ = kTyp, .kid = kid}, json::write(claims), key);
}

Status VerifiedStatusList::check(const StatusReference& reference, WallTime now) const {
  if (reference.uri != token_.sub) return fail(Errc::kWrongTarget, "status list uri");
  if (now >= token_.exp || now >= token_.iat + token_.ttl)
    return fail(Errc::kStale, "status list is stale");
  switch (STINT_TRY(token_.list.at(reference.idx))) {
    case static_cast<unsigned>(TokenStatus::kValid):
      return {};
    case static_cast<unsigned>(TokenStatus::kInvalid):
      return fail(Errc::kRevoked, "status invalid");
    case static_cast<unsigned>(TokenStatus::kSuspended):
      return fail(Errc::kTaskPaused, "status suspended");
    default:
      return fail(Errc::kUnsupported, "status value");
  }
}

Result<VerifiedStatusList> verify_status_list(std::string_view compact, std::string_view uri,
                                              const JwkSet& keys, WallTime now, std::size_t most) {
  const Unverified unverified = STINT_TRY(parse_compact(compact, {.bytes = kMaxStatusListToken}));
  if (unverified.header().typ != kTyp) return fail(Errc::kWrongType, "status list typ");
  const Verified jws = STINT_TRY(jose::verify(unverified, keys, all_algs()));
  const auto all = STINT_TRY(json::parse_object(jws.payload(), {.bytes = kMaxStatusListToken}));
  // The times by the same reader as every JWT's; the list is too long for it.
  json::Object small = all;
  small.erase("status_list");
  const Claims claims = STINT_TRY(parse_claims(json::write(small)));
  if (claims.sub != uri) return fail(Errc::kWrongTarget, "status list sub");
  if (!claims.iat) return fail(Errc::kMissing, "status list iat");
  const auto ttl = STINT_TRY(json::int_at(all, "ttl"));
  if (ttl <= 0) return fail(Errc::kMalformed, "status list ttl");
  STINT_TRY(check_times(claims, now, {.past = seconds(0), .future = kAhead}));
  const json::Object* const list = STINT_TRY(json::object_at(all, "status_list"));
  const auto bits = STINT_TRY(json::int_at(*list, "bits"));
  if (!known_bits(bits)) return fail(Errc::kMalformed, "status list bits");
  const auto lst = STINT_TRY(json::string_at(*list, "lst"));
  auto values = STINT_TRY(StatusList::unpack(static_cast<unsigned>(bits), lst, most));
  return VerifiedStatusList({.sub = *claims.sub,
                             .iat = *claims.iat,
                             .exp = *claims.exp,
                             .ttl = seconds(std::min<std::int64_t>(ttl, kLongestTtl)),
                             .list = std::move(values)});
}

}  // namespace stint::jose
