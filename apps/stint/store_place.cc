#include "store_place.h"

#include <memory>

#include "files.h"

namespace stint::cli {
namespace {

// One line of a file that others may not read.
Outcome<Secret> read_secret_line(const std::string& path) {
  auto text = read_private_file(path, 4096);
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
  if (given.password_file.empty()) return place;
  auto password = read_secret_line(given.password_file);
  if (!password) return std::unexpected(password.error());
  place.where.postgres->password = std::make_shared<const Secret>(*std::move(password));
  return place;
}

}  // namespace stint::cli
