#include "stint/authority/rewrap.h"

#include "impl.h"
#include "stint/keys/key_ring.h"
#include "stint/vault/vault.h"

namespace stint::authority {
namespace {

std::string name_of(const crypto::RootKey& key) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (int shift = 28; shift >= 0; shift -= 4) out.push_back(kDigits[key.id() >> shift & 0xf]);
  return out;
}

}  // namespace

Result<Rewrapped> rewrap(store::Store& store, const crypto::RootKey& from, const keys::NewRoot& to,
                         Entropy& entropy, const Actor& actor, WallTime now) {
  if (!store.alone()) return fail(Errc::kConflict, "other processes may have the store open");
  if (from.id() == to.key.id()) return fail(Errc::kConflict, "the new root key is the old one");
  return store.write_sync([&](store::Tx& tx) -> Result<Rewrapped> {
    Rewrapped out{.from = name_of(from), .to = name_of(to.key)};
    out.keys = STINT_TRY(keys::reseal_keys(tx, from, to.key, entropy));
    out.credentials = STINT_TRY(vault::reseal(tx, from, to.key, entropy));
    keys::put_root(tx, to);
    append(tx, now,
           audit::RootRewrapped{.from = out.from,
                                .to = out.to,
                                .sealed = static_cast<std::int64_t>(out.keys + out.credentials),
                                .actor = to_audit(actor)});
    return out;
  });
}

}  // namespace stint::authority
