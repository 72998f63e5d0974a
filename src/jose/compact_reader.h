#pragma once

#include <memory>
#include <string_view>

#include "stint/jose/jws.h"

namespace stint::jose {

// The steps of parse_compact, apart so that a proof whose header is known skips the second.
struct CompactReader {
  struct Parts {
    std::string_view header, payload, signature;  // base64url, of the text given
  };
  static Result<Parts> split(std::string_view compact, Limits limits);
  static Result<std::shared_ptr<const Header>> header(std::string_view part);
  static Result<Unverified> read(std::string_view compact, const Parts& parts,
                                 std::shared_ptr<const Header> header);
};

}  // namespace stint::jose
