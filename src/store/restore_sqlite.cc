#include <sys/stat.h>

#include <array>
#include <string>
#include <utility>

#include "restore_target.h"
#include "schema.h"
#include "sqlite_connection.h"
#include "work_file.h"

namespace stint::store {
namespace {

constexpr Error kThere{Errc::kConflict,
                       "there is a store already: a backup is restored into a new place"};

class ToFile final : public RestoreTarget {
 public:
  ToFile(WorkFile file, std::unique_ptr<SqliteSession> session)
      : file_(std::move(file)),
        session_(session.get()),
        writer_(std::make_unique<SqliteWriter>(std::move(session), gate_, [](int) {})) {}

  Status begin(std::int64_t schema) override {
    STINT_TRY(session_->exec("BEGIN"));
    return raise(0, schema);
  }
  Status put(Sql insert, std::span<const Param> row) override {
    return session_->step(insert, row);
  }
  Status rows_are_in() override { return {}; }
  Status migrate(std::int64_t schema) override {
    const auto known = static_cast<std::int64_t>(migrations().size());
    STINT_TRY(raise(schema, known));
    const std::string words = "PRAGMA application_id = " + std::to_string(kApplicationId) +
                              "; PRAGMA user_version = " + std::to_string(known);
    return session_->exec(words.c_str());
  }
  WriteConnection& connection() override { return *writer_; }
  Status commit() override {
    STINT_TRY(session_->exec("COMMIT"));
    session_ = nullptr;
    writer_ = nullptr;  // closed, before it is synced under its name
    const Status finished = file_.finish();
    if (!finished && finished.error().code == Errc::kConflict) return fail(kThere);
    return finished;
  }

 private:
  Status raise(std::int64_t from, std::int64_t to) {
    for (std::int64_t v = from; v < to; ++v)
      STINT_TRY(session_->exec(migrations()[static_cast<std::size_t>(v)]));
    return {};
  }

  WorkFile file_;
  FairMutex gate_;
  SqliteSession* session_;  // the writer's
  std::unique_ptr<SqliteWriter> writer_;
};

}  // namespace

Result<std::unique_ptr<RestoreTarget>> restore_to_file(const Options& to) {
  // What a crashed store left beside its file would be taken for the new one's.
  for (const char* const suffix : {"", "-wal", "-shm", "-journal"}) {
    struct stat info{};
    if (::lstat((to.path + suffix).c_str(), &info) == 0) return fail(kThere);
  }
  auto file = WorkFile::make(to.path, ".restoring");
  if (!file && file.error().code == Errc::kConflict)
    return fail(Errc::kConflict, "another restore is writing this file");
  if (!file) return fail(file.error());
  auto session = STINT_TRY(SqliteSession::open(file->path(), to.vfs, SqliteSession::Use::kBuild));
  return std::make_unique<ToFile>(*std::move(file), std::move(session));
}

}  // namespace stint::store
