#include "stint/resource/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>

#include "stint/domain/action.h"

namespace stint::resource {
namespace {

using testing::ElementsAre;

// RFC 7517 A.1, first key: public, nobody's secret.
constexpr const char* kJwks =
    R"({"keys":[{"kty":"EC","crv":"P-256","kid":"test-1","alg":"ES256","use":"sig",)"
    R"("x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",)"
    R"("y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]})";

const std::map<std::string, std::string, std::less<>> kFiles{
    {"coder.jwks.json", kJwks},
    {"private.json", R"({"keys":[{"kty":"EC","crv":"P-256","d":"AA","x":"AA","y":"AA"}]})"},
    {"ca.pem", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"},
    {"empty.json", R"({"keys":[]})"},
};
Result<std::string> lookup(std::string_view, std::string_view path) {
  const auto it = kFiles.find(path);
  if (it == kFiles.end()) return fail(Errc::kNotFound, "no such file");
  return it->second;
}

constexpr const char* kGood = R"(# everything that there is
$schema: ./stint.schema.json
issuer: corp
url: https://login.example.com/
audiences: [stint, stint]
claims: {groups: groups}
max_age: 2m
---
group: approvers
---
group: platform
description: platform team
---
human: anna@example.com
issuer: corp
subject: "4711"
groups: [platform, approvers]
---
credential: helpdesk-bot
source: file
path: secrets/helpdesk
---
upstream: helpdesk
kind: http
url: https://helpdesk.internal/api/
sensitivity: confidential
labels: [support]
inject: {credential: helpdesk-bot, as: header, name: Authorization, format: "Bearer {secret}"}
actions:
  - {action: ticket.read,   class: read,   match: "GET /tickets/{id}"}
  - {action: ticket.reply,  class: write,  match: "POST /tickets/{id}/replies"}
  - {action: ticket.export, class: export, match: GET /tickets.csv}
unmatched: ask
limits: {response_bytes: 1MiB, idle_timeout: 2m}
tls: {ca_file: ca.pem}
token_alg: RS256
---
upstream: code
kind: git
url: http://127.0.0.1:8080/git
sensitivity: internal
inject: {credential: helpdesk-bot, as: basic, username: stint}
---
agent: coder
owner: platform
labels: [b, a]
edge_verifier: true
trust:
  - {kind: private_key_jwt, jwks_file: coder.jwks.json}
)";

std::vector<std::string> problems(std::vector<File> files, const Known& known = {}) {
  const auto got = parse(files, lookup, known);
  std::vector<std::string> out;
  if (!got)
    for (const Problem& p : got.error()) out.push_back(p.str());
  return out;
}
std::vector<std::string> problems(std::string yaml) {
  return problems(std::vector<File>{{"a.yaml", std::move(yaml)}});
}

TEST(Parse, ReadsEverything) {
  const std::vector<File> files{{"all.yaml", kGood},
                                {"own.cedar",
                                 "@id(\"test-permit\") permit (principal, action, resource)\n"
                                 "when { context.action == \"git.push\" };\n"}};
  const auto got = parse(files, lookup);
  ASSERT_TRUE(got.has_value()) << got.error()[0].str();
  EXPECT_EQ(got->all().size(), 9u);
  const Upstream* u = got->upstream("helpdesk");
  ASSERT_NE(u, nullptr);
  EXPECT_EQ(u->url, "https://helpdesk.internal/api");
  EXPECT_EQ(u->sensitivity, domain::Sensitivity::kConfidential);
  EXPECT_EQ(u->inject->format, "Bearer {secret}");
  EXPECT_EQ(u->actions.size(), 3u);
  EXPECT_EQ(u->actions[2].action_class, domain::ActionClass::kExport);
  EXPECT_EQ(u->unmatched, Unmatched::kAsk);
  EXPECT_EQ(u->limits.response_bytes, 1 << 20);
  EXPECT_EQ(u->limits.idle_timeout, std::chrono::minutes(2));
  EXPECT_TRUE(u->tls_ca.starts_with("-----BEGIN"));
  EXPECT_EQ(u->token_alg, crypto::Alg::kRS256);
  EXPECT_EQ(got->upstream("code")->token_alg, std::nullopt);
  EXPECT_EQ(actions_of(*got->upstream("code"))[2].action, "git.ref.delete");
  EXPECT_EQ(got->upstream("code")->inject->as, Injection::As::kBasic);
  const Agent* a = got->agent("coder");
  ASSERT_NE(a, nullptr);
  EXPECT_THAT(a->labels, ElementsAre("a", "b"));
  EXPECT_EQ(a->edge_verifier, true);
  ASSERT_EQ(a->trust.size(), 1u);
  EXPECT_TRUE(a->trust[0].jwks.starts_with("{\"keys\":[{"));
  EXPECT_THAT(got->human("anna@example.com")->groups, ElementsAre("approvers", "platform"));
  EXPECT_EQ(got->issuer("corp")->url, "https://login.example.com/");  // byte for byte
  EXPECT_THAT(got->issuer("corp")->audiences, ElementsAre("stint"));
  EXPECT_EQ(got->credential("helpdesk-bot")->path, "secrets/helpdesk");
}

