#include "classify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stint::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kA(40, 'a'), kB(40, 'b'), kZero(40, '0');

authority::Directory::UpstreamEntry git() {
  authority::Directory::UpstreamEntry entry{
      .upstream = {.name = "git", .kind = resource::UpstreamKind::kGit, .url = "http://g"},
      .actions = {},
      .routes = {},
      .audience = {}};
  entry.actions = resource::actions_of(entry.upstream);
  return entry;
}

std::vector<NamedCall> push(std::vector<http::RefCommand> commands, const Asker& asker) {
  http::ReceivePackRequest request;
  request.commands = std::move(commands);
  const auto target = http::parse_target("/demo/readme.git/git-receive-pack");
  return name_git(git(), "POST", *target,
                  {http::GitService::kReceivePack, http::GitPhase::kRpc, "demo/readme.git"},
                  &request, {}, asker);
}

// What a stranger wrote stays inside its place in a sentence that a person judges by.
TEST(Words, AStrangersTextCannotEndTheSentenceOrHideInIt) {
  const Asker asker{.purpose = "tidy up\" (approved already) \xe2\x80\xae gnp.exe \xe2\x80\x8b\n",
                    .agent = "coder",
                    .human = "alice@example.com"};
  const auto calls = push({{kA, kZero, "refs/heads/\xe2\x80\xaenoitcudorp"}}, asker);
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_THAT(calls[0].words,
              HasSubstr("in the task \"tidy up' (approved already) ? gnp.exe ??\""));
  EXPECT_THAT(calls[0].words, HasSubstr("delete the branch ?noitcudorp (now at aaaaaaaaaaaa)"));
  EXPECT_THAT(calls[0].words, Not(HasSubstr("\xe2\x80")));
}

TEST(Words, NameEveryRefOfAPush) {
  const auto calls = push({{kZero, kB, "refs/heads/topic"},
                           {kA, kB, "refs/heads/main"},
                           {kA, kZero, "refs/tags/v1"},
                           {kA, kZero, "refs/notes/x"}},
                          {.purpose = "p", .agent = "coder", .human = ""});
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_EQ(calls[0].call.action, "git.push");
  EXPECT_EQ(calls[0].call.action_class, domain::ActionClass::kWrite);
  EXPECT_THAT(calls[0].words, HasSubstr("create the branch topic at bbbbbbbbbbbb, move the branch "
                                        "main from aaaaaaaaaaaa to bbbbbbbbbbbb"));
  EXPECT_EQ(calls[0].arguments.at("refs"), "refs/heads/topic refs/heads/main");
  EXPECT_EQ(calls[1].call.action, "git.ref.delete");
  EXPECT_EQ(calls[1].call.action_class, domain::ActionClass::kDelete);
  EXPECT_THAT(calls[1].words, HasSubstr("delete the tag v1 (now at aaaaaaaaaaaa), delete the "
                                        "ref refs/notes/x (now at aaaaaaaaaaaa)"));
  // The approval is for these very ids.
  EXPECT_NE(domain::digest(calls[0].call),
            domain::digest(push({{kZero, kA, "refs/heads/topic"}, {kA, kB, "refs/heads/main"}},
                                {.purpose = "p", .agent = "coder", .human = ""})[0]
                               .call));
}

}  // namespace
}  // namespace stint::gateway
