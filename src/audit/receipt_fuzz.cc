#include <cstdlib>

#include "stint/audit/receipt.h"

// Oracle: a receipt has one text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stint;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto receipt = audit::parse_receipt(bytes)) {
    const auto again = audit::text(*receipt);
    if (!again || *again != bytes) std::abort();
  }
  return 0;
}
