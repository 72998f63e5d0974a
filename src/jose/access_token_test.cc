// RFC 9068 and the claims of a task: each rule a row with the exact refusal.
#include "stint/jose/access_token.h"

#include <gtest/gtest.h>

#include "jose_test_util.h"
#include "stint/jose/client_assertion.h"
#include "stint/jose/dpop.h"
#include "stint/jose/id_token.h"

namespace stint::jose {
namespace {

using namespace testing_util;

constexpr const char* kIss = "https://stint.example";
constexpr const char* kAud = "https://stint.example/u/helpdesk";
const crypto::PrivateKey kKey = test_key();

AccessToken token() {
  testkit::SeededEntropy entropy;
  return {.iss = kIss,
          .sub = "ada",
          .aud = {kAud},
          .exp = kNow + std::chrono::seconds(300),
          .iat = kNow,
          .jti = TokenId::random(entropy),
          .client_id = "triage-bot",
          .cnf = {.jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", .x5t_s256 = ""},
          .act = {"triage-bot", "planner"},
          .task = {TaskId::random(entropy), kNow, kNow + std::chrono::seconds(1800), "TICKET-7",
                   TaskId::random(entropy)},
          .authorization_details = R"([{"type":"stint_task","purpose":"fix"}])",
          .scope = "helpdesk",
          .acr = "mfa",
          .auth_time = kNow - std::chrono::seconds(60),
          .status = StatusReference{77, "https://stint.test:7443/oauth/status/5"}};
}

AccessTokenVerifier verifier(const crypto::PrivateKey& key = kKey) {
  return {kIss, kAud, std::make_shared<const JwkSet>(set_of(key, "k1"))};
}

TEST(AccessToken, RoundTripsUnderEveryAlgorithm) {
  for (const auto alg :
       {crypto::Alg::kES256, crypto::Alg::kRS256, crypto::Alg::kPS256, crypto::Alg::kEdDSA}) {
    const crypto::PrivateKey key = test_key(alg);
    const AccessToken want = token();
    const auto compact = sign_access_token(want, "k1", key);
    ASSERT_TRUE(compact.has_value()) << reason(compact);
    const auto got = verifier(key).verify(*compact, kNow);
    ASSERT_TRUE(got.has_value()) << crypto::text(alg) << ": " << reason(got);
    const AccessToken& c = got->claims();
    EXPECT_EQ(c.sub, want.sub);
    EXPECT_EQ(c.aud, want.aud);
    EXPECT_EQ(c.jti, want.jti);
    EXPECT_EQ(c.client_id, want.client_id);
    EXPECT_EQ(c.cnf, want.cnf);
    EXPECT_EQ(c.act, want.act);
    EXPECT_EQ(c.task, want.task);
    EXPECT_EQ(c.authorization_details, want.authorization_details);
    EXPECT_EQ(c.scope, want.scope);
    EXPECT_EQ(c.acr, want.acr);
    EXPECT_EQ(c.auth_time, want.auth_time);
    EXPECT_EQ(c.status, want.status);
    EXPECT_EQ(got->task(), want.task.id);
    EXPECT_EQ(got->digest(), token_digest(*compact));
    EXPECT_EQ(reason(got->check_time(want.exp)), "token expired");
    EXPECT_TRUE(got->check_time(want.exp - std::chrono::milliseconds(1)).has_value());
  }
}

TEST(AccessToken, IsWrittenAsTheInterfaceSays) {
  const auto compact = sign_access_token(token(), "k1", kKey);
  const auto jws = parse_compact(*compact);
  EXPECT_EQ(jws->header().typ, "at+jwt");
  EXPECT_EQ(jws->header().kid, "k1");
  const json::Object all = *json::parse_object(jws->payload());
  std::vector<std::string> names;
  for (const auto& member : all) names.emplace_back(member.key());
  EXPECT_EQ(names, (std::vector<std::string>{"iss", "sub", "aud", "exp", "iat", "jti", "client_id",
                                             "cnf", "act", "task", "authorization_details", "scope",
                                             "acr", "auth_time", "status"}));
  EXPECT_TRUE(all.at("aud").is_string());
  EXPECT_EQ(json::write(all.at("act")), R"({"sub":"triage-bot","act":{"sub":"planner"}})");
  AccessToken bare = token();
  bare.act.clear();
  bare.cnf = {.jkt = "", .x5t_s256 = std::string(43, 'A')};
  bare.authorization_details = bare.scope = bare.acr = bare.task.reference = "";
  bare.task.parent.reset();
  bare.auth_time.reset();
  bare.status.reset();
  bare.aud.push_back("b");
  const auto again = parse_compact(*sign_access_token(bare, "k1", kKey));
  const json::Object few = *json::parse_object(again->payload());
  EXPECT_EQ(few.size(), 9u);
  EXPECT_TRUE(few.at("aud").is_array());
  EXPECT_EQ(json::write(few.at("cnf")), R"({"x5t#S256":")" + std::string(43, 'A') + R"("})");
  EXPECT_EQ(few.at("task").as_object().size(), 3u);
}

struct Row {
  const char* name;
  bool in_header;
  const char *member, *value;
  Errc code;
  std::string_view reason;
  const char* source;
};
const Row kRows[] = {
    {"good", false, "x", "1", Errc{}, "", ""},
    {"typ as media type", true, "typ", "\"application/at+jwt\"", Errc{}, "", "9068 s4"},
    {"typ JWT", true, "typ", "\"JWT\"", Errc::kWrongType, "token typ", "9068 (1)"},
    {"no typ", true, "typ", "", Errc::kWrongType, "token typ", "9068 (1)"},
    {"typ txn token", true, "typ", "\"txntoken+jwt\"", Errc::kWrongType, "token typ", ""},
    {"none", true, "alg", "\"none\"", Errc::kUnsupported, "jws alg", "9068 (5)"},
    {"alg not the key's", true, "alg", "\"RS256\"", Errc::kWrongKey, "jws alg is not the key's",
     "RFC 8725 s3.1"},
    {"kid of nobody", true, "kid", "\"k2\"", Errc::kWrongKey, "jws unknown key", ""},
    {"brings its own key", true, "jwk", "{}", Errc::kWrongKey, "jws embedded key", ""},
    {"no iss", false, "iss", "", Errc::kMissing, "token iss", "9068 (2)"},
    {"iss of another", false, "iss", "\"https://stint.example/\"", Errc::kWrongIssuer, "token iss",
     "9068 s4"},
    {"no aud", false, "aud", "", Errc::kMissing, "token aud", "9068 (2)"},
    {"aud of another", false, "aud", "\"https://stint.example/u/git\"", Errc::kWrongAudience,
     "token aud", "9068 (4)"},
    {"aud among several", false, "aud", "[\"a\",\"https://stint.example/u/helpdesk\"]", Errc{}, "",
     "9068 (4)"},
    {"no sub", false, "sub", "", Errc::kMissing, "token sub", "9068 (2)"},
    {"no exp", false, "exp", "", Errc::kMissing, "token exp", "9068 (2)"},
    {"no iat", false, "iat", "", Errc::kMissing, "token iat", "9068 (2)"},
    {"no jti", false, "jti", "", Errc::kMissing, "token jti", "9068 (2)"},
    {"no client_id", false, "client_id", "", Errc::kMissing, "token client_id", "9068 (2)"},
    {"no task", false, "task", "", Errc::kMissing, "token task", "3-interfaces"},
    {"jti of another form", false, "jti", "\"x\"", Errc::kMalformed, "token claims", ""},
    {"task of another form", false, "task", "{\"id\":\"x\"}", Errc::kMalformed, "token claims", ""},
    {"cnf unknown", false, "cnf", "{\"kid\":\"k\"}", Errc::kMalformed, "token claims",
     "an unknown binding is not the absence of one"},
    {"cnf empty", false, "cnf", "{}", Errc::kMalformed, "token claims", ""},
    {"cnf both", false, "cnf", "{\"jkt\":\"a\",\"x5t#S256\":\"b\"}", Errc::kMalformed,
     "token claims", ""},
    {"cnf null", false, "cnf", "null", Errc::kMalformed, "token claims", ""},
    {"act without sub", false, "act", "{\"iss\":\"a\"}", Errc::kMalformed, "token claims", ""},
    {"act too deep", false, "act",
     R"({"sub":"1","act":{"sub":"2","act":{"sub":"3","act":{"sub":"4","act":{"sub":"5","act":{"sub":"6","act":{"sub":"7","act":{"sub":"8","act":{"sub":"9"}}}}}}}}})",
     Errc::kMalformed, "token claims", ""},
    {"expired now", false, "exp", "1790000000", Errc::kMalformed, "token claims",
     "exp not after iat"},
    {"expired", false, "exp", "1790000001", Errc{}, "", ""},
    {"iat ahead", false, "iat", "1790000031", Errc::kNotYetValid, "jwt iat", ""},
    {"nbf ahead", false, "nbf", "1790000031", Errc::kNotYetValid, "jwt nbf", ""},
};

TEST(AccessToken, Rows) {
  const auto jws = parse_compact(*sign_access_token(token(), "k1", kKey));
  const std::string payload(jws->payload());
  const std::string header = R"({"typ":"at+jwt","alg":"ES256","kid":"k1"})";
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    const std::string compact = row.in_header
                                    ? forge(with(header, row.member, row.value), payload, kKey)
                                    : forge(header, with(payload, row.member, row.value), kKey);
    const auto got = verifier().verify(compact, kNow);
    EXPECT_EQ(reason(got), row.reason) << row.source;
    if (!got.has_value()) EXPECT_EQ(got.error().code, row.code);
  }
}

TEST(AccessToken, ExpiresToTheMillisecondAndEmptySettingsRefuse) {
  const AccessToken t = token();
  const std::string compact = *sign_access_token(t, "k1", kKey);
  EXPECT_TRUE(verifier().verify(compact, t.exp - std::chrono::milliseconds(1)).has_value());
  EXPECT_EQ(reason(verifier().verify(compact, t.exp)), "token expired");
  const auto keys = std::make_shared<const JwkSet>(set_of(kKey, "k1"));
  EXPECT_EQ(reason(AccessTokenVerifier("", kAud, keys).verify(compact, kNow)), "token iss");
  EXPECT_EQ(reason(AccessTokenVerifier(kIss, "", keys).verify(compact, kNow)), "token aud");
  EXPECT_TRUE(AccessTokenVerifier(kIss, "", keys).verify_any_audience(compact, kNow).has_value());
  EXPECT_EQ(reason(verifier().verify(compact + std::string(9000, 'A'), kNow)), "jws too large");
}

TEST(AccessToken, SigningRefusesWhatCouldNotVerify) {
  const auto with_change = [](auto change) {
    AccessToken t = token();
    change(t);
    return std::string(reason(sign_access_token(t, "k1", kKey)));
  };
  EXPECT_EQ(with_change([](AccessToken& t) { t.sub = ""; }), "token claims");
  EXPECT_EQ(with_change([](AccessToken& t) { t.aud.clear(); }), "token claims");
  EXPECT_EQ(with_change([](AccessToken& t) { t.aud = {""}; }), "token claims");
  EXPECT_EQ(with_change([](AccessToken& t) { t.exp = t.iat; }), "token claims");
  EXPECT_EQ(with_change([](AccessToken& t) { t.cnf.x5t_s256 = "AA"; }), "token claims");
  EXPECT_EQ(with_change([](AccessToken& t) { t.act.assign(9, "a"); }), "token claims");
  EXPECT_EQ(with_change([](AccessToken& t) { t.authorization_details = "{}"; }),
            "token authorization_details");
  EXPECT_EQ(with_change([](AccessToken& t) { t.scope.assign(9000, 's'); }), "token too large");
}

// RFC 8725 section 3.12: one key, four kinds of token, and none passes as another.
TEST(Kinds, NoneIsTakenForAnother) {
  const std::string access = *sign_access_token(token(), "k1", kKey);
  const std::string assertion =
      *make_client_assertion(kKey, "k1", "bot", kIss, "j", kNow, std::chrono::seconds(60));
  const std::string proof = *make_proof(
      kKey,
      {.method = "GET", .htu = kIss, .now = kNow, .jti = "j", .access_token = "", .nonce = ""});
  const std::string id = forge(
      R"({"alg":"ES256","kid":"k1"})",
      R"({"iss":"https://stint.example","sub":"ada","aud":"stint","iat":1790000000,"exp":1790000300})",
      kKey);
  const IdTokenIssuer issuer{kIss, set_of(kKey, "k1"), {"stint"}};
  const auto expect = DpopExpect::without_token("GET", "https://stint.example/", kNow);
  const auto as_assertion = [&](const std::string& text) {
    const auto parsed = UnverifiedAssertion::parse(text);
    if (!parsed) return std::string(reason(parsed));
    return std::string(reason(verify_client_assertion(*parsed, set_of(kKey, "k1"), kIss, kNow)));
  };
  EXPECT_EQ(reason(verifier().verify(access, kNow)), "");
  EXPECT_EQ(as_assertion(assertion), "");
  EXPECT_EQ(reason(verify_proof(proof, expect, nullptr)), "");
  EXPECT_EQ(reason(verify_id_token(id, issuer, kNow)), "");

  for (const auto& text : {assertion, proof, id})
    EXPECT_EQ(reason(verifier().verify(text, kNow)), "token typ");
  for (const auto& text : {access, assertion, id})
    EXPECT_EQ(reason(verify_proof(text, expect, nullptr)), "dpop typ");
  EXPECT_EQ(as_assertion(access), "assertion typ");
  EXPECT_EQ(as_assertion(proof), "assertion sub");
  EXPECT_EQ(as_assertion(id), "assertion iss");
  EXPECT_EQ(reason(verify_id_token(access, issuer, kNow)), "id token typ");
  EXPECT_EQ(reason(verify_id_token(proof, issuer, kNow)), "id token iss");
  EXPECT_EQ(reason(verify_id_token(assertion, issuer, kNow)), "id token typ");
}

}  // namespace
}  // namespace stint::jose
