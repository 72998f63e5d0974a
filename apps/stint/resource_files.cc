#include "resource_files.h"

#include <algorithm>
#include <filesystem>

#include "files.h"
#include "stint/codec/yaml.h"

namespace stint::cli {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMaxFile = 1024 * 1024;

Problems problem(std::string file, std::string message) {
  return {.all = {{.file = std::move(file), .message = std::move(message)}}, .readable = false};
}

bool wanted(const fs::path& path) {
  const std::string name = path.filename().string(), kind = path.extension().string();
  if (name.starts_with('.') || name.ends_with("_test.yaml") || name.ends_with("_test.yml"))
    return false;
  return kind == ".yaml" || kind == ".yml" || kind == ".cedar";
}

// Relative paths inside the directory, sorted, so that two machines see one order.
std::expected<std::vector<std::string>, Problems> names_below(const fs::path& root) {
  std::vector<std::string> out;
  std::error_code ec;
  fs::recursive_directory_iterator it(root, ec);
  for (; !ec && it != fs::recursive_directory_iterator(); it.increment(ec)) {
    const fs::path& path = it->path();
    if (it->is_directory() && path.filename().string().starts_with('.')) {
      it.disable_recursion_pending();
      continue;
    }
    if (it->is_regular_file() && wanted(path)) out.push_back(fs::relative(path, root).string());
  }
  if (ec) return std::unexpected(problem(root.string(), ec.message()));
  std::ranges::sort(out);
  return out;
}

// Which file says `credential: NAME`, since its `path` is relative to that.
std::map<std::string, fs::path> credential_files(const std::vector<resource::File>& files) {
  std::map<std::string, fs::path> out;
  for (const resource::File& f : files) {
    if (f.path.ends_with(".cedar")) continue;
    const auto documents = yaml::parse_documents(f.bytes);
    if (!documents) continue;
    for (const yaml::Node& d : *documents)
      if (const yaml::Node* name = d.find("credential"); name != nullptr && name->is_scalar())
        out.emplace(name->scalar, fs::path(f.path));
  }
  return out;
}

fs::path beside(const fs::path& root, const fs::path& from, const std::string& path) {
  return fs::path(path).is_absolute() ? fs::path(path) : root / from.parent_path() / path;
}

}  // namespace

std::expected<std::vector<resource::File>, Problems> resource_files(const std::string& directory) {
  std::error_code ec;
  std::vector<resource::File> out;
  if (fs::is_regular_file(directory, ec)) {
    auto bytes = read_file(directory, kMaxFile);
    if (!bytes)
      return std::unexpected(problem(directory, std::string(bytes.error().reason.text())));
    out.push_back({.path = fs::path(directory).filename().string(), .bytes = *std::move(bytes)});
    return out;
  }
  auto names = names_below(directory);
  if (!names) return std::unexpected(names.error());
  if (names->empty())
    return std::unexpected(problem(directory, "no .yaml, .yml or .cedar file here"));
  for (const std::string& name : *names) {
    auto bytes = read_file(join_path(directory, name), kMaxFile);
    if (!bytes)
      return std::unexpected(
          problem(join_path(directory, name), std::string(bytes.error().reason.text())));
    out.push_back({.path = name, .bytes = *std::move(bytes)});
  }
  return out;
}

std::expected<ResourceFiles, Problems> read_resources(const std::string& directory) {
  std::error_code ec;
  const fs::path root =
      fs::is_regular_file(directory, ec) ? fs::path(directory).parent_path() : fs::path(directory);
  auto files = resource_files(directory);
  if (!files) return std::unexpected(files.error());
  const resource::Lookup lookup = [&](std::string_view from,
                                      std::string_view path) -> Result<std::string> {
    return read_file(beside(root, fs::path(from), std::string(path)).string(), kMaxFile);
  };
  auto parsed = resource::parse(*files, lookup);
  if (!parsed) {
    Problems out{.all = std::move(parsed).error()};
    for (resource::Problem& p : out.all)
      if (!p.file.empty()) p.file = (root / p.file).string();
    return std::unexpected(std::move(out));
  }
  ResourceFiles out{.resources = *std::move(parsed)};
  const auto where = credential_files(*files);
  for (const resource::Credential& c : out.resources.credentials) {
    const auto from = where.find(c.name);
    if (c.source == resource::Credential::Source::kFile && from != where.end())
      out.value_paths[c.name] = beside(root, from->second, c.path).string();
  }
  return out;
}

}  // namespace stint::cli
