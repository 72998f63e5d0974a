#include "key_argument.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stint::cli {
namespace {

using testing::ElementsAre;
using Words = std::vector<std::string>;

const std::string kDash = "-" + std::string(42, 'k'), kDashes = "--" + std::string(41, 'k'),
                  kPlain(43, 'k');

TEST(KeyArgument, AnIdThatLooksLikeAnOptionGoesBehindTheOptions) {
  EXPECT_THAT(with_key_last({"keys", "revoke", kDash, "--yes"}),
              ElementsAre("keys", "revoke", "--yes", "--", kDash));
  EXPECT_THAT(with_key_last({"--home", "h", "keys", "revoke", "--yes", kDashes, "--json"}),
              ElementsAre("--home", "h", "keys", "revoke", "--yes", "--json", "--", kDashes));
  EXPECT_THAT(with_key_last({"keys", "revoke", kDash}), ElementsAre("keys", "revoke", "--", kDash));
}

TEST(KeyArgument, NothingElseIsMoved) {
  for (const Words& words :
       {Words{}, Words{"keys", "revoke"}, Words{"keys", "revoke", kPlain, "--yes"},
        Words{"keys", "revoke", "--yes", "--", kDash}, Words{"keys", "list", kDash},
        Words{"run", "--", "keys", "revoke", kDash}, Words{"keys", "revoke", kDash + "k"},
        Words{"keys", "revoke", "-" + std::string(41, '=') + "k"}, Words{kDash, "keys", "revoke"}})
    EXPECT_EQ(with_key_last(words), words);
}

}  // namespace
}  // namespace stint::cli
