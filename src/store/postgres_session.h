#pragma once

#include <libpq-fe.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "database.h"
#include "postgres_announced.h"
#include "postgres_statement.h"
#include "postgres_target.h"
#include "stint/base/clock.h"
#include "stint/store/store.h"

namespace stint::store {

// One session with a PostgreSQL server, in pipeline mode: statements are sent without waiting for
// those before, and one wait collects the answers of all. Times out by itself: a server that does
// not answer within `io_timeout` ends the session.
//
// Threads: one at a time. Errors: of Connection, by SQLSTATE; kTimeout never: a session that does
// not answer is kUnavailable.
class PgSession {
 public:
  // How long any answer is waited for. Longer than the server's own limits, so that these speak
  // first.
  static constexpr std::chrono::seconds kAnswer{12};
  // The same for what a request may be waiting for on its loop.
  static constexpr std::chrono::seconds kPrompt{3};
  // The same, and the server's limits, for work that takes as long as it takes: each statement has
  // `answer`, the time between two of a transaction `idle`, and the transaction has no end.
  struct Patience {
    std::chrono::seconds answer{3600}, idle{600};
  };
  static constexpr std::chrono::seconds kConnect{5};
  static constexpr std::chrono::seconds kConnectOne{2};  // each of several hosts

  // Connects, to the first host that is well, and sets the session up. A name is looked up by the
  // system's resolver, which keeps its own time. Errors: kUnavailable, kDenied, kUnauthenticated,
  // kNotFound, kReadOnly, each with its own sentence.
  // `patience`: how long it may be silent, then and later.
  static Result<std::unique_ptr<PgSession>> open(const PostgresTarget& target,
                                                 std::chrono::seconds patience = kAnswer);
  ~PgSession() = default;
  PgSession(const PgSession&) = delete;

  // Several statements as text, outside the pipeline.
  Status exec(const char* sql);
  // The same for one, and the first column of its first row; nullopt: no row.
  Result<std::optional<std::string>> text(const char* sql);
  // Outside the pipeline.
  Status be_patient(Patience patience);
  // From now on the pipeline.
  Status enter_pipeline();
  // And not any more, once every answer that is due has come.
  Status leave_pipeline();

  // Prepares a statement.
  Status know(Sql sql);
  // Runs one statement and waits for its answer, and for that of all before it: the first error of
  // these is returned. Rows are the statement's until finish().
  Result<PgStatement*> run(Sql sql, std::span<const Param> parameters);
  // Sends one whose rows nobody wants. Its error comes with the next run() or sync().
  Status defer(Sql sql, std::span<const Param> parameters = {});
  // The same for one that is not known to be right: when it fails, put_failed() and may_retry().
  Status put(Sql sql, std::span<const Param> parameters);
  // Sends a read whose rows run() is asked for soon, with the same parameters.
  Status announce(Sql sql, std::span<const Param> parameters);
  // What was announced is wanted no more.
  void withdraw() { announced_.forget(); }
  // Waits for every answer that is due.
  Status sync();
  // Sends what is deferred, and waits for nothing: its errors are dropped.
  Status push();
  static Effect finish(PgStatement& statement);
  static std::string_view tag(const PgStatement& statement) {
    return PQcmdStatus(statement.rows.get());
  }

  // A notification that came with an answer, or is waiting to be read; never blocks.
  struct Notice {
    std::uint64_t size = 0;
    int from = 0;  // the server's process that sent it
  };
  std::vector<Notice> notices();

  // From now on no answer is waited for longer than this.
  void be_prompt() { patience_ = kPrompt; }
  // Where each answer's time is kept, which outlives the session.
  void note_answers(std::atomic<MonoTime>& at) { answered_at_ = &at; }

  bool dead() const { return dead_; }
  // The transaction can do nothing any more but be rolled back (to its savepoint).
  bool failed() const { return PQtransactionStatus(connection_.get()) == PQTRANS_INERROR; }
  bool disk_failed() const { return disk_failed_; }
  bool may_retry() const { return may_retry_; }
  bool put_failed() const { return put_failed_; }
  // It died of having no answer, and not of having been closed.
  bool silent() const { return silent_; }
  // The server refused a statement since forget(): it rolls the transaction back.
  bool refused() const { return refused_; }
  void forget() { may_retry_ = refused_ = put_failed_ = false; }
  int socket() const { return PQsocket(connection_.get()); }
  int server_process() const { return PQbackendPID(connection_.get()); }

 private:
  enum class Due : std::uint8_t { kStatement, kPut, kAnnounced, kDropped, kSync };
  explicit PgSession(PGconn* connection) : connection_(connection) {}
  static Result<std::unique_ptr<PgSession>> open(PGconn* started, std::chrono::seconds limit,
                                                 std::chrono::seconds patience);
  static Error refusal(PGconn* connection);
  Result<PgResult> ask(const char* sql);
  Result<PgStatement*> prepare(Sql sql);
  Status send(PgStatement& statement, std::span<const Param> parameters, Due due);
  Status send_sync();
  Status flush_and_read(MonoTime& until);
  MonoTime heard();
  Result<PgResult> receive();
  Result<PgResult> collect();  // to the last sync; the last statement's result
  std::unexpected<Error> died();
  Error error_of(const PGresult* result);

  std::unique_ptr<PGconn, PgFree> connection_;
  std::unordered_map<const char*, std::unique_ptr<PgStatement>> statements_;
  std::chrono::seconds patience_ = kAnswer;
  std::atomic<MonoTime>* answered_at_ = nullptr;
  std::deque<Due> due_;
  PgAnnounced announced_;
  unsigned next_name_ = 0;    // never used twice: a preparation that failed may have left its name
  std::size_t unsynced_ = 0;  // bytes of parameters since the last sync
  bool dead_ = false, silent_ = false;
  bool disk_failed_ = false, may_retry_ = false, refused_ = false, put_failed_ = false;
};

}  // namespace stint::store
