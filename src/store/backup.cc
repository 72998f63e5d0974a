#include "stint/store/backup.h"

#include <sys/stat.h>

#include <array>
#include <chrono>
#include <utility>

#include "archive.h"
#include "log_rows.h"
#include "postgres_database.h"
#include "schema.h"
#include "stint/merkle/tile.h"
#include "work_file.h"

namespace stint::store {
namespace {

constexpr Error kOtherVersion{Errc::kUnsupported,
                              "the store is of another version: back it up with that one"};
constexpr Error kNoStore{Errc::kNotFound, "there is no store to back up"};
constexpr Sql kPutManifest = "INSERT INTO backup_manifest (key, value) VALUES ($1, $2)";
constexpr Sql kPutRows = "INSERT INTO backup_rows (name, count, digest) VALUES ($1, $2, $3)";
// The oldest is the log's name; it never changes.
constexpr Sql kLogKey = "SELECT public FROM signing_key WHERE purpose = 'log' ORDER BY created";

// A snapshot takes as long as it takes: a page is quick, and what is written between two is not
// the server's to time.
constexpr PgSession::Patience kPatience{.answer = std::chrono::minutes(1),
                                        .idle = std::chrono::minutes(10)};

Result<std::unique_ptr<ReadConnection>> open_sqlite(const Options& from) {
  struct stat info{};
  if (::stat(from.path.c_str(), &info) != 0) return fail(kNoStore);
  auto reader = std::make_unique<SqliteReader>(
      STINT_TRY(SqliteSession::open(from.path, from.vfs, SqliteSession::Use::kRead)));
  STINT_TRY(reader->begin());
  SqliteStatement* const state = STINT_TRY(reader->session().prepare(
      "SELECT a.application_id, v.user_version FROM pragma_application_id a, pragma_user_version "
      "v"));
  const bool ours = STINT_TRY(state->next()) && state->integer(0) == kApplicationId;
  const auto version = state->integer(1);
  state->reset();
  if (!ours) return fail(Errc::kUnsupported, "not a Stint database");
  if (version != static_cast<std::int64_t>(migrations().size())) return fail(kOtherVersion);
  return reader;
}

Result<std::unique_ptr<ReadConnection>> open_postgres(const PostgresOptions& from) {
  const auto target = STINT_TRY(PostgresTarget::parse(from));
  auto session = STINT_TRY(PgSession::open(target));
  STINT_TRY(session->be_patient(kPatience));
  if (!STINT_TRY(session->text("SELECT 1 WHERE to_regclass('stint_schema') IS NOT NULL")))
    return fail(kNoStore);
  STINT_TRY(session->enter_pipeline());
  auto reader = std::make_unique<PgReader>(nullptr, std::move(session));
  STINT_TRY(reader->begin());
  Reader rows(*reader);
  const auto version = rows.one<std::int64_t>("SELECT version FROM stint_schema");
  if (rows.error()) return fail(*rows.error());
  if (version != static_cast<std::int64_t>(migrations().size())) return fail(kOtherVersion);
  return reader;
}

// The tree over the leaves as they stand: what the events say is checked when the file is read.
class Leaves {
 public:
  Status block(std::span<const Param> row) {
    const std::string_view leaves = row[2].bytes();
    if (static_cast<Seq>(row[0].integer()) != tree_.size() || leaves.size() % sizeof(Hash) != 0)
      return fail(Errc::kInternal, "the log in the store is damaged");
    std::vector<Hash> hashes(leaves.size() / sizeof(Hash));
    for (std::size_t i = 0; i < leaves.size(); ++i)
      hashes[i / sizeof(Hash)][i % sizeof(Hash)] = static_cast<std::uint8_t>(leaves[i]);
    tree_.append(hashes);
    return {};
  }
  Seq size() const { return tree_.size(); }
  Hash root() const { return tree_.root(); }

