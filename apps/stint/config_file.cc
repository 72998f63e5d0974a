#include "config_file.h"

#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>

#include "failure.h"
#include "files.h"
#include "stint/codec/json.h"

extern char** environ;

namespace stint::cli {
namespace {

resource::Environment variables() {
  resource::Environment out;
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string_view pair(*e);
    const auto eq = pair.find('=');
    if (eq != std::string_view::npos) out.emplace(pair.substr(0, eq), pair.substr(eq + 1));
  }
  return out;
}

}  // namespace

std::expected<resource::Config, Exit> load_config(const Context& ctx, const std::string& path,
                                                  bool with_variables, bool as_json) {
  std::optional<resource::File> file;
  if (!path.empty()) {
    auto bytes = read_file(path, 256 * 1024);
    if (!bytes)
      return std::unexpected(
          ctx.io.failed(Failure::of(bytes.error(), "cannot read " + path), as_json));
    file = resource::File{path, *std::move(bytes)};
  }
  auto config =
      resource::parse_config(file, with_variables ? variables() : resource::Environment());
  if (config) return *std::move(config);
  json::Array problems;
  for (const auto& p : config.error()) {
    ctx.io.say(p.str());
    problems.emplace_back(p.str());
  }
  if (as_json) ctx.io.json(json::Object{{"ok", false}, {"problems", std::move(problems)}});
  return std::unexpected(Exit::kUsage);
}

}  // namespace stint::cli
