#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/error.h"
#include "stint/resource/resource.h"

namespace stint::resource {

// A file as the caller read it. `.cedar` is a policy; `.yaml` and `.yml` hold resources, many
// documents each; anything else is a problem.
struct File {
  std::string path;
  std::string bytes;
};

// Reads a file that a resource names (`jwks_file`, `ca_file`): `path` as written, `from` the path
// of the YAML file that names it. Errors are shown to the operator with the name's position.
using Lookup = std::function<Result<std::string>(std::string_view from, std::string_view path)>;

// One thing wrong. `message` quotes what the operator wrote: it goes back to who sent the file,
// never into the log.
struct Problem {
  std::string file;
  int line = 0;  // 1-based; 0: the file as a whole
  int column = 0;
  std::string message;
  bool operator==(const Problem&) const = default;

  std::string str() const;  // "file:line:column: message"
};

struct Limits {
  std::size_t files = 1000;
  std::size_t file_bytes = 1024 * 1024;
  std::size_t total_bytes = 32 * 1024 * 1024;
  std::size_t resources = 10'000;
  std::size_t problems = 100;  // reported; the rest is counted in a last line
};

// Names which the desired state may refer to though no file declares them (for `stint agent add`
// and its like, which change one thing of a running server).
struct Known {
  const Resources* existing = nullptr;
};

// Reads all files as one desired state. Every problem is reported at once, ordered by file and
// position: unknown keys and names (with the nearest known one), missing and ill-typed values,
// doubles, dangling references, bad URLs, route templates and keys, policies that do not validate
// against the schema, that name groups nobody declared, or upstreams, agents and actions that do
// not exist.
//
// Threads:  any; `lookup` is called on the caller's.
// Blocking: only as `lookup` does. Limits: `limits`, before parsing.
// Closed:   any problem: no resources at all.
std::expected<Resources, std::vector<Problem>> parse(std::span<const File> files,
                                                     const Lookup& lookup, const Known& known = {},
                                                     const Limits& limits = {});

// The published JSON Schema of these files (schema/stint.schema.json) as generated from the tables
// that parse() and parse_config() read by.
std::string schema_text();

}  // namespace stint::resource