 private:
  merkle::TileBuilder tree_;
};

Status put_manifest(SqliteSession& to, std::string_view key, std::string_view value) {
  return to.step(kPutManifest, std::array{Param(key), Param(Blob{value})});
}

Status put_all(Connection& from, SqliteSession& to, const Shapes& tables, Leaves& leaves) {
  for (const auto& table : tables) {
    const bool of_log = table->name() == "event";
    const auto rows = STINT_TRY(carry_rows(from, *table, [&](std::span<const Param> row) -> Status {
      if (of_log) STINT_TRY(leaves.block(row));
      return to.step(table->insert(), row);
    }));
    STINT_TRY(
        to.step(kPutRows, std::array{Param(table->name()), Param(rows.rows), Param(rows.digest)}));
  }
  return {};
}

Status put_words(Connection& from, SqliteSession& to, const BackupOrder& order,
                 const Leaves& leaves, std::string_view database, WallTime now) {
  Reader reader(from);
  const auto log_key = reader.one<std::string>(kLogKey);
  if (reader.error()) return fail(*reader.error());
  const Hash root = leaves.root();
  for (const auto& [key, value] : std::initializer_list<std::pair<std::string_view, std::string>>{
           {"format", "1"},
           {"schema", std::to_string(migrations().size())},
           {"version", order.version},
           {"issuer", order.issuer},
           {"database", std::string(database)},
           {"taken", std::to_string(unix_millis(now))},
           {"log_size", std::to_string(leaves.size())},
           {"log_root", std::string(root.begin(), root.end())},
           {"log_key", log_key.value_or("")}})
    STINT_TRY(put_manifest(to, key, value));
  return {};
}

// One transaction, so that SQLite writes each page about once.
Status write_to(const std::string& path, ReadConnection& from, const BackupOrder& order,
                std::string_view database, const std::string& vfs, WallTime now) {
  const auto tables = STINT_TRY(TableShape::all(static_cast<std::int64_t>(migrations().size())));
  const auto to = STINT_TRY(SqliteSession::open(path, vfs, SqliteSession::Use::kBuild));
  STINT_TRY(to->exec("BEGIN"));
  for (const char* const migration : migrations()) STINT_TRY(to->exec(migration));
  STINT_TRY(to->exec(kManifestTables));
  Leaves leaves;
  STINT_TRY(put_all(from, *to, tables, leaves));
  STINT_TRY(put_words(from, *to, order, leaves, database, now));
  const std::string last =
      "PRAGMA application_id = " + std::to_string(kBackupApplicationId) + "; COMMIT";
  return to->exec(last.c_str());
}

bool exists(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0;
}

constexpr Error kTaken{Errc::kConflict,
                       "there is a file of this name already: a backup is never written over"};

Status give_name(WorkFile& file) {
  const Status finished = file.finish();
  if (!finished && finished.error().code == Errc::kConflict) return fail(kTaken);
  return finished;
}

}  // namespace

Result<BackupInfo> backup(const Options& from, const std::string& to, const BackupOrder& order,
                          const Clock& clock) {
  if (exists(to)) return fail(kTaken);
  // Before the snapshot: what the backup misses was committed after this moment.
  const WallTime now = clock.wall();
  const auto reader =
      from.postgres ? STINT_TRY(open_postgres(*from.postgres)) : STINT_TRY(open_sqlite(from));
  auto file = WorkFile::make(to, ".part");
  if (!file && file.error().code == Errc::kConflict)
    return fail(Errc::kConflict, "another backup is writing this file");
  if (!file) return fail(file.error());
  STINT_TRY(write_to(file->path(), *reader, order, from.postgres ? "postgresql" : "sqlite",
                     from.vfs, now));
  (void)reader->end();
  struct stat written{};
  if (::stat(file->path().c_str(), &written) != 0)
    return fail(Errc::kIo, "the file cannot be written");
  const std::string line =
      STINT_TRY(seal_line(file->path(), static_cast<std::uint64_t>(written.st_size)));
  STINT_TRY(file->append(line));
  // As it will be read on the day that it is needed.
  BackupInfo info = STINT_TRY(Archive::open(file->path())).info();
  STINT_TRY(give_name(*file));
  return info;
}

}  // namespace stint::store
