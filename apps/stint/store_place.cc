#include "store_place.h"

#include <filesystem>
#include <memory>

#include "files.h"

namespace stint::cli {
namespace {

constexpr std::size_t kPasswordBytes = 4096;

std::string canonical(const std::string& path) {
  std::error_code ec;
  const auto whole = std::filesystem::weakly_canonical(path, ec);
  return ec ? path : whole.string();
}

}  // namespace

Outcome<StorePlace> store_place(const resource::Config& config, const std::string& home) {
  const auto& given = config.store;
  StorePlace place;
  if (given.url.empty()) {
    place.where.path = given.path.empty() ? join_path(home, "stint.db") : given.path;
    place.name = "the store " + place.where.path;
    return place;
  }
  place.name = "the database of store.url";
  place.where.postgres = store::PostgresOptions{.url = given.url, .password = nullptr};
  const std::string credentials = environment("CREDENTIALS_DIRECTORY");
  const std::string loaded = join_path(credentials, "stint-postgres-password");
  const bool named = !given.password_file.empty();
  if (!named && (credentials.empty() || !std::filesystem::exists(loaded))) return place;
  const std::string& file = named ? given.password_file : loaded;
  auto password = read_secret_line(file, !named, kPasswordBytes);
  if (!password) return std::unexpected(Failure::of(password.error(), "cannot read " + file));
  place.where.postgres->password = std::make_shared<const Secret>(*std::move(password));
  return place;
}

bool same_store(const resource::Config& a, const resource::Config& b, const std::string& home) {
  if (!a.store.url.empty() || !b.store.url.empty()) return a.store.url == b.store.url;
  const auto path = [&](const resource::Config& c) {
    return canonical(c.store.path.empty() ? join_path(home, "stint.db") : c.store.path);
  };
  return path(a) == path(b);
}

}  // namespace stint::cli
