#pragma once

#include <string>
#include <string_view>

#include "stint/base/secret.h"

namespace stint {

// Lets a test look into a Secret. The one definition: another in the same binary would be two
// classes of one name. The view dies with the Secret.
struct RevealKeyForTest {
  static std::string_view reveal(const Secret& secret) { return secret.reveal(RevealKey{}); }
};

namespace testkit {
inline std::string text_of(const Secret& secret) {
  return std::string(RevealKeyForTest::reveal(secret));
}
}  // namespace testkit

}  // namespace stint
