#include "stint/audit/log_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "log_checker.h"
#include "stint/merkle/proof.h"

namespace stint::audit {

using merkle::Hash;
using merkle::kTileWidth;
using merkle::TileId;
using merkle::TileKind;

LogReport LogChecker::run() {
  if (!read_checkpoint()) return finish();
  read_claims();
  while (next_ < report_.head.size && read_bundle()) {
  }
  report_.entries = next_;
  if (next_ == report_.head.size) {
    check_partials();
    judge_hashes();
  }
  judge_older();
  // What edited entries say is no evidence: the rules are judged over a log that is as signed.
  if (report_.problems.empty()) {
    for (const auto& f : story_.finish()) told(f);
    for (auto& p : told_) add(std::move(p));
  }
  judge_receipt();
  return finish();
}

LogReport LogChecker::finish() {
  // What concerns the whole log first, then by entry.
  std::ranges::sort(report_.problems, {}, [](const Problem& p) {
    return std::tuple(p.first.has_value(), p.first.value_or(0), std::string_view(p.what));
  });
  if (report_.problems.size() > kMaxProblems) {
    report_.more_problems += report_.problems.size() - kMaxProblems;
    report_.problems.resize(kMaxProblems);
  }
  return std::move(report_);
}

void LogChecker::add(Problem problem) {
  if (report_.problems.size() < kMaxKept) {
    report_.problems.push_back(std::move(problem));
  } else {
    ++report_.more_problems;
  }
}

bool LogChecker::read_checkpoint() {
  const auto note = check_.read("checkpoint");
  if (!note) {
    add({.file = "checkpoint", .what = std::string(note.error().reason.text())});
    return false;
  }
  if (const auto head = merkle::verify_checkpoint(*note, check_.keys)) {
    report_.head = *head;
    report_.signer = head->origin;
    return true;
  } else {
    add({.file = "checkpoint", .what = std::string(head.error().reason.text())});
  }
  // Not signed by a known key: still find out whether the files agree with it.
  const auto parsed = merkle::parse_note(*note);
  if (!parsed) return false;
  const auto head = merkle::parse_checkpoint(parsed->text);
  if (!head) return false;
  report_.head = *head;
  return true;
}

// The older checkpoint and the receipt say what the tree was at some size: watch for these sizes.
void LogChecker::read_claims() {
  if (check_.older_checkpoint) {
    const auto older = merkle::verify_checkpoint(*check_.older_checkpoint, check_.keys);
    if (older) {
      older_ = *older;
      roots_at_[older->size] = {};
    } else {
      add({.file = "older checkpoint", .what = std::string(older.error().reason.text())});
    }
  }
  if (check_.receipt) {
    const auto receipt = verify_receipt(*check_.receipt, check_.keys);
    if (receipt) {
      report_.receipt = *receipt;
      roots_at_[receipt->tree_size] = {};
      recount_.emplace(receipt->task);
    } else {
      add({.file = "receipt", .what = std::string(receipt.error().reason.text())});
    }
  }
}

// A partial tile may have been replaced by a wider one of a later checkpoint: its beginning is the
// same.
Result<std::string> LogChecker::read_tile(TileId id) {
  auto bytes = check_.read(merkle::path(id));
  if (bytes || bytes.error().code != Errc::kNotFound || id.width == kTileWidth) return bytes;
  id.width = kTileWidth;
  return check_.read(merkle::path(id));
}

bool LogChecker::read_bundle() {
  const std::uint64_t tile = next_ / kTileWidth;
  const auto width =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(kTileWidth, report_.head.size - next_));
  const TileId bundle_id{TileKind::kEntries, 0, tile, width};
  const TileId leaves_id{TileKind::kHashes, 0, tile, width};

  const auto bundle = read_tile(bundle_id);
  if (!bundle) {
    add({.first = next_,
         .last = report_.head.size - 1,
         .file = merkle::path(bundle_id),
         .what = fmt::format("{}: {}; the log is cut short here", merkle::path(bundle_id),
                             bundle.error().reason.text())});
    return false;
  }
  const std::vector<std::string_view> entries = split(*bundle, width, bundle_id);
  const std::vector<Hash> tiled = read_leaves(leaves_id);

  std::vector<Hash> said, listed;  // by the entries, by the tile
  for (std::size_t i = 0; i < width; ++i) {
    const bool here = i < entries.size();
    const bool there = i < tiled.size();
    if (!here && !there) break;
    said.push_back(here ? merkle::leaf_hash(entries[i]) : tiled[i]);
    listed.push_back(there ? tiled[i] : said.back());
    if (here) read_entry(next_ + i, entries[i], said.back(), listed.back());
  }
  grow(said, listed);
  if (said.size() < width) return false;  // already reported: neither file says how to go on
  next_ += width;
  return true;
}

