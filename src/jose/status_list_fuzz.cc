// Byte 0 chooses the bits; the rest is `lst`, and the payload of a list token that we sign.
// Oracles: what unpacks keeps its bound, and every index and value of it when packed anew; a token
// that verifies says so of its own URI alone, and of no time after its own.
#include <algorithm>
#include <cstdlib>

#include "stint/codec/base64url.h"
#include "stint/jose/jws.h"
#include "stint/jose/status_list.h"

namespace {

using namespace stint;

constexpr std::size_t kMost = 4096;
const WallTime kNow = from_unix_seconds(1'790'000'000);

const crypto::PrivateKey& key() {
  static const auto made =
      crypto::PrivateKey::from_raw("test key of the fuzzer, 32 bytes", crypto::Alg::kEdDSA);
  return *made;
}

void require(bool holds) {
  if (!holds) std::abort();
}

void check_list(unsigned bits, std::string_view lst) {
  const auto list = jose::StatusList::unpack(bits, lst, kMost);
  if (!list) return;
  require(bits == 1 || bits == 2 || bits == 4 || bits == 8);
  require(list->size() * bits <= kMost * 8);
  auto again = jose::StatusList::unpack(bits, list->pack(), kMost);
  require(again && again->size() == list->size());
  for (std::size_t i = 0; i < list->size(); ++i) require(*again->at(i) == *list->at(i));
  require(!list->at(list->size()));
  if (list->size() == 0) return;
  // One index changed is one index changed.
  const std::size_t at = lst.size() * 7919 % list->size();
  const unsigned value = ~*list->at(at) & ((1U << bits) - 1);
  require(again->set(at, value).has_value());
  for (std::size_t i = 0; i < list->size(); ++i)
    require(*again->at(i) == (i == at ? value : *list->at(i)));
}

void check_token(std::string_view payload) {
  static const jose::JwkSet keys = *jose::JwkSet::of({{key().public_key(), key().alg(), "k"}});
  const auto compact = jose::sign({.typ = "statuslist+jwt", .kid = "k"}, payload, key());
  require(compact.has_value());
  constexpr std::string_view uri = "https://i.test/s/1";
  const auto list = jose::verify_status_list(*compact, uri, keys, kNow, kMost);
  if (!list) return;
  const auto& t = list->token();
  require(t.sub == uri && t.exp > kNow && t.ttl.count() > 0);
  require(!jose::verify_status_list(*compact, "https://i.test/s/2", keys, kNow, kMost));
  require(!list->check({0, "https://i.test/s/2"}, kNow));
  require(!list->check({t.list.size(), t.sub}, kNow));
  require(!list->check({0, t.sub}, t.exp) && !list->check({0, t.sub}, t.iat + t.ttl));
  if (list->check({0, t.sub}, kNow)) require(*t.list.at(0) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  check_list(data[0] & 15U, rest);
  check_token(rest);
  return 0;
}