TEST(Parse, InlineKeysAreTheSameAsAFile) {
  const std::string head = "group: g\n---\nagent: a\nowner: g\ntrust:\n  - kind: private_key_jwt\n";
  const auto file =
      parse(std::vector<File>{{"a.yaml", head + "    jwks_file: coder.jwks.json\n"}}, lookup);
  const auto here =
      parse(std::vector<File>{{"a.yaml", head + "    jwks: " + kJwks + "\n"}}, lookup);
  ASSERT_TRUE(file && here);
  EXPECT_EQ(*file, *here);
}

struct Row {
  const char *name, *yaml, *problem;
};
#define UPSTREAM "upstream: u\nkind: http\nsensitivity: internal\n"
#define AGENT "group: g\n---\nagent: a\nowner: g\n"
const Row kRows[] = {
    {"unknown_key", "group: a\ndescripton: x\n",
     "a.yaml:2:1: unknown key \"descripton\" in group; did you mean \"description\"?"},
    {"unknown_kind", "gruop: a\n",
     "a.yaml:1:1: a document begins with one of human, agent, upstream, credential, group, "
     "issuer; did you mean \"group\"?"},
    {"not_a_map", "- a\n",
     "a.yaml:1:1: a document begins with one of human, agent, upstream, credential, group, issuer"},
    {"human_as_agent", "human: \"agent:coder\"\nissuer: i\nsubject: s\n",
     "a.yaml:1:8: \"agent:coder\" is no name for human: letters, digits and ._@+-, at most 128, "
     "not "
     "agent:…"},
    {"bad_name", "group: Big\n",
     "a.yaml:1:8: \"Big\" is no name for group: a-z, 0-9 and ._-, beginning with a letter or "
     "digit, "
     "at most 64"},
    {"twice", "group: a\n---\ngroup: a\n",
     "a.yaml:3:8: group \"a\" is declared twice, first at a.yaml:1"},
    {"missing", "credential: c\nsource: file\n", "a.yaml:1:1: source file needs \"path\""},
    {"value_in_yaml", "credential: c\nvalue: x\n",
     "a.yaml:2:1: unknown key \"value\" in credential"},
    {"path_elsewhere", "credential: c\npath: x\n", "a.yaml:2:1: \"path\" is only for source file"},
    {"choice", "credential: c\nsource: promt\n",
     "a.yaml:2:9: \"source\" must be one of file, stdin, prompt; did you mean \"prompt\"?"},
    {"required", "upstream: u\nkind: http\nurl: https://h\n",
     "a.yaml:1:1: upstream needs \"sensitivity\""},
    {"token_alg", UPSTREAM "url: https://h\ntoken_alg: PS256\n",
     "a.yaml:5:12: \"token_alg\" must be one of ES256, RS256, EdDSA; did you mean \"ES256\"?"},
    {"token_alg_none", UPSTREAM "url: https://h\ntoken_alg: none\n",
     "a.yaml:5:12: \"token_alg\" must be one of ES256, RS256, EdDSA"},
    {"bad_url", UPSTREAM "url: ftp://h\n", "a.yaml:4:6: not a usable URL: url scheme"},
    {"userinfo", UPSTREAM "url: https://u:p@h\n", "a.yaml:4:6: not a usable URL: url userinfo"},
    {"query", UPSTREAM "url: https://h/?a\n",
     "a.yaml:4:6: a URL here has no query and no fragment"},
    {"plain_http", UPSTREAM "url: http://example.com\n",
     "a.yaml:4:6: plain http is only for loopback addresses: use https"},
    {"dots", UPSTREAM "url: https://h/a/../b\n",
     "a.yaml:4:6: not a usable path: target dot segment"},
    {"template",
     UPSTREAM "url: https://h\nactions:\n  - {action: a, class: read, match: \"GET /{a}.x\"}\n",
     "a.yaml:6:37: route parameter is not a whole segment"},
    {"ambiguous",
     UPSTREAM "url: https://h\nactions:\n"
              "  - {action: a, class: read, match: \"GET /{a}/b\"}\n"
              "  - {action: b, class: read, match: \"GET /a/{b}\"}\n",
     "a.yaml:7:37: route ambiguous: \"GET /a/{b}\" can match what \"GET /{a}/b\" on line 6 "
     "matches"},
    {"class", UPSTREAM "url: https://h\nactions: [{action: a, class: raed, match: GET /}]\n",
     "a.yaml:5:30: \"class\" must be one of read, write, execute, export, delete, share, "
     "privilege, "
     "credential; did you mean \"read\"?"},
    {"two_classes",
     UPSTREAM
     "url: https://h\nactions:\n"
     "  - {action: a, class: read, match: GET /}\n  - {action: a, class: write, match: POST /}\n",
     "a.yaml:7:14: action \"a\" has another class above"},
    {"git_actions", "upstream: u\nkind: git\nsensitivity: internal\nurl: https://h\nactions: []\n",
     "a.yaml:5:1: \"actions\" is not for kind git: its actions are git.fetch, git.push and "
     "git.ref.delete"},
    {"dangling_credential",
     "credential: helpdesk\n---\n" UPSTREAM "url: https://h\ninject: {credential: helpdsk}\n",
     "a.yaml:7:22: no credential is named \"helpdsk\"; did you mean \"helpdesk\"?"},
    {"inject_format",
     "credential: c\n---\n" UPSTREAM "url: https://h\ninject: {credential: c, format: Bearer}\n",
     "a.yaml:7:33: \"format\" must be a header value with {secret} in it once"},
    {"inject_host",
     "credential: c\n---\n" UPSTREAM "url: https://h\ninject: {credential: c, name: Host}\n",
     "a.yaml:7:31: header \"Host\" cannot be injected"},
    {"inject_mixed",
     "credential: c\n---\n" UPSTREAM
     "url: https://h\ninject: {credential: c, as: basic, username: u, format: x}\n",
     "a.yaml:7:49: \"format\" is only for as header"},
    {"inject_no_user",
     "credential: c\n---\n" UPSTREAM "url: https://h\ninject: {credential: c, as: basic}\n",
     "a.yaml:7:9: as basic needs \"username\""},
    {"size", UPSTREAM "url: https://h\nlimits: {request_bytes: 1mb}\n",
     "a.yaml:5:25: \"request_bytes\" must be a size such as 4096, 64KiB, 16MiB or 1GiB"},
    {"duration", UPSTREAM "url: https://h\nlimits: {idle_timeout: 0s}\n",
     "a.yaml:5:24: \"idle_timeout\" must be at least 1s and at most 3600s"},
    {"ca_missing", UPSTREAM "url: https://h\ntls: {ca_file: other.pem}\n",
     "a.yaml:5:16: cannot read \"other.pem\": no such file"},
    {"ca_not_pem", UPSTREAM "url: https://h\ntls: {ca_file: empty.json}\n",
     "a.yaml:5:16: not a PEM certificate"},
    {"owner",
     "group: platform\n---\nagent: a\nowner: platfrom\ntrust: "
     "[{kind: private_key_jwt, jwks_file: coder.jwks.json}]\n",
     "a.yaml:4:8: no human or group is named \"platfrom\"; did you mean \"platform\"?"},
    {"no_trust", AGENT "trust: []\n",
     "a.yaml:5:8: \"trust\" is empty: no instance could prove itself"},
    {"trust_kind", AGENT "trust: [{kind: oidc, jwks_file: coder.jwks.json}]\n",
     "a.yaml:5:16: \"kind\" must be one of private_key_jwt"},
    {"trust_both", AGENT "trust: [{kind: private_key_jwt}]\n",
     "a.yaml:5:9: trust private_key_jwt needs one of \"jwks_file\" and \"jwks\""},
    {"jwks_private", AGENT "trust: [{kind: private_key_jwt, jwks_file: private.json}]\n",
     "a.yaml:5:44: not a usable public JWK Set: jwk private member"},
    {"jwks_empty", AGENT "trust: [{kind: private_key_jwt, jwks_file: empty.json}]\n",
     "a.yaml:5:44: the JWK Set has no usable key"},
    {"issuer_dangling", "human: h\nissuer: corp\nsubject: s\n",
     "a.yaml:2:9: no issuer is named \"corp\""},
    {"alias", "group: &a b\n", "a.yaml:1:8: yaml anchor"},
    {"duplicate_key", "group: a\ngroup: b\n", "a.yaml:2:1: yaml duplicate key"},
};
class BadFiles : public testing::TestWithParam<Row> {};
TEST_P(BadFiles, NameTheProblem) {
  EXPECT_THAT(problems(GetParam().yaml), ElementsAre(GetParam().problem));
}
INSTANTIATE_TEST_SUITE_P(All, BadFiles, testing::ValuesIn(kRows),
                         [](const auto& i) { return std::string(i.param.name); });