std::vector<std::string_view> LogChecker::split(std::string_view bytes, std::uint32_t width,
                                                const TileId& id) {
  std::vector<std::string_view> out;
  while (out.size() < width && bytes.size() >= 2) {
    const std::size_t length = static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[0])) << 8 |
                               static_cast<std::uint8_t>(bytes[1]);
    if (bytes.size() - 2 < length) break;
    out.push_back(bytes.substr(2, length));
    bytes.remove_prefix(2 + length);
  }
  if (out.size() < width) {
    add({.first = next_ + out.size(),
         .last = next_ + width - 1,
         .file = merkle::path(id),
         .what = fmt::format("{}: entry bundle cut short", merkle::path(id))});
  }
  return out;
}

std::vector<Hash> LogChecker::read_leaves(const TileId& id) {
  const auto bytes = read_tile(id);
  const std::size_t wanted = id.width * sizeof(Hash);
  if (bytes && bytes->size() >= wanted) {
    return merkle::parse_hashes(std::string_view(*bytes).substr(0, wanted), id.width).value();
  }
  add({.first = next_,
       .last = next_ + id.width - 1,
       .file = merkle::path(id),
       .what = fmt::format("{}: {}", merkle::path(id),
                           bytes ? "hash tile length" : bytes.error().reason.text())});
  return {};
}

void LogChecker::read_entry(std::uint64_t index, std::string_view bytes, const Hash& said,
                            const Hash& listed) {
  if (said != listed) {
    changed_.push_back({index, said, listed, kind_of_bytes(bytes).value_or("")});
  }
  const auto entry = parse(bytes);
  if (!entry) {
    told_.push_back({.first = index,
                     .last = index,
                     .kind = kind_of_bytes(bytes).value_or(""),
                     .what = fmt::format("not an event: {}", entry.error().reason.text())});
    return;
  }
  ++report_.by_kind[std::string(kind(entry->event))];
  for (const auto& f : story_.add(index, *entry)) told(f);
  if (recount_ && index < report_.receipt->tree_size &&
      task_of(entry->event) == report_.receipt->task &&
      !std::holds_alternative<ReceiptSigned>(entry->event)) {
    const auto counted = recount_->add(index, said, entry->event, entry->time);
    if (!counted && !recount_error_) recount_error_ = counted.error();
  }
}

void LogChecker::told(const Story::Finding& f) {
  std::string what = fmt::format("the rules forbid it: {}", f.rule.text());
  if (f.task) what += fmt::format(" ({})", f.task->str());
  told_.push_back(
      {.first = f.index, .last = f.index, .kind = std::string(f.kind), .what = std::move(what)});
}

// Both readings of the log grow side by side: as the entries say, and as the leaf hashes list.
void LogChecker::grow(const std::vector<Hash>& said, const std::vector<Hash>& listed) {
  for (std::size_t i = 0; i < said.size(); ++i) {
    if (const auto at = roots_at_.find(by_entries_.size()); at != roots_at_.end()) {
      at->second = {by_entries_.root(), by_tiles_.root()};
    }
    const auto from_entries = by_entries_.append({&said[i], 1});
    const auto from_tiles = by_tiles_.append({&listed[i], 1});
    for (std::size_t t = 0; t < from_entries.size(); ++t) {
      check_tile(from_entries[t], from_tiles[t]);
    }
  }
}

void LogChecker::check_partials() {
  if (const auto at = roots_at_.find(next_); at != roots_at_.end()) {
    at->second = {by_entries_.root(), by_tiles_.root()};
  }
  const auto from_entries = by_entries_.partials();
  const auto from_tiles = by_tiles_.partials();
  for (std::size_t t = 0; t < from_entries.size(); ++t) check_tile(from_entries[t], from_tiles[t]);
}

// Tiles above the leaves. One that agrees with either reading is right; which reading is right, the
// root decides.
void LogChecker::check_tile(const merkle::TileData& said, const merkle::TileData& listed) {
  if (said.id.level == 0) return;  // compared entry by entry
  const std::string path = merkle::path(said.id);
  const auto bytes = read_tile(said.id);
  if (!bytes || bytes->size() < said.bytes.size()) {
    add({.file = path,
         .what = fmt::format("{}", bytes ? "hash tile length" : bytes.error().reason.text())});
    return;
  }
  const std::string_view found = std::string_view(*bytes).substr(0, said.bytes.size());
  if (found == said.bytes || found == listed.bytes) return;
  std::size_t i = 0;
  const auto same = [&](std::size_t n) {
    const auto part = found.substr(n * sizeof(Hash), sizeof(Hash));
    return part == std::string_view(said.bytes).substr(n * sizeof(Hash), sizeof(Hash)) ||
           part == std::string_view(listed.bytes).substr(n * sizeof(Hash), sizeof(Hash));
  };
  while (i + 1 < said.id.width && same(i)) ++i;
  const std::uint64_t span = std::uint64_t{1} << (8 * said.id.level);
  const std::uint64_t first = (said.id.index * kTileWidth + i) * span;
  above_.push_back({path, first, first + span - 1});
}

