#include "stint/resource/diff.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace stint::resource {
namespace {

Upstream upstream(std::string name, std::string url) {
  Upstream u;
  u.name = std::move(name);
  u.url = std::move(url);
  u.inject = Injection{};
  u.inject->credential = "c";
  u.actions = {{"a.read", domain::ActionClass::kRead, "GET /a"}};
  return u;
}

TEST(Encode, EveryKindComesBack) {
  Agent agent{
      "a", "g", "d", AgentStatus::kSuspended, "prod", {"l"}, {{Trust::Kind::kPrivateKeyJwt, "{}"}},
      true};
  Upstream with_alg = upstream("a", "https://a");
  with_alg.token_alg = crypto::Alg::kEdDSA;
  const Resource all[] = {
      Issuer{"i", "https://i", {"x"}, "{}", "groups", "email", std::chrono::seconds(7)},
      Group{"g", "d"},
      Human{"h", "i", "s", "e", {"g"}},
      Credential{"c", "d", Credential::Source::kFile, "p"},
      upstream("u", "https://u"),
      with_alg,
      agent,
      Policy{"p.cedar", "permit (principal, action, resource);"}};
  for (const Resource& r : all) {
    const auto got = decode(kind_of(r), encode(r));
    ASSERT_TRUE(got.has_value()) << got.error().reason.text() << encode(r);
    EXPECT_EQ(*got, r);
    EXPECT_EQ(parse_kind(text(kind_of(r))).value(), kind_of(r));
  }
}

TEST(Encode, ReadingIsStrict) {
  EXPECT_EQ(decode(Kind::kGroup, R"({"name":"g"})").error().code, Errc::kMissing);
  EXPECT_EQ(decode(Kind::kGroup, R"({"description":"","name":"g","x":1})").error().code,
            Errc::kUnknownKey);
  EXPECT_EQ(decode(Kind::kGroup, R"({"description":1,"name":"g"})").error().code, Errc::kMalformed);
  EXPECT_EQ(decode(Kind::kCredential, R"({"description":"","name":"c","path":"","source":"env"})")
                .error()
                .code,
            Errc::kMalformed);
  // An algorithm that tokens are not signed with.
  std::string stored = encode(upstream("u", "https://u"));
  const auto at = stored.find(R"("token_alg":null)");
  ASSERT_NE(at, std::string::npos);
  const std::string other = std::string(stored).replace(at, 16, R"("token_alg":"PS256")");
  EXPECT_EQ(decode(Kind::kUpstream, other).error().code, Errc::kMalformed);
  // From before there was such a member, which may be none.
  const std::string earlier = std::string(stored).erase(at - 1, 17);
  EXPECT_EQ(decode(Kind::kUpstream, earlier).value(), Resource(upstream("u", "https://u")));
  const Agent agent{.name = "a", .edge_verifier = true};
  std::string wrong = encode(agent);
  wrong.replace(wrong.find("true"), 4, "1");
  EXPECT_EQ(decode(Kind::kAgent, wrong).error().code, Errc::kMalformed);
}

TEST(Diff, NamesWhatDiffers) {
  Resources before, after;
  before.add(Group{"gone", ""});
  before.add(Group{"same", ""});
  before.add(upstream("u", "https://old"));
  after.add(Group{"same", ""});
  Upstream changed = upstream("u", "https://new");
  changed.inject->header = "X-Key";
  changed.labels = {"l"};
  after.add(changed);
  after.add(Agent{"a", "same", "", AgentStatus::kActive, "", {}, {}, {}});
  EXPECT_EQ(describe(diff(before, after)),
            "~ upstream u\n"
            "    inject.header: \"Authorization\" -> \"X-Key\"\n"
            "    labels: [] -> [\"l\"]\n"
            "    url: \"https://old\" -> \"https://new\"\n"
            "+ agent a\n"
            "- group gone\n"
            "1 to create, 1 to update, 1 to retire, 1 unchanged\n");
}

TEST(Diff, LongValuesAreGivenAsSizes) {
  Resources before, after;
  before.add(Policy{"p", std::string(300, 'a')});
  after.add(Policy{"p", std::string(300, 'b')});
  EXPECT_EQ(diff(before, after)[0].changes,
            (std::vector<FieldChange>{{"text", "(302 bytes)", "(302 bytes), other bytes"}}));
}

Resources some() {
  Resources out;
  const auto names = std::vector<std::string>{"a", "b", "c"};
  for (const auto& n : names) {
    const int v = *rc::gen::inRange(0, 4);
    if (v > 0) out.add(Group{n, std::to_string(v)});
    const int u = *rc::gen::inRange(0, 4);
    if (u > 0) out.add(upstream(n, "https://" + std::to_string(u)));
    const int g = *rc::gen::inRange(0, 3);
    if (g > 0) out.add(Agent{n, "a", std::to_string(g), AgentStatus::kActive, "", {}, {}, {}});
  }
  return out;
}

RC_GTEST_PROP(Diff, AppliedItGivesWhatWasDesired, ()) {
  const Resources current = some(), desired = some();
  const auto plan = diff(current, desired);
  RC_ASSERT(apply(current, desired, plan) == desired);
  RC_ASSERT(changes(plan) == !(current == desired));
  RC_ASSERT(!changes(diff(desired, desired)));
  // What is named comes before what names it, and goes after.
  std::size_t at = 0;
  const auto run = [&](bool (*in)(Verb), bool rising) {
    std::optional<Kind> last;
    for (; at < plan.size() && in(plan[at].verb); ++at) {
      const bool fits = !last || (rising ? *last <= plan[at].kind : *last >= plan[at].kind);
      RC_ASSERT(fits);
      last = plan[at].kind;
    }
  };
  run([](Verb v) { return v == Verb::kCreate || v == Verb::kUpdate; }, true);
  run([](Verb v) { return v == Verb::kRetire; }, false);
  run([](Verb v) { return v == Verb::kUnchanged; }, true);
  RC_ASSERT(at == plan.size());
  for (const PlanEntry& e : plan) {
    const bool has_fields = !e.changes.empty();
    RC_ASSERT((e.verb == Verb::kUpdate) == has_fields);
  }
}

}  // namespace
}  // namespace stint::resource
