// Access tokens that are none (RFC 9068, 8725, 8705, 6750). A row's number is that of the standards
// reference.
#include "hostile_for_test.h"

namespace stint::gateway {
namespace {

using namespace testing;

struct TokenRow {
  const char* name;
  std::function<std::string(Hostile&)> make;
  std::string_view reason;
  std::string_view signal = {};
};

std::string none(Hostile& h) {
  const std::string head = with(h.header, "alg", "\"none\"");
  return codec::encode_base64url(head) + "." + codec::encode_base64url(h.payload) + ".";
}
// HS256 keyed with the public key that everybody may read.
std::string hmac(Hostile& h) {
  const std::string signing = codec::encode_base64url(with(h.header, "alg", "\"HS256\"")) + "." +
                              codec::encode_base64url(h.payload);
  const std::string secret = json::write(jose::bare_json(h.ours->key.public_key()));
  return signing + "." +
         codec::encode_base64url(crypto::view(crypto::hmac_sha256(secret, signing)));
}
const TokenRow kTokens[] = {
    // --- form
    {"one_letter", [](Hostile&) { return "x"; }, "jws parts"},
    {"two_parts", [](Hostile& h) { return h.good.substr(0, h.good.rfind('.')); }, "jws parts"},
    {"five_parts", [](Hostile& h) { return h.good + ".AAAA.AAAA"; }, "jws parts"},
    {"only_dots", [](Hostile&) { return ".."; }, "json incomplete"},
    {"payload_of_one_letter",
     [](Hostile& h) {
       return h.good.substr(0, h.good.find('.')) + ".A" + h.good.substr(h.good.rfind('.'));
     },
     "base64url length"},
    {"cut_in_the_signature", [](Hostile& h) { return h.good.substr(0, h.good.size() - 2); },
     "signature"},
    {"no_signature", [](Hostile& h) { return h.good.substr(0, h.good.rfind('.') + 1); },
     "signature"},
    {"8725_padding", [](Hostile& h) { return h.good + "=="; }, "base64url alphabet"},
    {"8725_standard_base64", [](Hostile& h) { return "+" + h.good.substr(1); },
     "base64url alphabet"},
    {"json_serialisation",
     [](Hostile& h) { return R"({"payload":")" + h.payload.substr(0, 3) + R"("})"; }, "jws parts"},
    {"as_long_as_a_field_may_be", [](Hostile&) { return std::string(8187, 'a'); }, "jws parts"},
    {"header_of_4097_bytes", [](Hostile&) { return std::string(4097, 'a') + ".AA.AA"; },
     "jws header too large"},
    {"a_handle", [](Hostile& h) { return h.edge->text_of(h.desk->handle); }, "jws parts"},
    // --- header
    {"9068_5_none", none, "jws alg"},
    {"8725_hmac_with_the_public_key", hmac, "jws alg"},
    {"8725_alg_of_another_key", [](Hostile& h) { return h.headed("alg", "\"RS256\""); },
     "jws alg is not the key's"},
    {"8725_unknown_alg", [](Hostile& h) { return h.headed("alg", "\"ES512\""); }, "jws alg"},
    {"alg_missing", [](Hostile& h) { return h.headed("alg", ""); }, "jws alg"},
    {"alg_no_text", [](Hostile& h) { return h.headed("alg", "[\"ES256\"]"); }, "jws header member"},
    {"9068_1_typ_jwt", [](Hostile& h) { return h.headed("typ", "\"JWT\""); }, "token typ"},
    {"9068_1_typ_missing", [](Hostile& h) { return h.headed("typ", ""); }, "token typ"},
    {"8725_crit", [](Hostile& h) { return h.headed("crit", "[\"exp\"]"); }, "jws crit"},
    {"8725_b64", [](Hostile& h) { return h.headed("b64", "false"); }, "jws b64"},
    {"8725_zip", [](Hostile& h) { return h.headed("zip", "\"DEF\""); }, "jws zip"},
    {"8725_jku", [](Hostile& h) { return h.headed("jku", "\"http://127.0.0.1:9/\""); },
     "jws key by reference"},
    {"8725_x5u", [](Hostile& h) { return h.headed("x5u", "\"http://127.0.0.1:9/\""); },
     "jws key by reference"},
    {"8725_own_jwk",
     [](Hostile& h) {
       const auto& thief = h.edge->helper.dpop;
       return forge(with(h.header, "jwk", json::write(jose::bare_json(thief.public_key()))),
                    h.payload, thief);
     },
     "jws embedded key"},
    {"unknown_kid", [](Hostile& h) { return h.headed("kid", "\"nobody\""); }, "jws unknown key"},
    {"header_duplicate_key",
     [](Hostile& h) {
       return forge(h.in(h.header, R"("alg")", R"("alg":"none","alg")"), h.payload, h.ours->key);
     },
     "json duplicate key"},
    {"header_deep", [](Hostile& h) { return h.headed("x", nested(9)); }, "json too deep"},
    {"header_no_object", [](Hostile& h) { return forge("[]", h.payload, h.ours->key); },
     "json not an object"},
    {"header_no_json", [](Hostile& h) { return forge("alg: ES256", h.payload, h.ours->key); },
     "json syntax"},
    // --- signature
    {"signed_by_another",
     [](Hostile& h) { return forge(h.header, h.payload, h.edge->helper.dpop); }, "signature"},
    {"payload_exchanged",
     [](Hostile& h) {
       const std::string other = h.claiming("sub", "\"root@example.com\"");
       return other.substr(0, other.rfind('.')) + h.good.substr(h.good.rfind('.'));
     },
     "signature"},
    {"signature_of_zeros",  // CVE-2022-21449
     [](Hostile& h) {
       return h.good.substr(0, h.good.rfind('.') + 1) +
              codec::encode_base64url(std::string(64, '\0'));
     },
     "signature"},
    // --- payload: what even our own key does not make good
    {"payload_no_object", [](Hostile& h) { return forge(h.header, "[]", h.ours->key); },
     "json not an object"},
    {"payload_no_json", [](Hostile& h) { return forge(h.header, "hello", h.ours->key); },
     "json syntax"},
    {"payload_cut",
     [](Hostile& h) {
       return forge(h.header, h.payload.substr(0, h.payload.size() - 1), h.ours->key);
     },
     "json incomplete"},
    {"payload_duplicate_key",
     [](Hostile& h) {
       return forge(h.header, h.in(h.payload, R"("sub")", R"("sub":"root","sub")"), h.ours->key);
     },
     "json duplicate key"},
    {"payload_deep", [](Hostile& h) { return h.claiming("x", nested(32)); }, "json too deep"},
    {"payload_not_utf8",
     [](Hostile& h) {
       return forge(h.header, h.in(h.payload, "alice@", "alice\xff@"), h.ours->key);
     },
     "json utf-8"},
    {"exp_over_int64",
     [](Hostile& h) {
       return forge(h.header,
                    h.in(with(h.payload, "exp", "1"), R"("exp":1)", R"("exp":9223372036854775808)"),
                    h.ours->key);
     },
     "json integer range"},
    {"exp_int64", [](Hostile& h) { return h.claiming("exp", "9223372036854775807"); }, "jwt time"},
    {"exp_huge", [](Hostile& h) { return h.claiming("exp", "1e300"); }, "jwt time"},
    {"exp_negative", [](Hostile& h) { return h.claiming("exp", "-1"); }, "jwt time"},
    {"exp_text", [](Hostile& h) { return h.claiming("exp", "\"2099-01-01\""); }, "jwt time"},
    {"iat_over_2_53", [](Hostile& h) { return h.claiming("iat", "9007199254740993"); }, "jwt time"},
    // --- claims
    {"9068_2_no_iss", [](Hostile& h) { return h.claiming("iss", ""); }, "token iss"},
    {"9068_2_no_exp", [](Hostile& h) { return h.claiming("exp", ""); }, "token exp"},
    {"9068_2_no_aud", [](Hostile& h) { return h.claiming("aud", ""); }, "token aud"},
    {"9068_2_no_sub", [](Hostile& h) { return h.claiming("sub", ""); }, "token sub"},
    {"9068_2_no_client_id", [](Hostile& h) { return h.claiming("client_id", ""); },
     "token client_id"},
    {"9068_2_no_iat", [](Hostile& h) { return h.claiming("iat", ""); }, "token iat"},
    {"9068_2_no_jti", [](Hostile& h) { return h.claiming("jti", ""); }, "token jti"},
    {"no_task", [](Hostile& h) { return h.claiming("task", ""); }, "token task"},
    {"other_iss", [](Hostile& h) { return h.claiming("iss", "\"http://127.0.0.1:7443/\""); },
     "token iss"},
    {"9068_4_aud_is_a_prefix",
     [](Hostile& h) { return h.claiming("aud", "\"http://127.0.0.1:7444/u/des\""); }, "token aud",
     "wrong-audience"},
    {"8707_5_aud_for_all",
     [](Hostile& h) { return h.claiming("aud", "\"http://127.0.0.1:7444\""); }, "token aud",
     "wrong-audience"},
    {"aud_of_the_api", [](Hostile& h) { return h.claiming("aud", "\"http://127.0.0.1:7443\""); },
     "token aud", "wrong-audience"},
    {"aud_number", [](Hostile& h) { return h.claiming("aud", "7"); }, "jwt claim type"},
    {"nbf_ahead",
     [](Hostile& h) {
       return h.claiming("nbf", std::to_string(unix_seconds(h.edge->clock.wall()) + 60));
     },
     "jwt nbf"},
    {"iat_ahead",
     [](Hostile& h) {
       return h.claiming("iat", std::to_string(unix_seconds(h.edge->clock.wall()) + 60));
     },
     "jwt iat"},
    {"cnf_missing", [](Hostile& h) { return h.claiming("cnf", ""); },
     "the token is bound to no key"},
    {"cnf_empty", [](Hostile& h) { return h.claiming("cnf", "{}"); }, "token claims"},
    {"cnf_unknown", [](Hostile& h) { return h.claiming("cnf", R"({"kid":"k"})"); }, "token claims"},
    {"cnf_both", [](Hostile& h) { return h.claiming("cnf", R"({"jkt":"a","x5t#S256":"b"})"); },
     "token claims"},
    {"cnf_of_another",
     [](Hostile& h) {
       return h.claiming("cnf", R"({"jkt":"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"})");
     },
     "dpop key", "key-mismatch"},
    {"task_of_another_form", [](Hostile& h) { return h.claiming("task", R"({"id":"x"})"); },
     "token claims"},
    {"grants_no_array", [](Hostile& h) { return h.claiming("authorization_details", "{}"); },
     "token claims"},
    {"grants_of_another_type",
     [](Hostile& h) {
       return h.claiming("authorization_details", R"([{"type":"payment_initiation"}])");
     },
     "grant type"},
    // --- other kinds of token, signed well by whom they name
    {"8693_7_client_assertion", [](Hostile& h) { return h.edge->assertion(h.edge->coder); },
     "token typ"},
    {"a_proof", [](Hostile& h) { return h.proof_headed("x", "1"); }, "token typ"},
};

TEST_F(Hostile, TokensAreRefusedWithTheirReason) {
  for (const TokenRow& row : kTokens) {
    SCOPED_TRACE(row.name);
    const std::string token = row.make(*this);
    refused({}, token, "invalid_token", row.reason, row.signal);
  }
}

// Longer ones end with the head: a fixed answer, before anything is read of them.
TEST_F(Hostile, WhatIsLongerThanAFieldIsNotRead) {
  for (const Ask& ask : {Ask{.authorization = "DPoP " + std::string(8188, 'a')},
                         Ask{.proof = std::string(8193, 'a')}}) {
    const Answer got = send(ask);
    EXPECT_EQ(got.status, 431U);
    EXPECT_EQ(got.body, "");
    EXPECT_EQ(upstream.calls(), 0);
  }
}

// RFC 8705 3: here without TLS, so nobody has the certificate.
TEST_F(Hostile, ACertificatesTokenNeedsItsCertificate) {
  const std::string bound =
      claiming("cnf", R"({"x5t#S256":"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"})");
  Ask ask{.authorization = "Bearer " + bound, .proof = ""};
  refused(ask, bound, "invalid_token", "the token is bound to another certificate", "key-mismatch");
  refused({}, bound, "invalid_request", "the token is bound to a certificate: send it as Bearer",
          "");
  // Nor is a header of that name believed (RFC 9440).
  ask.extra = "Client-Cert: :MIIB:\r\nX-Forwarded-Client-Cert: Hash=03\r\n";
  refused(ask, bound, "invalid_token", "the token is bound to another certificate", "");
}

// RFC 6750 2: a token elsewhere than in Authorization is none.
TEST_F(Hostile, ATokenElsewhereIsNone) {
  constexpr std::string_view kNone = "no access token";
  refused({.target = std::string(kTicket) + "?access_token=" + good, .authorization = ""}, good, "",
          kNone, "");
  refused({.method = "POST",
           .target = "/u/desk/tickets/7/replies",
           .authorization = "",
           .extra = "Content-Type: application/x-www-form-urlencoded\r\n",
           .body = "access_token=" + good},
          good, "", kNone, "");
  refused(
      {.authorization = "", .extra = "Cookie: token=" + good + "\r\nTxn-Token: " + good + "\r\n"},
      good, "", kNone, "");
  constexpr std::string_view kNeither = "authorization is neither DPoP nor Bearer";
  for (const char* scheme : {"Basic ", "WPT ", "", "DPoP", "DPoP\t"})
    refused({.authorization = scheme + good}, good, "", kNeither, "");
  refused({.authorization = "DPoP " + good + " " + good}, good, "invalid_token", "jws parts", "");
  refused({.authorization = "DPoP " + good + ", DPoP " + good}, good, "invalid_token", "jws parts",
          "");
}

}  // namespace
}  // namespace stint::gateway
