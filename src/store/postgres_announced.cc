#include "postgres_announced.h"

#include <algorithm>
#include <utility>

namespace stint::store {
namespace {

bool in_word(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// All values in one text: equal texts, equal values.
std::string text_of(std::span<const Param> parameters) {
  std::string out;
  for (const Param& p : parameters) {
    out += static_cast<char>('0' + static_cast<int>(p.kind()));
    if (p.kind() == Param::Kind::kInteger) {
      out += std::to_string(p.integer());
      out += ';';
    } else {
      out += std::to_string(p.bytes().size());
      out += ':';
      out += p.bytes();
    }
  }
  return out;
}

}  // namespace

void PgAnnounced::sent(const PgStatement& statement, std::string_view sql,
                       std::span<const Param> parameters) {
  reads_.push_back(
      {.statement = &statement, .sql = sql, .parameters = text_of(parameters), .rows = nullptr});
}

void PgAnnounced::answered(PgResult rows) {
  const auto at = std::ranges::find(reads_, false, &Read::came);
  if (at == reads_.end()) return;
  at->came = true;
  at->counts = at->counts && rows != nullptr;
  at->rows = std::move(rows);
  // Those that nobody wants any more need not be kept for their place.
  while (!reads_.empty() && reads_.front().came && !reads_.front().counts) reads_.pop_front();
}

PgAnnounced::Read* PgAnnounced::find(const PgStatement& statement,
                                     std::span<const Param> parameters) {
  if (reads_.empty()) return nullptr;
  const auto wanted = text_of(parameters);
  const auto at = std::ranges::find_if(reads_, [&](const Read& r) {
    return r.counts && r.statement == &statement && r.parameters == wanted;
  });
  return at == reads_.end() ? nullptr : &*at;
}

PgResult PgAnnounced::take(const PgStatement& statement, std::span<const Param> parameters) {
  Read* const read = find(statement, parameters);
  if (read == nullptr || !read->came) return nullptr;
  read->counts = false;
  return std::move(read->rows);
}

void PgAnnounced::changed(std::string_view table) {
  for (Read& read : reads_) read.counts = read.counts && !reads(read.sql, table);
}

void PgAnnounced::forget() {
  for (Read& read : reads_) read.counts = false;
  if (std::ranges::all_of(reads_, &Read::came)) reads_.clear();
}

bool PgAnnounced::reads(std::string_view sql, std::string_view table) {
  for (auto at = sql.find(table); at != std::string_view::npos; at = sql.find(table, at + 1)) {
    const auto end = at + table.size();
    if ((at > 0 && in_word(sql[at - 1])) || (end < sql.size() && in_word(sql[end]))) continue;
    const auto before = sql.substr(0, at).find_last_not_of(" \n(");
    if (before == std::string_view::npos) continue;
    const auto head = sql.substr(0, before + 1);
    if (head.ends_with(',') || head.ends_with("FROM") || head.ends_with("JOIN")) return true;
  }
  return false;
}

}  // namespace stint::store
