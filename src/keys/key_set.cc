#include "stint/keys/key_set.h"

#include <algorithm>

namespace stint::keys {

std::string_view text(Stage stage) {
  switch (stage) {
    case Stage::kNext:
      return "next";
    case Stage::kLive:
      return "live";
    case Stage::kFormer:
      return "former";
    case Stage::kRetired:
      return "retired";
  }
  __builtin_trap();
}

const KeyInfo* KeySet::find(std::string_view kid) const {
  const auto at = std::ranges::find(all_, kid, &KeyInfo::kid);
  return at == all_.end() ? nullptr : &*at;
}

Result<SigningKey> KeySet::signing_key(crypto::Alg alg) const {
  for (const SigningKey& key : keys_) {
    if (key.alg != alg) continue;
    const KeyInfo* info = find(key.kid);
    if (info != nullptr && info->stage == Stage::kLive) return key;
  }
  return fail(Errc::kUnsupported, "no key signs with this algorithm");
}

}  // namespace stint::keys
