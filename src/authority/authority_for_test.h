#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "stint/authority/authority.h"
#include "stint/crypto/system_entropy.h"
#include "stint/domain/json.h"
#include "stint/jose/jwk.h"
#include "stint/keys/key_ring.h"
#include "stint/policy/pack.h"
#include "stint/rt/runtime.h"
#include "stint/store/store.h"
#include "stint/testkit/manual_clock.h"
#include "stint/testkit/reveal.h"
#include "stint/testkit/temp_dir.h"
#include "stint/testkit/test_store.h"
#include "stint/vault/vault.h"

// A whole authority on a real store in a temporary folder, with the shipped policies, two agents,
// one git upstream and one HTTP upstream.
namespace stint::authority {

using namespace std::chrono_literals;

inline const std::string kJktForTest(43, 'k');
inline const std::string kOtherJktForTest(43, 'o');

template <class T>
T must(Result<T> r) {
  if (!r) {
    ADD_FAILURE() << r.error().reason.text();
    std::abort();  // what follows would read what is not there
  }
  return *std::move(r);
}

class Fixture : public testing::Test {
 protected:
  void SetUp() override {
    open();
    const auto applied = rt::block_on(
        authority->apply(resources(), secrets(), std::nullopt, Actor::local_operator(0)));
    ASSERT_TRUE(applied.has_value()) << applied.error().reason.text();
  }
  void TearDown() override { close_all(); }

  virtual Result<std::unique_ptr<store::Store>> open_store() {
    return testkit::open_test_store(dir.path(), clock, vfs);
  }
  void open() {
    store = must(open_store());
    keys = must(keys::KeyRing::open(*store, root, "stint.test", entropy, clock.wall()));
    vault = must(vault::Vault::open(*store, root, entropy));
    authority = must(Authority::open({*store, *keys, *vault, clock, entropy}, settings));
    testkit::confirm_view(*authority, *store);
    authority->keep_leases();
  }
  void close_all() {
    if (store) store->stop();
    authority.reset();
    vault.reset();
    keys.reset();
    store.reset();
    other.reset();
  }
  // Another node's: a store has one follower. An embedded one is shared, as its file cannot be.
  store::Store& other_store() {
    if (!testkit::on_postgres()) return *store;
    if (!other) other = must(testkit::open_test_store(dir.path(), clock));
    return *other;
  }
  void reopen() {
    close_all();
    open();
  }

  static resource::Resources resources() {
    resource::Resources r;
    r.add(resource::Issuer{.name = "idp",
                           .url = "https://idp.test",
                           .audiences = {"stint"},
                           .jwks = R"({"keys":[]})"});
    r.add(resource::Group{.name = "approvers"});
    r.add(resource::Human{.name = "alice@example.com", .issuer = "idp", .subject = "a"});
    r.add(resource::Human{
        .name = "bob@example.com", .issuer = "idp", .subject = "b", .groups = {"approvers"}});
    for (const char* name : {"coder", "helper"})
      r.add(resource::Agent{
          .name = name, .owner = "alice@example.com", .trust = {{.jwks = R"({"keys":[]})"}}});
    r.add(resource::Credential{.name = "git-password"});
    r.add(resource::Upstream{.name = "git",
                             .kind = resource::UpstreamKind::kGit,
                             .url = "http://127.0.0.1:1/git",
                             .inject = resource::Injection{.credential = "git-password",
                                                           .as = resource::Injection::As::kBasic,
                                                           .username = "stint"}});
    r.add(resource::Upstream{
        .name = "desk",
        .kind = resource::UpstreamKind::kHttp,
        .url = "http://127.0.0.1:1",
        .actions = {{"ticket.read", domain::ActionClass::kRead, "GET /tickets/{id}"}}});
    for (const auto& file : policy::shipped_pack())
      r.add(resource::Policy{.name = file.name, .text = file.text});
    return r;
  }
  static std::map<std::string, Secret> secrets() {
    std::map<std::string, Secret> out;
    out.emplace("git-password", Secret(std::string("test-password-planted")));
    return out;
  }

