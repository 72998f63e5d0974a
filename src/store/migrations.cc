#include "schema.h"

namespace stint::store {

std::span<const char* const> migrations() { return all_migrations(); }

}  // namespace stint::store
