#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace stint::cli {

// Whether a variable looks like a credential: by its name (…TOKEN, …SECRET, …PASSWORD, AWS_…) or by
// the shape of its value (well-known prefixes of keys, JWTs, PEM private keys, URLs with a
// password, long random text under a name that says key). Threads: any. A guess, for reporting and
// for --clean-env: never a reason to believe that what is left is harmless.
bool looks_secret(std::string_view name, std::string_view value);

// What the child gets, and the names of what looks like a secret. Values are never reported.
struct ChildEnvironment {
  std::vector<std::string> variables;  // NAME=VALUE
  std::vector<std::string> secrets;    // names, sorted; removed when `clean`
};
// `inherited` as environ has it. Our own (STINT_ID_TOKEN_FILE and what else points at credentials
// of ours) never pass; `added` replaces what has the same name.
ChildEnvironment child_environment(const std::vector<std::string>& inherited,
                                   const std::vector<std::string>& added, bool clean);

}  // namespace stint::cli
