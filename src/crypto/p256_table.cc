// EC_GROUP_precompute_mult is deprecated since OpenSSL 3.0 and may go: STINT_P256_TABLES=OFF then,
// and every verification takes EVP. There is no other way to give a key a table.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "p256_table.h"

#include <openssl/obj_mac.h>

namespace stint::crypto {

const EC_GROUP* p256() {
  static const EC_GROUP* const group = need(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  return group;
}

#ifdef STINT_P256_TABLES

namespace {

// Numbers that each verification needs, kept by the thread.
struct Scratch {
  BnCtx ctx{need(BN_CTX_new())};
  Bn e{need(BN_new())}, r{need(BN_new())}, s{need(BN_new())};
  Bn w{need(BN_new())}, u{need(BN_new())}, x{need(BN_new())};
  Point a{need(EC_POINT_new(p256()))}, b{need(EC_POINT_new(p256()))};
};

bool in_range(const BIGNUM* v, const BIGNUM* n) { return !BN_is_zero(v) && BN_cmp(v, n) < 0; }

}  // namespace

bool P256Table::available() { return true; }

std::shared_ptr<const P256Table> P256Table::build(std::string_view x, std::string_view y) {
  const BnCtx ctx(need(BN_CTX_new()));
  const Bn bx(BN_bin2bn(bytes(x), static_cast<int>(x.size()), nullptr));
  const Bn by(BN_bin2bn(bytes(y), static_cast<int>(y.size()), nullptr));
  const Point q(EC_POINT_new(p256()));
  Group group(EC_GROUP_dup(p256()));
  // set_affine_coordinates refuses a point that is off the curve.
  if (!bx || !by || !q || !group ||
      !EC_POINT_set_affine_coordinates(p256(), q.get(), bx.get(), by.get(), ctx.get()) ||
      !EC_GROUP_set_generator(group.get(), q.get(), EC_GROUP_get0_order(p256()), BN_value_one()) ||
      !EC_GROUP_precompute_mult(group.get(), ctx.get()))
    return nullptr;
  return std::make_shared<P256Table>(std::move(group));
}

// w = 1/s, P = (e*w)*G + (r*w)*Q; good if P.x mod n == r.
bool P256Table::verify(const Digest& hash, std::string_view signature) const {
  if (signature.size() != 64) return false;
  thread_local Scratch t;
  const BIGNUM* const n = EC_GROUP_get0_order(p256());
  if (!BN_bin2bn(hash.data(), static_cast<int>(hash.size()), t.e.get()) ||
      !BN_bin2bn(bytes(signature), 32, t.r.get()) ||
      !BN_bin2bn(bytes(signature) + 32, 32, t.s.get()))
    return false;
  if (!in_range(t.r.get(), n) || !in_range(t.s.get(), n)) return false;
  BN_CTX* const ctx = t.ctx.get();
  return BN_mod_inverse(t.w.get(), t.s.get(), n, ctx) &&
         BN_mod_mul(t.u.get(), t.e.get(), t.w.get(), n, ctx) &&
         EC_POINT_mul(p256(), t.a.get(), t.u.get(), nullptr, nullptr, ctx) &&
         BN_mod_mul(t.u.get(), t.r.get(), t.w.get(), n, ctx) &&
         EC_POINT_mul(group_.get(), t.b.get(), t.u.get(), nullptr, nullptr, ctx) &&
         EC_POINT_add(p256(), t.a.get(), t.a.get(), t.b.get(), ctx) &&
         !EC_POINT_is_at_infinity(p256(), t.a.get()) &&
         EC_POINT_get_affine_coordinates(p256(), t.a.get(), t.x.get(), nullptr, ctx) &&
         BN_nnmod(t.x.get(), t.x.get(), n, ctx) && BN_cmp(t.x.get(), t.r.get()) == 0;
}

#else

bool P256Table::available() { return false; }
std::shared_ptr<const P256Table> P256Table::build(std::string_view, std::string_view) {
  return nullptr;
}
bool P256Table::verify(const Digest&, std::string_view) const { return false; }

#endif

}  // namespace stint::crypto
