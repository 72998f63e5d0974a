#pragma once

#include <string>

#include "context.h"

namespace stint::cli {

struct RewrapOptions {
  std::string config, new_config;
  bool yes = false, json = false;
};

// stint keys rewrap: seals everything under the root key of another configuration. Works on the
// store itself, a file or a shared database, which must be free: a running service keeps it locked
// (exit 75). Both configurations must name one store.
Exit rewrap(const RewrapOptions& o, Context& ctx);

}  // namespace stint::cli