TEST(Parse, AllProblemsAtOnceInOrder) {
  EXPECT_THAT(
      problems({{"b.yaml", "group: a\nx: 1\n---\nhuman: h\nissuer: no\nsubject: s\n"},
                {"a.txt", ""},
                {"p.cedar", "permit (principal, action, resource) when { context.nope };\n"}}),
      ElementsAre(testing::StartsWith("a.txt: neither"), "b.yaml:2:1: unknown key \"x\" in group",
                  "b.yaml:5:9: no issuer is named \"no\"", testing::StartsWith("p.cedar:1:")));
}

TEST(Parse, PoliciesKnowWhatIsDeclared) {
  const auto got =
      problems({{"a.yaml", "group: approvers\n"},
                {"p.cedar",
                 "@id(\"test-a\") @ask(\"aprovers\")\nforbid (principal, action, resource)\n"
                 "unless { context.approval.granted };\n"}});
  EXPECT_THAT(got, ElementsAre(testing::HasSubstr(
                       "policy \"test-a\" asks group \"aprovers\", which nobody declared; did you "
                       "mean \"approvers\"?")));
  EXPECT_EQ(problems({{"p.cedar", "permit (principal == Agent::\"nobody\", action, resource);\n"}})
                .size(),
            1u);
}

TEST(Parse, ExistingNamesCanBeReferredTo) {
  Resources existing;
  existing.add(Issuer{"corp", "https://l", {"a"}, "", "", "email", std::chrono::seconds(60)});
  const std::string yaml = "human: h\nissuer: corp\nsubject: s\n";
  EXPECT_EQ(problems({{"a.yaml", yaml}}).size(), 1u);
  EXPECT_THAT(problems({{"a.yaml", yaml}}, {&existing}), ElementsAre());
}

