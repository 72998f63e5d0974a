#include "archive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "file.h"
#include "log_rows.h"
#include "schema.h"
#include "stint/codec/hex.h"
#include "stint/merkle/checkpoint.h"
#include "stint/merkle/tile.h"

namespace stint::store {
namespace {

constexpr Error kDamaged{Errc::kInternal, "the backup is damaged"};
constexpr Error kLogDamaged{Errc::kInternal, "the log in the backup is damaged"};
constexpr Error kOffCheckpoint{Errc::kInternal, "the backup's checkpoint does not fit its log"};

File opened(const std::string& path) { return File(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); }

Result<std::uint64_t> size_of(const File& file) {
  struct stat info{};
  if (file.fd() < 0 || ::fstat(file.fd(), &info) != 0)
    return fail(Errc::kNotFound, "there is no such backup");
  if (!S_ISREG(info.st_mode)) return fail(Errc::kWrongType, "a backup is a regular file");
  return static_cast<std::uint64_t>(info.st_size);
}

Result<std::string> read_at(const File& file, std::uint64_t offset, std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t have = 0; have < size;) {
    const ssize_t n =
        ::pread(file.fd(), out.data() + have, size - have, static_cast<off_t>(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(Errc::kIo, "the backup cannot be read");
    have += static_cast<std::size_t>(n);
  }
  return out;
}

// The manifest, read by key; what is missing or of another form is damage.
class Manifest {
 public:
  explicit Manifest(Reader& reader) : reader_(reader) {}
  std::string text(std::string_view key) {
    auto found = reader_.one<std::string>("SELECT value FROM backup_manifest WHERE key = $1", key);
    if (!found && !reader_.error()) reader_.fail(kDamaged);
    return std::move(found).value_or("");
  }
  std::int64_t number(std::string_view key) {
    const std::string digits = text(key);
    std::int64_t out = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    if (error != std::errc() || end != digits.data() + digits.size() || out < 0)
      reader_.fail(kDamaged);
    return out;
  }
  Hash hash(std::string_view key) {
    const std::string bytes = text(key);
    Hash out{};
    if (bytes.size() != out.size())
      reader_.fail(kDamaged);
    else
      std::ranges::copy(bytes, out.begin());
    return out;
  }

 private:
  Reader& reader_;
};

// Leaves are hashed anew from the events, and the roots from the leaves.
class LogReplay {
 public:
  explicit LogReplay(const BackupInfo& info) : info_(info) {}

  Status block(std::span<const Param> row) {
    const auto first = static_cast<Seq>(row[0].integer());
    if (first != tree_.size()) return fail(kLogDamaged);
    std::vector<Hash> leaves;
    bool as_said = true;
    const Status decoded = decode_block(first, static_cast<std::uint64_t>(row[1].integer()),
                                        row[2].bytes(), row[3].bytes(), [&](const EventView& e) {
                                          leaves.push_back(merkle::leaf_hash(e.bytes));
                                          return as_said = leaves.back() == e.leaf;
                                        });
    if (!decoded || !as_said || leaves.size() != static_cast<std::uint64_t>(row[1].integer()))
      return fail(kLogDamaged);
    for (const Hash& leaf : leaves) {
      // A tree that is not full to the checkpoint has another root there.
      tree_.append(std::span(&leaf, 1));
      if (info_.checkpoint && tree_.size() == info_.checkpoint->size &&
          tree_.root() != info_.checkpoint->root)
        return fail(kOffCheckpoint);
    }
    return {};
  }
  Status end() const {
    if (tree_.size() != info_.size || tree_.root() != info_.root) return fail(kLogDamaged);
    if (!info_.checkpoint) return {};
    if (info_.checkpoint->size > info_.size) return fail(kOffCheckpoint);
    const auto key = merkle::NoteKey::parse(info_.log_key);
    if (!key) return fail(kOffCheckpoint);
    const auto signed_one = merkle::verify_checkpoint(info_.checkpoint->note, {{*key}});
    if (!signed_one || signed_one->size != info_.checkpoint->size ||
        signed_one->root != info_.checkpoint->root)
      return fail(kOffCheckpoint);
    return {};
  }

 private:
  const BackupInfo& info_;
  merkle::TileBuilder tree_;
};

struct Counted {
  std::string name;
  RowsDigest rows;
  static Counted from_row(Row& row) {
    return {row.get<std::string>(), {row.get<std::uint64_t>(), row.get<crypto::Digest>()}};
  }
};

Status read_manifest(Reader& reader, BackupInfo& info) {
  Manifest manifest(reader);
  if (manifest.text("format") != "1")
    reader.fail(
        {Errc::kUnsupported, "the backup is of a newer version: restore it with that version"});
  info.schema = manifest.number("schema");
  info.version = manifest.text("version");
  info.issuer = manifest.text("issuer");
  info.database = manifest.text("database");
  info.taken = from_unix_millis(manifest.number("taken"));
  info.size = static_cast<Seq>(manifest.number("log_size"));
  info.root = manifest.hash("log_root");
  info.log_key = manifest.text("log_key");
  if (reader.error()) return fail(*reader.error());
  if (info.schema > static_cast<std::int64_t>(migrations().size()))
    return fail(Errc::kUnsupported,
                "the backup is of a newer version: restore it with that version");
  if (info.schema < 1) return fail(kDamaged);
  return {};
}

// The rows of every table, as the manifest counts them; the log's besides.
Status check_rows(Archive::State& state, Reader& reader) {
  auto counted =
      reader.rows<Counted>("SELECT name, count, digest FROM backup_rows ORDER BY name LIMIT 1000");
  if (reader.error()) return fail(*reader.error());
  if (counted.size() != state.tables.size()) return fail(kDamaged);
  LogReplay log(state.info);
  for (std::size_t i = 0; i < counted.size(); ++i) {
    const TableShape& table = *state.tables[i];
    const bool of_log = table.name() == "event";
    const RowsDigest rows =
        STINT_TRY(carry_rows(*state.reader, table, [&](std::span<const Param> row) -> Status {
          return of_log ? log.block(row) : Status();
        }));
    if (counted[i].name != table.name() || counted[i].rows != rows) return fail(kDamaged);
    state.info.rows += rows.rows;
    state.digests.push_back(rows);
  }
  return log.end();
}

Status check_all(Archive::State& state, Reader& reader) {
  STINT_TRY(read_manifest(reader, state.info));
  state.tables = STINT_TRY(TableShape::all(state.info.schema));
  const auto ours = STINT_TRY(schema_in_memory(state.info.schema));
  // Before a row is read: a view in a table's place would be code of a stranger's.
  if (STINT_TRY(schema_text(state.reader->session())) != STINT_TRY(schema_text(*ours)))
    return fail(kDamaged);
  state.info.checkpoint = latest_checkpoint(reader);
  if (reader.error()) return fail(*reader.error());
  return check_rows(state, reader);
}

Status check_seal(const std::string& path) {
  const File file = opened(path);
  const std::uint64_t size = STINT_TRY(size_of(file));
  constexpr Error kNone{Errc::kMalformed, "not a backup, or one that was cut short"};
  if (size <= kSealBytes) return fail(kNone);
  const std::string line = STINT_TRY(read_at(file, size - kSealBytes, kSealBytes));
  if (!line.starts_with(kSealWords)) return fail(kNone);
  if (line != STINT_TRY(seal_line(path, size - kSealBytes))) return fail(kDamaged);
  return {};
}

}  // namespace

Result<std::string> seal_line(const std::string& path, std::uint64_t size) {
  constexpr std::uint64_t kPiece = 1 << 20;
  const File file = opened(path);
  crypto::Sha256 hash;
  for (std::uint64_t at = 0; at < size; at += kPiece)
    hash.update(
        STINT_TRY(read_at(file, at, static_cast<std::size_t>(std::min(kPiece, size - at)))));
  return std::string(kSealWords) + codec::encode_hex(crypto::view(hash.finish())) + "\n";
}

Archive::Archive(std::unique_ptr<State> state) : state_(std::move(state)) {}
Archive::Archive(Archive&&) noexcept = default;
Archive::~Archive() = default;
const BackupInfo& Archive::info() const { return state_->info; }

Result<Archive> Archive::open(const std::string& path) {
  STINT_TRY(check_seal(path));
  auto state = std::make_unique<State>();
  state->path = path;
  state->reader = std::make_unique<SqliteReader>(
      STINT_TRY(SqliteSession::open(path, "", SqliteSession::Use::kArchive)));
  SqliteStatement* const application =
      STINT_TRY(state->reader->session().prepare("PRAGMA application_id"));
  const bool ours =
      STINT_TRY(application->next()) && application->integer(0) == kBackupApplicationId;
  application->reset();
  if (!ours) return fail(kDamaged);
  Archive archive(std::move(state));
  Status checked;
  STINT_TRY(archive.with_reader([&](Reader& r) { checked = check_all(*archive.state_, r); }));
  STINT_TRY(checked);
  return archive;
}

Status Archive::with_reader(const std::function<void(Reader&)>& f) {
  STINT_TRY(state_->reader->begin());
  Reader reader(*state_->reader);
  f(reader);
  STINT_TRY(state_->reader->end());
  if (reader.error()) return fail(*reader.error());
  return {};
}

}  // namespace stint::store
