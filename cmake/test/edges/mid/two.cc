#include "stint/low/one.h"

namespace stint::mid {
int two() { return low::one() + 1; }
}  // namespace stint::mid