TEST(Parse, Limits) {
  const std::vector<File> two{{"a.yaml", "group: a\n"}, {"b.yaml", "group: b\n"}};
  const auto first = [&](const Limits& limits) {
    const auto got = parse(two, lookup, {}, limits);
    return got ? std::string() : got.error()[0].str();
  };
  EXPECT_EQ(first({.files = 1}), ": more than 1 files");
  EXPECT_EQ(first({.file_bytes = 5}), "a.yaml: larger than 5 bytes");
  EXPECT_EQ(first({.total_bytes = 15}), ": more than 15 bytes in all");
  EXPECT_EQ(first({.resources = 1}), "b.yaml: more than 1 resources in all");
  const std::vector<File> many{{"a.yaml", "group: a\nb: 1\nc: 1\nd: 1\n"}};
  const auto got = parse(many, lookup, {}, {.problems = 2});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().size(), 3u);
  EXPECT_EQ(got.error()[2].message, "and 1 more problems");
}

TEST(Schema, PublishedFileIsWhatTheTablesSay) {
  std::ifstream file(STINT_SOURCE "/schema/stint.schema.json");
  const std::string published((std::istreambuf_iterator<char>(file)), {});
  // When a table changed on purpose: write schema_text() to that file.
  EXPECT_EQ(published, schema_text());
}

}  // namespace
}  // namespace stint::resource
