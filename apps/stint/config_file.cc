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

resource::Environment taken(Variables variables) {
  resource::Environment out;
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string_view pair(*e);
    const auto eq = pair.find('=');
    if (variables == Variables::kNotOfTheRootKey && pair.starts_with("STINT_ROOT_KEY__")) continue;
    if (eq != std::string_view::npos) out.emplace(pair.substr(0, eq), pair.substr(eq + 1));
  }
  return out;
}

}  // namespace

std::expected<resource::Config, Exit> load_config(const Context& ctx, const std::string& path,
                                                  Variables variables, bool as_json) {
  std::optional<resource::File> file;
  if (!path.empty()) {
    auto bytes = read_file(path, 256 * 1024);
    if (!bytes)
      return std::unexpected(
          ctx.io.failed(Failure::of(bytes.error(), "cannot read " + path), as_json));
    file = resource::File{path, *std::move(bytes)};
  }
  auto config = resource::parse_config(file, taken(variables));
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
