#pragma once

#include <string>
#include <vector>

namespace stint::cli {

// The words of a command line, so that `keys revoke KID` takes every id that `keys list` prints: an
// id is base64url and may begin with '-', as options do. Such an id goes behind a "--" at the end.
// Whoever wrote a "--" has said where options end.
std::vector<std::string> with_key_last(std::vector<std::string> words);

}  // namespace stint::cli