  static OpenRequest request() {
    return {.order = {.purpose = "fix the typo in README",
                      .agent = "coder",
                      .binding = {domain::Binding::Kind::kDpop, kJktForTest},
                      .human = "alice@example.com",
                      .grants = {{.upstream = "git",
                                  .actions = {"git.fetch", "git.push", "git.ref.delete"},
                                  .resources = {"demo/readme.git"}}}},
            .actor = Actor::agent("coder")};
  }
  Opened opened(OpenRequest r = request()) { return must(rt::block_on(authority->open_task(r))); }
  static MintRequest minting(const Opened& o) {
    return {.handle_text = testkit::text_of(o.handle),
            .presented = o.task.binding,
            .client_id = o.task.agent,
            .audience = "http://127.0.0.1:7444/u/git"};
  }
  // Of the key that signs now.
  std::string kid() const { return must(keys->signing_key(settings.token_alg)).kid; }
  // The parent's first token is named by no row here: a fresh id is as good as any not revoked.
  Result<Opened> child(TaskId parent, OpenRequest r = request()) {
    auto grants = must(authority->task(parent)).grants;
    return child_of(parent, std::move(grants), std::move(r));
  }
  Result<Opened> child_of(TaskId parent, std::vector<domain::Grant> token_grants,
                          OpenRequest r = request()) {
    r.order.agent = "helper";
    r.order.binding.thumbprint = kOtherJktForTest;
    return rt::block_on(authority->delegate({.parent = parent,
                                             .parent_token = TokenId::random(entropy),
                                             .parent_token_kid = kid(),
                                             .parent_token_expires = clock.wall() + 5min,
                                             .parent_token_grants = std::move(token_grants),
                                             .child = std::move(r)}));
  }

  CallRequest call(const domain::Task& task, std::string action = "git.fetch",
                   domain::ActionClass action_class = domain::ActionClass::kRead) {
    return {.task = task.id,
            .token = TokenId::random(entropy),
            .kid = kid(),
            .token_grants = std::make_shared<const std::vector<domain::Grant>>(task.grants),
            .call = {.task = task.id,
                     .upstream = "git",
                     .action = std::move(action),
                     .action_class = action_class,
                     .resource = "demo/readme.git",
                     .method = "POST",
                     .target = "/demo/readme.git/git-receive-pack",
                     .arguments = R"({"ref":"refs/heads/old"})"},
            .words = "delete the branch old of demo/readme.git",
            .request = {.ip = "127.0.0.1"},
            .path = "/demo/readme.git",
            .directory_version = authority->directory()->version()};
  }
  CallRequest deletion(const domain::Task& task) {
    return call(task, "git.ref.delete", domain::ActionClass::kDelete);
  }
  Result<Verdict> decide(CallRequest r) { return rt::block_on(authority->decide(std::move(r))); }

  std::size_t count(std::string_view kind) {
    std::size_t n = 0;
    flush();
    for (const auto& e : must(store->events(0, 10'000))) n += e.kind == kind ? 1 : 0;
    return n;
  }
  // Waits until everything recorded so far is committed.
  void flush() {
    must(store->write_sync([](store::Tx& tx) -> Result<bool> {
      tx.no_event();
      return true;
    }));
  }

  // Time goes by, and the writer says that it lives.
  void pass(std::chrono::milliseconds time) {
    clock.advance(time);
    testkit::confirm_view(*authority, *store);
    authority->keep_leases();
    flush();
  }

  std::string vfs;  // to open the store with; "": the default
  testkit::TempDir dir;
  testkit::ManualClock clock;
  crypto::SystemEntropy entropy;
  crypto::RootKey root = crypto::RootKey::generate(entropy);
  Settings settings{.issuer = "http://127.0.0.1:7443", .gateway_url = "http://127.0.0.1:7444"};
  std::unique_ptr<store::Store> store, other;
  std::unique_ptr<keys::KeyRing> keys;
  std::unique_ptr<vault::Vault> vault;
  std::unique_ptr<Authority> authority;
};

}  // namespace stint::authority
