#include "stint/resource/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stint::resource {
namespace {

using testing::ElementsAre;

std::vector<std::string> problems(std::string yaml, const Environment& env = {}) {
  const auto got = parse_config(File{"stint.yaml", std::move(yaml)}, env);
  std::vector<std::string> out;
  if (!got)
    for (const Problem& p : got.error()) out.push_back(p.str());
  return out;
}

TEST(Config, DefaultsAreLoopback) {
  const auto got = parse_config(std::nullopt, {});
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->listen.control, "127.0.0.1:7443");
  EXPECT_EQ(got->tokens.ttl, std::chrono::minutes(5));
  EXPECT_EQ(got->audit.durability, Durability::kBatched);
  EXPECT_TRUE(parse_config(File{"stint.yaml", ""}, {}));
}

TEST(Config, ReadsAFileAndItsOverrides) {
  const auto got = parse_config(
      File{"stint.yaml",
           "server: {issuer: \"https://stint.example:7443\"}\n"
           "listen: {control: \"0.0.0.0:7443\", gateway: \"[::1]:0\", operations: unix:/run/s}\n"
           "tls: {cert_file: c.pem, key_file: k.pem}\n"
           "tokens: {ttl: 2m, alg: EdDSA}\n"
           "root_key: {source: systemd}\n"
           "log: {level: debug}\n"},
      {{"STINT_TOKENS__TTL", "30s"},
       {"STINT_LIMITS__CONNECTIONS", "7"},
       {"STINT_AUDIT__DURABILITY", "strict"},
       {"STINT_FEED__MAX_AGE", "2s"},
       {"STINT_HOME", "/x"},
       {"PATH", "/bin"}});
  ASSERT_TRUE(got.has_value()) << got.error()[0].str();
  EXPECT_EQ(got->server.issuer, "https://stint.example:7443");
  EXPECT_EQ(got->tokens.ttl, std::chrono::seconds(30));
  EXPECT_EQ(got->tokens.alg, "EdDSA");
  EXPECT_EQ(got->limits.connections, 7);
  EXPECT_EQ(got->audit.durability, Durability::kStrict);
  EXPECT_EQ(got->feed.max_age, std::chrono::seconds(2));
  EXPECT_EQ(got->root_key.source, RootKeySource::kSystemd);
  EXPECT_EQ(got->log.level, log::Level::kDebug);
}

