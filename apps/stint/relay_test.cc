#include "relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "failure.h"
#include "upstream_env.h"

namespace stint::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(RelayTarget, IsTakenApart) {
  const auto got = parse_relay_target("/r4nd/git/team/app.git/info/refs?service=git-upload-pack");
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->secret, "r4nd");
  EXPECT_EQ(got->upstream, "git");
  EXPECT_EQ(got->rest, "/team/app.git/info/refs?service=git-upload-pack");
  EXPECT_EQ(parse_relay_target("/r/git?x=1")->rest, "?x=1");
  EXPECT_EQ(parse_relay_target("/r/git")->rest, "");
}

TEST(RelayTarget, NeedsBothParts) {
  for (const char* text : {"", "/", "/r", "/r/", "//git/x", "r/git", "http://h/r/git", "*"})
    EXPECT_FALSE(parse_relay_target(text).has_value()) << text;
}

TEST(RelayHeaders, NoCredentialOfTheChildsOwnTravels) {
  const http::Headers from{{"Host", "127.0.0.1:1"},
                           {"Authorization", "Basic eDp5"},
                           {"DPoP", "x"},
                           {"Cookie", "a=b"},
                           {"Content-Length", "3"},
                           {"Transfer-Encoding", "chunked"},
                           {"Connection", "X-Hop"},
                           {"X-Hop", "1"},
                           {"Prefer", "wait=50"},
                           {"Content-Type", "text/plain"},
                           {"Git-Protocol", "version=2"}};
  const http::Headers got = headers_for_gateway(from);
  std::vector<std::string> names;
  for (const auto& h : got) names.push_back(h.name);
  EXPECT_THAT(names, ElementsAre("Content-Type", "Git-Protocol"));
}

TEST(ChildVariables, LeadsToolsToTheRelay) {
  const auto relay = [](std::string_view u) { return "http://127.0.0.1:9/s/" + std::string(u); };
  const auto got =
      child_variables("task_1",
                      {{.name = "help-desk", .kind = "http", .url = "https://h"},
                       {.name = "git", .kind = "git", .url = "https://git.example/all"}},
                      relay, {"GIT_CONFIG_COUNT=2", "NO_PROXY=a.example"});
  EXPECT_THAT(got, Contains("STINT_TASK=task_1"));
  EXPECT_THAT(got, Contains("STINT_URL_HELP_DESK=http://127.0.0.1:9/s/help-desk"));
  // After the two that were there, and with the final '/', so that no longer name matches.
  EXPECT_THAT(got, Contains("GIT_CONFIG_COUNT=3"));
  EXPECT_THAT(got, Contains("GIT_CONFIG_KEY_2=url.http://127.0.0.1:9/s/git/.insteadOf"));
  EXPECT_THAT(got, Contains("GIT_CONFIG_VALUE_2=https://git.example/all/"));
  EXPECT_THAT(got, Contains("GIT_TERMINAL_PROMPT=0"));
  EXPECT_THAT(got, Contains("NO_PROXY=a.example,127.0.0.1"));
}

TEST(Printable, TakesTheTerminalFromStrangers) {
  EXPECT_EQ(printable("a\x1b[31mb\r\x7f"), "a?[31mb??");
  EXPECT_EQ(printable("two\nlines\t\xc3\xa4"), "two\nlines\t\xc3\xa4");
  EXPECT_EQ(printable("c1 \xc2\x9b!"),
            "c1 ?"
            "?!");
}

TEST(Failure, SaysWhatTheServerSaid) {
  http::Response r{.status = 403};
  r.body = R"({"type":"urn:stint:problem:denied","title":"Denied","status":403,"detail":"d",)"
           R"("reason":"no policy permits","decision":"dec_1","task":null,"retryable":false,)"
           R"("next_steps":["ask"]})";
  const Failure f = Failure::of_response(r);
  EXPECT_EQ(f.exit, Exit::kRefused);
  EXPECT_EQ(f.title, "Denied");
  EXPECT_EQ(f.reason, "no policy permits");
  EXPECT_EQ(f.decision, "dec_1");
  EXPECT_THAT(f.next_steps, ElementsAre("ask"));
}

TEST(Failure, KnowsOAuthsFormAndWhatIsNone) {
  http::Response r{.status = 400};
  r.body = R"({"error":"invalid_target","error_description":"name one"})";
  EXPECT_EQ(Failure::of_response(r).title, "invalid_target");
  EXPECT_EQ(Failure::of_response(r).detail, "name one");
  r.status = 503;
  r.body = "<html>";
  EXPECT_EQ(Failure::of_response(r).exit, Exit::kTryAgain);
  EXPECT_THAT(Failure::of_response(r).title, HasSubstr("503"));
}

}  // namespace
}  // namespace stint::cli
