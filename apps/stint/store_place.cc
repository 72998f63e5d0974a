#include "store_place.h"

#include <filesystem>
#include <memory>

#include "files.h"

namespace stint::cli {
namespace {

constexpr std::size_t kPasswordBytes = 4096;

// What was read of a file, as one line.
Outcome<Secret> secret_line(Result<std::string> text, const std::string& path) {
  if (!text) return std::unexpected(Failure::of(text.error(), "cannot read " + path));
  while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
  return Secret(*std::move(text));
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
  // What a service manager loaded is ours alone, whatever its mode says.
  auto password = named ? secret_line(read_private_file(given.password_file, kPasswordBytes),
                                      given.password_file)
                        : secret_line(read_file(loaded, kPasswordBytes), loaded);
  if (!password) return std::unexpected(password.error());
  place.where.postgres->password = std::make_shared<const Secret>(*std::move(password));
  return place;
}

}  // namespace stint::cli
