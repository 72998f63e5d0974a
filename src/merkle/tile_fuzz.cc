#include <cstdlib>

#include "stint/merkle/tile.h"

// Oracles: a tile has one path; a bundle that parses, written again, is the same bytes, and no
// other width reads it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stint;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto tile = merkle::parse_tile_path(bytes)) {
    if (merkle::path(*tile) != bytes) std::abort();
    if (tile->width == 0 || tile->width > merkle::kTileWidth) std::abort();
  }
  if (size == 0) return 0;
  const std::uint32_t width = data[0] + 1U;
  const std::string_view bundle = bytes.substr(1);
  if (const auto entries = merkle::parse_bundle(bundle, width)) {
    std::string again;
    for (const auto entry : *entries) {
      if (!merkle::append_entry(again, entry)) std::abort();
    }
    if (again != bundle) std::abort();
    if (merkle::parse_bundle(bundle, width + 1) && width < merkle::kTileWidth) std::abort();
  }
  if (const auto hashes = merkle::parse_hashes(bundle, width)) {
    if (merkle::encode_hashes(*hashes) != bundle) std::abort();
  }
  return 0;
}
