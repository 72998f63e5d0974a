#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sqlite_connection.h"
#include "stint/store/backup.h"
#include "table_shape.h"

namespace stint::store {

// What stands in a backup beside the schema's tables.
inline constexpr const char* kManifestTables =
    "CREATE TABLE backup_manifest (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;"
    "CREATE TABLE backup_rows (name TEXT PRIMARY KEY, count INTEGER NOT NULL,"
    " digest BLOB NOT NULL) STRICT;";

// The last line of the file: this, SHA-256 of all before it in hex, a line feed.
inline constexpr std::string_view kSealWords = "stint backup, sha-256 ";
inline constexpr std::size_t kSealBytes = kSealWords.size() + 64 + 1;
// For a file of `size` bytes without that line. Errors: kIo.
Result<std::string> seal_line(const std::string& path, std::uint64_t size);

struct Archive::State {
  std::string path;
  BackupInfo info;
  Shapes tables;                    // outlive the session
  std::vector<RowsDigest> digests;  // of each
  std::unique_ptr<SqliteReader> reader;
};

}  // namespace stint::store
