#include "listing.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace stint::cli {
namespace {

constexpr std::size_t kPage = 200;

struct Items {
  json::Array items;
  json::Value next = nullptr;
};

Outcome<Items> fetch(const Remote& remote, const std::string& path, Query query,
                     const ListOptions& o) {
  Items out;
  std::string after = o.after;
  query.emplace_back("after", "");
  query.emplace_back("limit", "");
  do {
    query[query.size() - 2].second = after;
    query.back().second = std::to_string(std::min(kPage, o.limit - out.items.size()));
    auto page = remote.get(with_query(path, query));
    if (!page) return std::unexpected(page.error());
    const auto items = json::array_at(*page, "items");
    if (!items) return std::unexpected(Failure::of(items.error(), "the answer cannot be read"));
    for (const json::Value& v : **items) out.items.push_back(v);
    const auto* next = page->if_contains("next");
    out.next = next == nullptr ? json::Value(nullptr) : *next;
    if (out.next.is_string()) after = std::string(out.next.get_string());
    if (out.next.is_int64()) after = std::to_string(out.next.get_int64());
  } while (!out.next.is_null() && out.items.size() < o.limit);
  return out;
}

}  // namespace

void add_list_options(CLI::App& verb, ListOptions& o) {
  verb.add_option("--limit", o.limit, "At most so many")
      ->check(CLI::Range(std::size_t{1}, std::size_t{100'000}))
      ->capture_default_str();
  verb.add_option("--after", o.after, "Go on after this one");
  verb.add_flag("--json", o.json, "One JSON object on stdout");
}

Exit list_items(Context& ctx, const Remote& remote, const std::string& path, Query query,
                const ListOptions& o, const std::vector<std::string>& heading,
                const std::function<std::vector<std::string>(const json::Object&)>& row) {
  auto found = fetch(remote, path, std::move(query), o);
  if (!found) return ctx.io.failed(found.error(), o.json);
  if (o.json) {
    ctx.io.json(json::Object{{"items", std::move(found->items)}, {"next", std::move(found->next)}});
    return Exit::kDone;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::Value& v : found->items)
    if (v.is_object()) rows.push_back(row(v.get_object()));
  ctx.io.data(table(heading, rows));
  if (found->next.is_string())
    ctx.io.say(fmt::format("more: --after {}", printable(found->next.get_string())));
  return Exit::kDone;
}

std::string as_lines(const json::Object& o) {
  std::size_t width = 0;
  for (const auto& m : o) width = std::max(width, m.key().size());
  std::string out;
  for (const auto& m : o) {
    if (m.value().is_null()) continue;
    const std::string text = m.value().is_string() ? printable(m.value().get_string())
                                                   : printable(json::write(m.value()));
    const bool block = text.find('\n') != std::string::npos;
    out += fmt::format("{:<{}}  {}{}\n", std::string_view(m.key()), width, block ? "\n" : "", text);
  }
  return out;
}

Exit show_object(Context& ctx, const json::Object& o, bool as_json) {
  if (as_json)
    ctx.io.json(o);
  else
    ctx.io.data(as_lines(o));
  return Exit::kDone;
}

std::string short_time(const std::string& t) {
  return t.size() < 19 ? t : t.substr(0, 10) + " " + t.substr(11, 8);
}

}  // namespace stint::cli
