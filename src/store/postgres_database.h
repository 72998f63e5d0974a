#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "database.h"
#include "postgres_session.h"
#include "postgres_target.h"
#include "stint/base/clock.h"

namespace stint::store {

// A PostgreSQL database that several nodes share (docs/adr/0012).
//
// Whoever writes holds the one row of log_head from the first statement of its transaction to its
// end: transactions that write follow one another, on all nodes, and each sees all before it. So
// what holds for the one writer of an embedded store holds for a fleet, the log has no gaps, and
// "every event before `size`" is a watermark that any node may follow.
class PostgresDatabase final : public Database {
 public:
  // Connects, checks the server, migrates. `alone`: as Options::alone. The clock outlives it.
  // Errors: of Store::open().
  static Result<std::unique_ptr<PostgresDatabase>> open(const PostgresOptions& options, bool alone,
                                                        const Clock& clock);

  Result<std::unique_ptr<WriteConnection>> open_writer() override;
  Result<std::unique_ptr<ReadConnection>> open_reader() override;
  bool shared() const override { return true; }
  bool alone() const override { return alone_; }
  std::unique_ptr<Feed> make_feed(Delivery& delivery) override;

  // Of a reader: its session.
  Result<std::unique_ptr<PgSession>> reading_session() const;
  // Of a node's session that lives as long as the node: shows that it is there. Errors: of
  // be_present().
  Status show(PgSession& session) const;
  // From now on requests wait for reading_session().
  void be_prompt() { prompt_ = true; }
  // Commits are announced. False of a database that has no LISTEN and NOTIFY: it is asked instead.
  bool notifies() const { return notifies_; }

  // Whether this node may still write, by what the database said after `before`: its clock, and the
  // oldest version of the schema that one must know. What was right when the store was opened need
  // not stay so: a clock is stepped, a newer node migrates. Any thread. Errors: kUnavailable.
  Status may_write(WallTime before, WallTime theirs, std::int64_t oldest) const;
  WallTime now() const { return clock_.wall(); }

 private:
  PostgresDatabase(PostgresTarget target, bool alone, const Clock& clock)
      : target_(std::move(target)), alone_(alone), clock_(clock) {}
  Status go_alone(PgSession& session) const;
  const PostgresTarget target_;
  const bool alone_;
  const Clock& clock_;
  bool notifies_ = true, locks_ = true;
  std::atomic<bool> prompt_{false};
  mutable std::atomic<bool> differs_{false};  // said once
};

class PgReader final : public ReadConnection {
 public:
  // The database outlives it.
  // `database`: where another session comes from when this one died unused; null: from nowhere.
  PgReader(const PostgresDatabase* database, std::unique_ptr<PgSession> session)
      : database_(database), session_(std::move(session)) {}
  Result<Cursor*> start(Sql sql, std::span<const Param> parameters) override;
  Result<Effect> finish(Cursor& cursor) override;
  Status begin() override;
  Status end() override;
  bool usable() const override { return !session_->dead(); }
  void be_prompt() override { session_->be_prompt(); }

 private:
  Status renew();
  const PostgresDatabase* const database_;
  std::unique_ptr<PgSession> session_;
  bool unanswered_ = false;  // nothing of this snapshot was seen yet
};

class PgWriter final : public WriteConnection {
 public:
  // The database outlives it; null: of a store that is being restored, where nobody else is, and of
  // which it only takes rows.
  PgWriter(const PostgresDatabase* database, std::unique_ptr<PgSession> session)
      : database_(database), session_(std::move(session)) {}
  ~PgWriter() override { PgWriter::abandon(); }
  Result<Cursor*> start(Sql sql, std::span<const Param> parameters) override;
  Result<Effect> finish(Cursor& cursor) override;
  Result<Effect> put(Sql sql, std::span<const Param> parameters) override;
  Result<Seq> begin() override;
  Status write_log(const EventBatch& batch, std::span<const EventView> events) override;
  Status commit() override;
  void abandon() override;
  void begin_command() override;
  Status announce(Sql sql, std::span<const Param> parameters) override;
  Status end_command(bool keep) override;
  bool lost() const override;
  bool in_doubt() const override { return in_doubt_; }
  bool stale() const override { return session_->dead() && !session_->silent(); }
  bool may_retry() const override { return !session_->dead() && session_->may_retry(); }

 private:
  Status begin_savepoint();  // when it is due

  const PostgresDatabase* const database_;
  std::unique_ptr<PgSession> session_;
  bool in_transaction_ = false, in_doubt_ = false;
  // Begun with a command's first statement: any error in it spoils the transaction up to there.
  bool savepoint_due_ = false, savepoint_begun_ = false;
  // A put() of the run before failed, whose command is not known: each is waited for.
  bool each_alone_ = false;
  std::string size_text_;  // of the notification under way
};

}  // namespace stint::store
