#include "stint/low/one.h"

namespace stint::low {
int one() { return 1; }
}  // namespace stint::low
