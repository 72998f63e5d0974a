#include "log_export.h"

#include <filesystem>

#include "files.h"
#include "stint/merkle/checkpoint.h"
#include "stint/merkle/note.h"
#include "stint/merkle/tile.h"

namespace stint::cli {
namespace {

namespace fs = std::filesystem;

Outcome<std::uint64_t> size_in(const std::string& note) {
  const auto parsed = merkle::parse_note(note);
  if (!parsed) return std::unexpected(Failure::of(parsed.error(), "the checkpoint cannot be read"));
  const auto checkpoint = merkle::parse_checkpoint(parsed->text);
  if (!checkpoint)
    return std::unexpected(Failure::of(checkpoint.error(), "the checkpoint cannot be read"));
  return checkpoint->size;
}

}  // namespace

Outcome<std::uint64_t> checkpoint_size(const Remote& remote) {
  const auto note = remote.bytes("/log/checkpoint");
  if (!note && note.error().status == 404) return 0;
  if (!note) return std::unexpected(note.error());
  return size_in(*note);
}

Result<std::string> read_log_file(const Remote& remote, const std::string& path) {
  auto got = remote.bytes("/log/" + path);
  if (got) return *std::move(got);
  if (got.error().status == 404) return fail(Errc::kNotFound, "not published");
  return fail(Errc::kIo, "the server did not give the file");
}

Outcome<void> write_export(const std::string& directory, const std::string& path,
                           std::string_view bytes) {
  const fs::path to = fs::path(directory) / path;
  std::error_code ec;
  fs::create_directories(to.parent_path(), ec);
  if (const auto ok = write_file(to.string(), bytes, 0644); !ok)
    return std::unexpected(Failure::of(ok.error(), "cannot write " + to.string()));
  return {};
}

Outcome<Exported> export_to(const Remote& remote, const std::string& directory) {
  const auto note = remote.bytes("/log/checkpoint");
  if (!note) return std::unexpected(note.error());
  const auto size = size_in(*note);
  if (!size) return std::unexpected(size.error());
  Exported out{.size = *size, .files = 1};
  for (const merkle::TileId& tile : merkle::tiles_of(*size)) {
    const std::string path = merkle::path(tile);
    ++out.files;
    std::error_code ec;
    if (tile.width == merkle::kTileWidth && fs::exists(fs::path(directory) / path, ec)) continue;
    const auto bytes = remote.bytes("/log/" + path);
    if (!bytes) return std::unexpected(bytes.error());
    if (const auto ok = write_export(directory, path, *bytes); !ok)
      return std::unexpected(ok.error());
  }
  // Last, so that an export that broke off does not look whole.
  if (const auto ok = write_export(directory, "checkpoint", *note); !ok)
    return std::unexpected(ok.error());
  return out;
}

}  // namespace stint::cli