void LogChecker::judge_hashes() {
  const Hash& root = report_.head.root;
  by_entries_right_ = by_entries_.root() == root;
  by_tiles_right_ = by_tiles_.root() == root;
  const bool right = by_entries_right_ || by_tiles_right_;

  for (const Changed& c : changed_) {
    const std::string tile = merkle::path({TileKind::kHashes, 0, c.index / kTileWidth, kTileWidth});
    std::string what =
        by_tiles_right_
            ? fmt::format(
                  "its bytes do not hash to its leaf in {}, which the signed root covers: "
                  "the entry was changed",
                  tile)
        : by_entries_right_
            ? fmt::format(
                  "its leaf in {} is not the hash of its bytes, which the signed root "
                  "covers: the tile was changed",
                  tile)
            : fmt::format("its bytes do not hash to its leaf in {}, and the root covers neither",
                          tile);
    const auto origin = std::ranges::find(changed_, c.said, &Changed::listed);
    if (origin != changed_.end()) what += fmt::format("; it holds entry {}", origin->index);
    add({.first = c.index, .last = c.index, .kind = c.kind, .what = std::move(what)});
  }
  for (const Above& a : above_) {
    add({.first = a.first,
         .last = a.last,
         .file = a.file,
         .what = right ? fmt::format("{} does not hold their hash, which the signed root covers: "
                                     "the tile was changed",
                                     a.file)
                       : fmt::format("{} does not hold their hash: entries and leaf hashes were "
                                     "changed together",
                                     a.file)});
  }
  if (right || !changed_.empty() || !above_.empty()) return;
  add({.first = 0,
       .last = next_ == 0 ? 0 : next_ - 1,
       .what =
           "their root is not the checkpoint's, though every tile agrees with every entry: log or "
           "checkpoint was replaced as a whole"});
}

// What the tree was at a size: by the reading that the signed root bears out.
std::optional<Hash> LogChecker::root_at(std::uint64_t size) const {
  if (size > next_) return std::nullopt;
  const auto& [said, listed] = roots_at_.at(size);
  return by_tiles_right_ ? listed : said;
}

void LogChecker::judge_older() {
  if (!older_) return;
  if (older_->origin != report_.head.origin) {
    return add({.file = "older checkpoint", .what = "it is of another log"});
  }
  if (older_->size > report_.head.size) {
    return add({.first = report_.head.size,
                .last = older_->size - 1,
                .what = fmt::format("the log ends before them, but an older checkpoint was signed "
                                    "over {} entries: the log was truncated",
                                    older_->size)});
  }
  const auto then = root_at(older_->size);
  if (then && *then != older_->root) {
    add({.first = 0,
         .last = older_->size == 0 ? 0 : older_->size - 1,
         .what = "they are not the entries that the older checkpoint was signed over: the log was "
                 "forked"});
  }
}

void LogChecker::judge_receipt() {
  if (!report_.receipt) return;
  const Receipt& receipt = *report_.receipt;
  const auto wrong = [&](std::string what) { add({.file = "receipt", .what = std::move(what)}); };
  if (receipt.tree_size > report_.head.size) return wrong("it is newer than the log");
  const auto then = root_at(receipt.tree_size);
  if (then && *then != receipt.tree_root) {
    return wrong("its checkpoint is not of this log");
  }
  if (recount_error_) return wrong(std::string(recount_error_->reason.text()));
  const auto again = recount_->finish({report_.head.origin, receipt.tree_size, receipt.tree_root});
  if (!again) return wrong(std::string(again.error().reason.text()));
  for (std::size_t i = 0; i < receipt.life.size(); ++i) {
    const auto& event = receipt.life[i];
    if (i < again->life.size() && again->life[i] == event) continue;
    return add({.first = event.index,
                .last = event.index,
                .file = "receipt",
                .what = "the receipt names it as part of the task's life, and the log holds "
                        "something else there"});
  }
  if (!(*again == receipt)) wrong("it sums the task up differently than the log does");
}

LogReport check_log(const LogCheck& check) { return LogChecker(check).run(); }

std::string text(const Problem& p) {
  std::string out;
  if (p.first && p.last && *p.first != *p.last) {
    out = fmt::format("entries {} to {}", *p.first, *p.last);
  } else if (p.first) {
    out = fmt::format("entry {}", *p.first);
  } else {
    out = p.file;
  }
  if (!p.kind.empty()) out += fmt::format(" ({})", p.kind);
  return out + ": " + p.what;
}

}  // namespace stint::audit
