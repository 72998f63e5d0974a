#include "masker.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace stint::gateway {
namespace {

// Slow and obvious: every byte of every occurrence, each place looked at.
std::string model(const std::vector<std::string>& needles, const std::string& text) {
  std::string out = text;
  for (const auto& needle : needles)
    for (std::size_t at = 0; at + needle.size() <= text.size(); ++at)
      if (text.compare(at, needle.size(), needle) == 0)
        for (std::size_t i = 0; i < needle.size(); ++i) out[at + i] = '*';
  return out;
}

Masker masker_of(const std::vector<std::string>& needles) {
  Masker masker;
  for (const auto& needle : needles) masker.hide(needle);
  return masker;
}

// Fed in pieces of the given sizes, the last one taking the rest.
std::string in_pieces(const std::vector<std::string>& needles, const std::string& text,
                      const std::vector<std::size_t>& sizes) {
  Masker masker = masker_of(needles);
  std::string out;
  std::string_view rest = text;
  for (const std::size_t size : sizes) {
    const std::string piece(rest.substr(0, size));  // its own memory: sanitizers see an old view
    out += masker.feed(piece);
    rest.remove_prefix(piece.size());
  }
  out += masker.feed(rest);
  out += masker.finish();
  return out;
}

TEST(Masker, HidesAcrossEveryCut) {
  const std::vector<std::string> needles{"secret-of-test", "c2VjcmV0"};
  const std::string text = "a secret-of-test, secret-of-secret-of-test c2VjcmV0 secret-of-tes";
  const std::string want = "a **************, secret-of-************** ******** secret-of-tes";
  ASSERT_EQ(model(needles, text), want);
  for (std::size_t first = 0; first <= text.size(); ++first)
    for (std::size_t second = 0; first + second <= text.size(); ++second)
      ASSERT_EQ(in_pieces(needles, text, {first, second}), want) << first << '+' << second;
}

TEST(Masker, HoldsBackOnlyWhatMayStillBeIt) {
  Masker masker = masker_of({"abcdef"});
  EXPECT_EQ(masker.feed("xyz"), "xyz");
  EXPECT_EQ(masker.feed("1abc"), "1");
  EXPECT_EQ(masker.feed("def2"), "******2");
  EXPECT_EQ(masker.feed("abcde"), "");
  EXPECT_EQ(masker.feed("x"), "abcdex");
  EXPECT_EQ(masker.feed("abc"), "");
  EXPECT_EQ(masker.finish(), "abc");
  EXPECT_EQ(masker.mask("is abcdef, abcde"), "is ******, abcde");
}

TEST(Masker, WithoutATextPassesTheVeryBytes) {
  Masker masker;
  const std::string bytes = "anything";
  EXPECT_EQ(masker.feed(bytes).data(), bytes.data());
}

// Few letters, so that occurrences overlap, nest and begin in each other.
RC_GTEST_PROP(MaskerProperty, EveryCutGivesWhatTheModelGives, ()) {
  const auto letters = rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab*")));
  const auto needles =
      *rc::gen::resize(6, rc::gen::container<std::vector<std::string>>(rc::gen::nonEmpty(letters)));
  const auto text = *rc::gen::resize(60, letters);
  const auto sizes = *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange(0, 9));
  RC_ASSERT(in_pieces(needles, text, sizes) == model(needles, text));
  RC_ASSERT(masker_of(needles).mask(text) == model(needles, text));
}

}  // namespace
}  // namespace stint::gateway
