#pragma once

#include <memory>

#include "shared_database.h"

namespace stint::sim {

// A write connection to the simulated database: the transaction is SQLite's, the turn and what goes
// wrong are ours. Others come between at its beginning and around its commit.
class WritingEnd final : public store::WriteConnection {
 public:
  WritingEnd(Link& link, std::unique_ptr<store::SqliteSession> session);
  ~WritingEnd() override;

  Result<store::Seq> begin() override;
  Result<store::Cursor*> start(store::Sql sql, std::span<const store::Param> parameters) override;
  Result<store::Effect> finish(store::Cursor& cursor) override { return inner_->finish(cursor); }
  Status write_log(const store::EventBatch& batch,
                   std::span<const store::EventView> events) override;
  Status commit() override;
  void abandon() override;
  void begin_command() override { inner_->begin_command(); }
  Status end_command(bool keep) override;
  bool lost() const override { return broken_ || inner_->lost(); }
  bool in_doubt() const override;
  bool may_retry() const override { return may_retry_; }

  // The server ends the session of a process that stands still in its transaction.
  void terminate();

 private:
  std::unexpected<Error> break_off();
  Status take_turn();
  void give_turn();
  void kept();
  Status lose_commit();

  Link& link_;
  SharedDatabase& shared_;
  std::unique_ptr<store::FairMutex> gate_ = std::make_unique<store::FairMutex>();
  std::unique_ptr<store::SqliteWriter> inner_;
  bool broken_ = false, in_doubt_ = false, may_retry_ = false;
  bool closes_ = false;  // the transaction closes a task
};

}  // namespace stint::sim
