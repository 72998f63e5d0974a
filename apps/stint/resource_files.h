#pragma once

#include <map>
#include <string>
#include <vector>

#include "failure.h"
#include "stint/resource/parse.h"
#include "stint/resource/resource.h"

namespace stint::cli {

// A directory of resource files as a person keeps it in git.
struct ResourceFiles {
  resource::Resources resources;
  // Where each credential's value is, for those of source `file`: the path, beside the YAML file
  // that names it.
  std::map<std::string, std::string> value_paths;
};

struct Problems {
  std::vector<resource::Problem> all;
  bool readable = true;  // false: the directory itself cannot be read
};

// Reads DIR and what is below it: *.yaml, *.yml and *.cedar, but *_test.yaml and what begins with a
// dot; or one such file. Paths are shown as they were reached, policies are named by their path
// below DIR. Symbolic links to directories are not followed.
std::expected<ResourceFiles, Problems> read_resources(const std::string& directory);

// The files themselves, for `stint policy check`.
std::expected<std::vector<resource::File>, Problems> resource_files(const std::string& directory);

}  // namespace stint::cli
