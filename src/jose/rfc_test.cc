// The examples that the RFCs print.
#include <gtest/gtest.h>

#include "jose_test_util.h"
#include "stint/crypto/digest.h"
#include "stint/jose/dpop.h"
#include "stint/jose/jws.h"

namespace stint::jose {
namespace {

using testing_util::reason;

constexpr std::string_view kA2Jwk =
    R"({"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"})";
constexpr std::string_view kA3Jwk =
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";
constexpr std::string_view kPayload =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlf"
    "Q";

struct Example {
  const char* name;
  std::string_view jwk;
  std::string compact;
  std::string_view reason;  // empty: verifies
};
const Example kExamples[] = {
    {"A.1 HS256", kA3Jwk,
     "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + std::string(kPayload) +
         ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
     "jws alg"},
    {"A.2 RS256", kA2Jwk,
     "eyJhbGciOiJSUzI1NiJ9." + std::string(kPayload) +
         ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
         "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARN"
         "PvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1p"
         "hCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
     ""},
    {"A.3 ES256", kA3Jwk,
     "eyJhbGciOiJFUzI1NiJ9." + std::string(kPayload) +
         ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
     ""},
    {"A.4 ES512", kA3Jwk,
     "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-"
     "mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNr"
     "mxYbSW9ERBXukOXolLzeO_Jn",
     "jws alg"},
    {"A.5 none", kA3Jwk, "eyJhbGciOiJub25lIn0." + std::string(kPayload) + ".", "jws alg"},
};

TEST(Rfc7515, AppendixA) {
  for (const Example& e : kExamples) {
    SCOPED_TRACE(e.name);
    const auto jwk = parse_public_jwk(e.jwk);
    ASSERT_TRUE(jwk.has_value()) << reason(jwk);
    const auto jws = parse_compact(e.compact);
    if (!e.reason.empty()) {
      EXPECT_EQ(reason(jws), e.reason);
      EXPECT_EQ(jws.error().code, Errc::kUnsupported);
      continue;
    }
    ASSERT_TRUE(jws.has_value()) << reason(jws);
    const auto good = verify(*jws, jwk->key, all_algs());
    ASSERT_TRUE(good.has_value()) << reason(good);
    EXPECT_EQ(good->payload(),
              "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}");
  }
}

TEST(Rfc7638, Section3_1) {
  const auto jwk = parse_public_jwk(
      R"({"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"})");
  ASSERT_TRUE(jwk.has_value()) << reason(jwk);
  EXPECT_EQ(thumbprint(jwk->key), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

TEST(Rfc8037, AppendixA) {
  const auto key = parse_private_jwk(  // A.1
      R"({"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})");
  ASSERT_TRUE(key.has_value()) << reason(key);
  const auto pub = parse_public_jwk(  // A.2
      R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})");
  ASSERT_TRUE(pub.has_value()) << reason(pub);
  EXPECT_EQ(pub->key, key->public_key());
  EXPECT_EQ(thumbprint(pub->key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");  // A.3
  const auto jws = sign({}, "Example of Ed25519 signing", *key);                   // A.4
  ASSERT_TRUE(jws.has_value());
  EXPECT_EQ(*jws,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-"
            "09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
  EXPECT_TRUE(verify(*parse_compact(*jws), pub->key, all_algs()).has_value());  // A.5
}

TEST(Rfc9449, PrintedProofs) {
  constexpr std::string_view kJkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
  constexpr std::string_view kAtTokenEndpoint =  // section 5
      "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNo"
      "UklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERW"
      "clUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh"
      "0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8"
      "v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
  constexpr std::string_view kAtResource =  // section 7.1
      "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNo"
      "UklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERW"
      "clUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR"
      "1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCw"
      "iYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-E"
      "y71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
  constexpr std::string_view kToken = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
  KeyCache cache;
  const auto first =
      verify_proof(kAtTokenEndpoint,
                   DpopExpect::without_token("POST", "https://server.example.com/token",
                                             from_unix_seconds(1562262616)),
                   &cache);
  ASSERT_TRUE(first.has_value()) << reason(first);
  EXPECT_EQ(first->jkt, kJkt);
  EXPECT_EQ(first->jti, "-BwC3ESc6acc2lTc");
  EXPECT_EQ(codec::encode_base64url(crypto::view(crypto::sha256(kToken))),
            "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
  const auto second = verify_proof(
      kAtResource,
      DpopExpect::with_token("GET", "https://resource.example.org/protectedresource",
                             from_unix_seconds(1562262618), crypto::sha256(kToken), kJkt),
      &cache);
  ASSERT_TRUE(second.has_value()) << reason(second);
  EXPECT_EQ(second->jti, "e1j3V_bKic8-LAEB");
  EXPECT_EQ(cache.size(), 1u);  // one client, one header
}

}  // namespace
}  // namespace stint::jose
