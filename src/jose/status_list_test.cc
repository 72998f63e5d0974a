#include "stint/jose/status_list.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
// After googletest, whose names it uses.
#include <rapidcheck/gtest.h>

#include "jose_test_util.h"
#include "stint/codec/zlib.h"
#include "stint/jose/access_token.h"
#include "stint/jose/jws.h"

namespace stint::jose {
namespace {

using namespace testing_util;
using std::chrono::seconds;

const std::string kUri = "https://stint.test:7443/oauth/status/17";

// Section 4.1 of the draft: its two examples, byte for byte.
TEST(StatusList, ReadsAndWritesTheDraftsExamples) {
  struct Example {
    unsigned bits;
    const char* lst;
    std::vector<unsigned> values;
  };
  const Example examples[] = {
      {1, "eNrbuRgAAhcBXQ", {1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1}},
      {2, "eNo76fITAAPfAgc", {1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3}}};
  for (const auto& e : examples) {
    const auto got = StatusList::unpack(e.bits, e.lst, 100);
    ASSERT_TRUE(got.has_value()) << reason(got);
    ASSERT_EQ(got->size(), e.values.size());
    auto mine = StatusList::of(e.bits, e.values.size()).value();
    for (std::size_t i = 0; i < e.values.size(); ++i) {
      EXPECT_EQ(got->at(i).value(), e.values[i]) << i;
      EXPECT_TRUE(mine.set(i, e.values[i]));
    }
    EXPECT_EQ(mine.pack(), e.lst);
  }
}

RC_GTEST_PROP(StatusListProperty, IsAnArray, (const std::vector<std::uint16_t>& writes)) {
  for (const unsigned bits : {1U, 2U, 4U, 8U}) {
    auto list = StatusList::of(bits, 64).value();
    std::array<unsigned, 64> model{};
    for (const auto w : writes) {
      model[w % 64] = (w >> 6) & ((1U << bits) - 1);
      RC_ASSERT(list.set(w % 64, model[w % 64]).has_value());
    }
    const auto again = StatusList::unpack(bits, list.pack(), 64).value();
    for (std::size_t i = 0; i < 64; ++i) RC_ASSERT(again.at(i).value() == model[i]);
  }
}

TEST(StatusList, RefusesWhatItCannotHold) {
  auto list = StatusList::of(2, 8).value();
  EXPECT_EQ(reason(list.at(8)), "status list index");
  EXPECT_EQ(reason(list.at(~std::uint64_t{0})), "status list index");
  EXPECT_EQ(reason(list.set(8, 1)), "status list index");
  EXPECT_EQ(reason(list.set(0, 4)), "status value");
  for (const unsigned bits : {0U, 3U, 5U, 16U})
    EXPECT_EQ(reason(StatusList::of(bits, 8)), "status list bits");
  EXPECT_EQ(reason(StatusList::unpack(3, "eNrbuRgAAhcBXQ", 9)), "status list bits");
  EXPECT_EQ(reason(StatusList::unpack(1, "eNrbuRgAAhcBXQ==", 9)), "base64url alphabet");
  EXPECT_EQ(reason(StatusList::unpack(1, "eNrbuRgAAhcBXQ", 1)), "zlib over the limit");
  EXPECT_EQ(reason(StatusList::unpack(1, codec::encode_base64url("\xb9\xa3"), 9)), "zlib data");
}

StatusListToken token() {
  auto list = StatusList::of(2, 16).value();
  EXPECT_TRUE(list.set(3, 1) && list.set(4, 2) && list.set(5, 3));
  return {.sub = kUri, .iat = kNow, .exp = kNow + seconds(30), .ttl = seconds(10), .list = list};
}
std::string signed_token(const StatusListToken& t = token()) {
  return sign_status_list(t, "k", test_key()).value();
}
const JwkSet& keys() {
  static const JwkSet set = set_of(test_key(), "k");
  return set;
}

TEST(StatusListToken, SaysWhatBecameOfEach) {
  const auto list = verify_status_list(signed_token(), kUri, keys(), kNow);
  ASSERT_TRUE(list.has_value()) << reason(list);
  EXPECT_EQ(list->token().ttl, seconds(10));
  EXPECT_TRUE(list->check({0, kUri}, kNow));
  EXPECT_EQ(reason(list->check({3, kUri}, kNow)), "status invalid");
  EXPECT_EQ(reason(list->check({4, kUri}, kNow)), "status suspended");
  EXPECT_EQ(reason(list->check({5, kUri}, kNow)), "status value");
  EXPECT_EQ(reason(list->check({16, kUri}, kNow)), "status list index");
  EXPECT_EQ(reason(list->check({0, kUri + "8"}, kNow)), "status list uri");
  EXPECT_TRUE(list->check({0, kUri}, kNow + seconds(9)));
  EXPECT_EQ(reason(list->check({0, kUri}, kNow + seconds(10))), "status list is stale");
}

TEST(StatusListToken, IsRefusedForItsReason) {
  struct Row {
    const char *name, *header, *member, *value, *reason;
  };
  const char* const good = R"({"alg":"ES256","kid":"k","typ":"statuslist+jwt"})";
  const Row rows[] = {
      {"typ_missing", R"({"alg":"ES256","kid":"k"})", "", "", "status list typ"},
      {"typ_access_token", R"({"alg":"ES256","kid":"k","typ":"at+jwt"})", "", "",
       "status list typ"},
      {"unknown_key", R"({"alg":"ES256","kid":"x","typ":"statuslist+jwt"})", "", "",
       "jws unknown key"},
      {"sub_missing", good, "sub", "", "status list sub"},
      {"sub_of_another", good, "sub", R"("https://stint.test:7443/oauth/status/18")",
       "status list sub"},
      {"iat_missing", good, "iat", "", "status list iat"},
      {"iat_ahead", good, "iat", "1790000031", "jwt iat"},
      {"exp_missing", good, "exp", "", "jwt exp"},
      {"expired", good, "exp", "1790000000", "jwt expired"},
      {"ttl_missing", good, "ttl", "", "json member missing"},
      {"ttl_zero", good, "ttl", "0", "status list ttl"},
      {"no_list", good, "status_list", "", "json member missing"},
      {"bits", good, "status_list", R"({"bits":3,"lst":"eNrbuRgAAhcBXQ"})", "status list bits"},
      {"bits_text", good, "status_list", R"({"bits":"1","lst":"eNrbuRgAAhcBXQ"})",
       "json member type"},
      {"no_lst", good, "status_list", R"({"bits":1})", "json member missing"},
      {"padding", good, "status_list", R"({"bits":1,"lst":"eNrbuRgAAhcBXQ=="})",
       "base64url alphabet"},
      {"not_zlib", good, "status_list", R"({"bits":1,"lst":"AAAA"})", "zlib data"},
  };
  const std::string payload(parse_compact(signed_token(), {.bytes = 4096})->payload());
  ASSERT_TRUE(verify_status_list(forge(good, payload, test_key()), kUri, keys(), kNow));
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const std::string claims = *row.member == '\0' ? payload : with(payload, row.member, row.value);
    EXPECT_EQ(reason(verify_status_list(forge(row.header, claims, test_key()), kUri, keys(), kNow)),
              row.reason);
  }
  EXPECT_EQ(reason(verify_status_list(forge(good, payload, test_key(crypto::Alg::kES256, 2)), kUri,
                                      keys(), kNow)),
            "signature");
}

// A list of a few bytes that would unpack to gigabytes costs its bound and no more.
TEST(StatusListToken, ABombIsBounded) {
  const std::string lst =
      codec::encode_base64url(codec::zlib_deflate(std::string(40'000'000, '\0')));
  const std::string payload = with(parse_compact(signed_token(), {.bytes = 4096})->payload(),
                                   "status_list", R"({"bits":1,"lst":"eNrbuRgAAhcBXQ"})");
  json::Object claims = json::parse_object(payload).value();
  claims["status_list"] = json::Object{{"bits", 1}, {"lst", lst}};
  const auto got = verify_status_list(
      forge(R"({"alg":"ES256","kid":"k","typ":"statuslist+jwt"})", json::write(claims), test_key()),
      kUri, keys(), kNow);
  EXPECT_EQ(reason(got), "zlib over the limit");
}

TEST(StatusListToken, IsNotSignedWhenItMakesNoSense) {
  auto t = token();
  t.exp = t.iat;
  EXPECT_EQ(reason(sign_status_list(t, "k", test_key())), "status list claims");
  t = token();
  t.sub.clear();
  EXPECT_EQ(reason(sign_status_list(t, "k", test_key())), "status list claims");
}

// A token of one kind never passes as another.
TEST(StatusListToken, IsNoAccessToken) {
  const AccessTokenVerifier verifier("https://stint.test:7443", "a",
                                     std::make_shared<const JwkSet>(keys()));
  EXPECT_EQ(reason(verifier.verify(signed_token(), kNow)), "token typ");
}

}  // namespace
}  // namespace stint::jose