struct Row {
  const char *name, *yaml, *problem;
};
const Row kRows[] = {
    {"section", "tokns: {}\n",
     "stint.yaml:1:1: unknown key \"tokns\" in config; did you mean \"tokens\"?"},
    {"key", "tokens: {tll: 5m}\n",
     "stint.yaml:1:10: unknown key \"tll\" in tokens; did you mean \"ttl\"?"},
    {"ttl", "tokens: {ttl: 10m}\n",
     "stint.yaml:1:15: \"ttl\" must be at least 10s and at most 300s"},
    {"proof_age_short", "tokens: {dpop_max_age: 4s}\n",
     "stint.yaml:1:24: \"dpop_max_age\" must be at least 5s and at most 300s"},
    {"proof_age_long", "tokens: {dpop_max_age: 6m}\n",
     "stint.yaml:1:24: \"dpop_max_age\" must be at least 5s and at most 300s"},
    {"alg", "tokens: {alg: none}\n", "stint.yaml:1:15: \"alg\" must be one of ES256, RS256, EdDSA"},
    {"public", "listen: {control: \"0.0.0.0:7443\"}\n",
     "stint.yaml:1:19: \"0.0.0.0:7443\" is not a loopback address: that needs tls"},
    {"address", "listen: {control: \"7443\"}\n",
     "stint.yaml:1:19: \"control\" must be HOST:PORT with an IP address or localhost, or "
     "unix:/path"},
    {"twice", "listen: {control: \"127.0.0.1:1\", gateway: \"127.0.0.1:1\"}\n",
     "stint.yaml:1:43: \"control\" listens there too"},
    {"half_tls", "tls: {cert_file: c.pem}\n",
     "stint.yaml:1:6: tls needs both \"cert_file\" and \"key_file\""},
    {"issuer_path", "server: {issuer: \"https://h/x\"}\n",
     "stint.yaml:1:18: must be scheme, host and port alone, without a path"},
    {"issuer_http", "server: {issuer: \"http://h.example\"}\n",
     "stint.yaml:1:18: plain http is only for loopback addresses: use https"},
    {"store_path_and_url", "store: {path: a.db, url: \"postgres://s@db/s\"}\n",
     "stint.yaml:1:8: \"path\" is a SQLite file and \"url\" a PostgreSQL database: one of them"},
    {"store_password_alone", "store: {password_file: p}\n",
     "stint.yaml:1:8: \"password_file\" is for \"url\""},
    {"store_url_without_nonces",
     "store: {url: \"postgres://s@db/s\"}\ntokens: {dpop_nonce: false}\n",
     "stint.yaml:2:9: \"dpop_nonce\" is what binds a proof to one node of several: it stays on "
     "with "
     "store.url"},
    {"root_key", "root_key: {source: systemd, path: x}\n",
     "stint.yaml:1:35: \"path\" is only for source file"},
    {"life", "tasks: {default_life: 2h, max_life: 1h}\n",
     "stint.yaml:1:8: \"default_life\" is longer than \"max_life\""},
    {"pkcs11_half", "root_key: {source: pkcs11, module: /m.so}\n",
     "stint.yaml:1:11: source pkcs11 needs \"uri\" and \"module\""},
    {"pkcs11_other", "root_key: {source: systemd, pin_file: /p}\n",
     "stint.yaml:1:39: \"pin_file\" is only for source pkcs11"},
    {"keys", "keys: {rotate_every: 5m}\n",
     "stint.yaml:1:7: \"rotate_every\" must be longer than \"publish_ahead\""},
    {"bool", "root_key: {create: maybe}\n", "stint.yaml:1:20: \"create\" must be true or false"},
    {"list", "- a\n", "stint.yaml:1:1: config must be a map"},
    {"two", "log: {level: info}\n---\nlog: {level: info}\n",
     "stint.yaml:3:1: a configuration is one document"},
};
class BadConfigs : public testing::TestWithParam<Row> {};
TEST_P(BadConfigs, NameTheProblem) {
  EXPECT_THAT(problems(GetParam().yaml), ElementsAre(GetParam().problem));
}
INSTANTIATE_TEST_SUITE_P(All, BadConfigs, testing::ValuesIn(kRows),
                         [](const auto& i) { return std::string(i.param.name); });

TEST(Config, VariablesAreCheckedByName) {
  EXPECT_THAT(problems("", {{"STINT_TOKENS__TLL", "1s"}}),
              ElementsAre("STINT_TOKENS__TLL: unknown variable \"STINT_TOKENS__TLL\"; did you mean "
                          "\"STINT_TOKENS__TTL\"?"));
  EXPECT_THAT(
      problems("", {{"STINT_TOKENS__TTL", "never"}, {"STINT_LISTEN__CONTROL", "0.0.0.0:1"}}),
      ElementsAre("STINT_TOKENS__TTL: \"ttl\" must be a duration such as 90s, 5m, 1h or 2d"));
  EXPECT_THAT(problems("", {{"STINT_LISTEN__CONTROL", "0.0.0.0:1"}}),
              ElementsAre("STINT_LISTEN__CONTROL: \"0.0.0.0:1\" is not a loopback address: that "
                          "needs tls"));
}

TEST(Config, ListenAddresses) {
  EXPECT_EQ(parse_listen("[::1]:80")->host, "::1");
  EXPECT_TRUE(parse_listen("[::1]:80")->loopback());
  EXPECT_EQ(parse_listen("127.0.0.1:0")->port, 0);
  EXPECT_TRUE(parse_listen("localhost:1")->loopback());
  EXPECT_FALSE(parse_listen("0.0.0.0:1")->loopback());
  EXPECT_EQ(parse_listen("unix:/run/x")->unix_path, "/run/x");
  for (const char* bad : {"", "80", ":80", "h:80", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
                          "::1:80", "unix:", "unix:run", "127.1:80"})
    EXPECT_FALSE(parse_listen(bad).has_value()) << bad;
}

}  // namespace
}  // namespace stint::resource
