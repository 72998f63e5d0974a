#pragma once

#include <cstdint>

#include "stint/base/error.h"
#include "stint/resource/resource.h"
#include "stint/store/tx.h"

namespace stint::authority {

// The configuration as its rows say. Errors: the reader's; kMalformed for rows that are not ours.
struct LoadedDirectory {
  resource::Resources resources;
  std::uint64_t version = 0;
};
Result<LoadedDirectory> load_directory(store::Reader& reader);

}  // namespace stint::authority
