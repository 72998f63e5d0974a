// How PostgreSQL carries out what the commands ask: by an index, however many rows there are.
#include <thread>

#include "authority_for_test.h"
#include "stint/testkit/postgres_server.h"

namespace stint::authority {
namespace {

// The work of a node that is a database's own from its first day: its plans were made when every
// table was empty, and a plan that reads all of an empty table reads all of a full one later.
class Plans : public Fixture {
 protected:
  Result<std::unique_ptr<store::Store>> open_store() override {
    if (url.empty()) url = server.database();
    store::Options options;
    options.postgres = store::PostgresOptions{.url = url, .password = nullptr};
    return store::Store::open(std::move(options), now);
  }
  std::string ask(const std::string& text) const {
    return server.ask(url.substr(url.rfind('/') + 1), text);
  }
  // By table, how often it was read from end to end. Sessions tell when they are over.
  std::string scans() {
    close_all();
    while (ask("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
               "backend_type = 'client backend'") != "1")
      std::this_thread::yield();
    return ask(
        "SELECT string_agg(relname || ' ' || seq_scan, ', ' ORDER BY relname) "
        "FROM pg_stat_user_tables WHERE seq_scan > 0 AND relname IN ('task', 'token', 'handle', "
        "'approval', 'event', 'event_task', 'event_opened', 'receipt', 'owed', 'used_jti', "
        "'idempotency', 'tile')");
  }
  void reset() const { ask("SELECT pg_stat_reset()"); }

  void work() {
    const Opened o = opened(), below = must(child(o.task.id));
    must(rt::block_on(authority->mint(minting(o))));
    must(decide(deletion(o.task)));
    must(decide(call(o.task, "git.push", domain::ActionClass::kWrite)));
    must(authority->task(o.task.id));
    must(rt::block_on(authority->close(o.task.id, domain::How::kCompleted, Actor::system("test"))));
    must(rt::block_on(authority->revoke(o.token ? o.token->token : "none", "coder")));
    authority->sweep();
  }

  SystemClock now;
  testkit::PostgresServer& server = testkit::PostgresServer::shared();
  std::string url;
};

TEST_F(Plans, NoCommandReadsAWholeTable) {
  (void)scans();
  reset();
  open();
  for (int i = 0; i < 12; ++i) work();  // a plan is kept after the fifth
  const std::string found = scans();
  EXPECT_EQ(found, "") << "tables that were read from end to end, and how often";
}

}  // namespace
}  // namespace stint::authority
