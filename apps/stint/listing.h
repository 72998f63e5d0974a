#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "context.h"
#include "remote.h"

namespace CLI {
class App;
}

namespace stint::cli {

// What every list takes.
struct ListOptions {
  std::size_t limit = 100;
  std::string after;
  bool json = false;
};
void add_list_options(CLI::App& verb, ListOptions& o);

using Query = std::vector<std::pair<std::string, std::string>>;

// Pages through `path` until `limit` items have come. As JSON: {"items":[…],"next":…}; else a table
// of `row` of each, on stdout, and how to go on, on stderr.
Exit list_items(Context& ctx, const Remote& remote, const std::string& path, Query query,
                const ListOptions& o, const std::vector<std::string>& heading,
                const std::function<std::vector<std::string>(const json::Object&)>& row);

// An object for people: a line a member, nested ones as compact JSON.
std::string as_lines(const json::Object& o);
Exit show_object(Context& ctx, const json::Object& o, bool as_json);

// "2026-11-22T03:04:05.678Z" -> "2026-11-22 03:04:05".
std::string short_time(const std::string& rfc3339);

}  // namespace stint::cli
