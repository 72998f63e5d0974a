// DPoP proofs that are none (RFC 9449). A row's number is that of the standards reference.
#include "hostile_for_test.h"

namespace stint::gateway {
namespace {

using namespace testing;

struct ProofRow {
  const char* name;
  std::function<std::string(Hostile&)> make;
  std::string_view reason;
  std::string_view error = "invalid_dpop_proof", signal = {};
};
// `x` and `y` of the point of RFC 7515 A.3, and its private half.
constexpr const char* kPrivate =
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"})";

const ProofRow kProofs[] = {
    // --- form
    {"no_jwt", [](Hostile&) { return "x"; }, "jws parts"},
    {"cut",
     [](Hostile& h) {
       const std::string p = h.proof_claiming("x", "1");
       return p.substr(0, p.rfind('.'));
     },
     "jws parts"},
    {"as_long_as_a_field_may_be", [](Hostile&) { return std::string(8192, 'a'); }, "jws parts"},
    {"the_token_itself", [](Hostile& h) { return h.good; }, "dpop typ"},
    {"a_client_assertion", [](Hostile& h) { return h.edge->assertion(h.edge->coder); }, "dpop typ"},
    // --- header
    {"9449_2_typ_missing", [](Hostile& h) { return h.proof_headed("typ", ""); }, "dpop typ"},
    {"9449_2_typ_jwt", [](Hostile& h) { return h.proof_headed("typ", "\"JWT\""); }, "dpop typ"},
    {"9449_2_none", [](Hostile& h) { return h.proof_headed("alg", "\"none\""); }, "jws alg"},
    {"9449_2_hmac", [](Hostile& h) { return h.proof_headed("alg", "\"HS256\""); }, "jws alg"},
    {"9449_2_alg_of_another_key", [](Hostile& h) { return h.proof_headed("alg", "\"EdDSA\""); },
     "dpop alg"},
    {"9449_2_jwk_missing", [](Hostile& h) { return h.proof_headed("jwk", ""); }, "dpop jwk"},
    {"9449_2_jwk_private", [](Hostile& h) { return h.proof_headed("jwk", kPrivate); },
     "jwk private member"},
    {"9449_2_jwk_symmetric",
     [](Hostile& h) { return h.proof_headed("jwk", R"({"kty":"oct","k":"AAAA"})"); },
     "jwk private member"},
    {"jwk_of_another", [](Hostile& h) { return h.proof_headed("jwk", with(kPrivate, "d", "")); },
     "signature"},
    {"jwk_off_the_curve",
     [](Hostile& h) {
       return h.proof_headed("jwk", with(with(kPrivate, "d", ""), "y",
                                         "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""));
     },
     "p-256 point"},
    {"jwk_other_curve",
     [](Hostile& h) {
       return h.proof_headed("jwk", with(with(kPrivate, "d", ""), "crv", "\"P-384\""));
     },
     "jwk crv"},
    {"jwk_cut",
     [](Hostile& h) {
       return h.proof_headed("jwk", with(with(kPrivate, "d", ""), "x", "\"AAAA\""));
     },
     "p-256 coordinate size"},
    {"jwk_no_object", [](Hostile& h) { return h.proof_headed("jwk", "\"key\""); },
     "jws header member"},
    {"jwk_ed25519_of_small_order",
     [](Hostile& h) {
       return h.proof_headed(
           "jwk",
           R"({"kty":"OKP","crv":"Ed25519","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})");
     },
     "ed25519 point"},
    {"jwk_small_rsa",
     [](Hostile& h) { return h.proof_headed("jwk", R"({"kty":"RSA","n":"AQAB","e":"AQAB"})"); },
     "rsa modulus under 2048 bits"},
    {"jwk_for_encryption",
     [](Hostile& h) {
       return h.proof_headed("jwk", with(with(kPrivate, "d", ""), "use", "\"enc\""));
     },
     "jwk use"},
    {"8725_crit", [](Hostile& h) { return h.proof_headed("crit", "[\"a\"]"); }, "jws crit"},
    {"8725_jku", [](Hostile& h) { return h.proof_headed("jku", "\"http://127.0.0.1:9/\""); },
     "jws key by reference"},
    {"header_duplicate_key",
     [](Hostile& h) {
       return forge(h.in(h.proof_header(h.key()), R"("alg")", R"("alg":"ES256","alg")"),
                    json::write(h.proof_claims()), h.key());
     },
     "json duplicate key"},
    // --- claims
    {"claims_duplicate_key",
     [](Hostile& h) {
       return forge(h.proof_header(h.key()),
                    h.in(json::write(h.proof_claims()), R"("htm")", R"("htm":"POST","htm")"),
                    h.key());
     },
     "json duplicate key"},
    {"claims_no_object", [](Hostile& h) { return forge(h.proof_header(h.key()), "[]", h.key()); },
     "json not an object"},
    {"claims_deep", [](Hostile& h) { return h.proof_claiming("x", nested(32)); }, "json too deep"},
    {"9449_5_jti_missing", [](Hostile& h) { return h.proof_claiming("jti", ""); }, "dpop jti"},
    {"9449_5_jti_empty", [](Hostile& h) { return h.proof_claiming("jti", "\"\""); }, "dpop jti"},
    {"9449_5_jti_long",
     [](Hostile& h) { return h.proof_claiming("jti", "\"" + std::string(129, 'j') + "\""); },
     "dpop jti"},
    {"9449_5_jti_number", [](Hostile& h) { return h.proof_claiming("jti", "7"); }, "dpop claims"},
    {"9449_3_htm_missing", [](Hostile& h) { return h.proof_claiming("htm", ""); }, "dpop htm"},
    {"9449_3_htm_lower_case", [](Hostile& h) { return h.proof_claiming("htm", "\"get\""); },
     "dpop htm", "invalid_dpop_proof", "proof-mismatch"},
    {"9449_3_htu_missing", [](Hostile& h) { return h.proof_claiming("htu", ""); }, "dpop htu"},
    {"9449_3_htu_relative",
     [](Hostile& h) { return h.proof_claiming("htu", "\"/u/desk/tickets/7\""); }, "dpop htu",
     "invalid_dpop_proof", "proof-mismatch"},
    {"9449_3_htu_of_the_upstream",
     [](Hostile& h) {
       return h.proof_claiming("htu", "\"" + h.upstream.url() + "/api/tickets/7\"");
     },
     "dpop htu", "invalid_dpop_proof", "proof-mismatch"},
    {"9449_3_htu_with_a_slash",
     [](Hostile& h) {
       return h.proof_claiming("htu", "\"http://127.0.0.1:7444/u/desk/tickets/7/\"");
     },
     "dpop htu", "invalid_dpop_proof", "proof-mismatch"},
    {"9449_5_iat_missing", [](Hostile& h) { return h.proof_claiming("iat", ""); }, "dpop iat"},
    {"9449_5_iat_text", [](Hostile& h) { return h.proof_claiming("iat", "\"now\""); },
     "dpop claims"},
    {"9449_5_iat_int64", [](Hostile& h) { return h.proof_claiming("iat", "9223372036854775807"); },
     "dpop claims"},
    {"9449_5_iat_huge", [](Hostile& h) { return h.proof_claiming("iat", "1e300"); }, "dpop claims"},
    {"9449_4_ath_missing", [](Hostile& h) { return h.proof_claiming("ath", ""); }, "dpop ath"},
    {"9449_4_ath_of_another",
     [](Hostile& h) {
       return h.proof_claiming("ath", "\"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo\"");
     },
     "dpop ath", "invalid_dpop_proof", "proof-mismatch"},
    {"9449_4_another_key",
     [](Hostile& h) {
       const auto& thief = h.edge->helper.dpop;
       return forge(h.proof_header(thief), json::write(h.proof_claims()), thief);
     },
     "dpop key", "invalid_token", "key-mismatch"},
    {"9449_6_nonce_missing", [](Hostile& h) { return h.proof_claiming("nonce", ""); }, "dpop nonce",
     "use_dpop_nonce"},
    {"9449_6_nonce_made_up", [](Hostile& h) { return h.proof_claiming("nonce", "\"made-up\""); },
     "dpop nonce", "use_dpop_nonce"},
    {"9449_6_nonce_number", [](Hostile& h) { return h.proof_claiming("nonce", "7"); },
     "dpop claims"},
};

TEST_F(Hostile, ProofsAreRefusedWithTheirReason) {
  for (const ProofRow& row : kProofs) {
    SCOPED_TRACE(row.name);
    Ask ask;
    ask.proof = row.make(*this);
    refused(ask, good, row.error, row.reason, row.signal);
  }
  EXPECT_EQ(edge->gate.stats().proofs, 0U);  // none of them is remembered
}

// What cannot be remembered is not let through, and is not the client's fault.
class FullMemory : public GatewayTest {
 public:
  proof::GateLimits gate_limits() const override { return {.proofs = 8}; }
};
TEST_F(FullMemory, OfProofsRefuses) {
  int passed = 0;
  Answer got = send({});
  for (; got.status == 200 && passed < 100; got = send({})) ++passed;
  EXPECT_LE(passed, 8);
  EXPECT_EQ(got.status, 429U);
  EXPECT_EQ(got.reason(), "replay cache full");
  EXPECT_EQ(got.header("WWW-Authenticate"), "");
  EXPECT_EQ(upstream.calls(), passed);
  EXPECT_EQ(decisions(), static_cast<std::size_t>(passed));
  EXPECT_TRUE(edge->signals().empty());
}

}  // namespace
}  // namespace stint::gateway
