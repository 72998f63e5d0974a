#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/audit/event.h"
#include "stint/audit/receipt.h"
#include "stint/merkle/checkpoint.h"
#include "stint/merkle/note.h"

namespace stint::audit {

// One thing that is wrong with a log, in words: which entry, which file, what, and why that is
// known.
struct Problem {
  std::optional<std::uint64_t> first, last;  // entries concerned; last is inclusive
  std::string kind;                          // of the first entry's event, when readable
  std::string file;                          // path in the log's directory; may be empty
  std::string what;
};

struct LogReport {
  merkle::Checkpoint head;                       // as its note says, verified or not
  std::string signer;                            // the key's name; empty: no known key signed
  std::uint64_t entries = 0;                     // read
  std::map<std::string, std::uint64_t> by_kind;  // events that could be read
  std::vector<Problem> problems;                 // the first entry concerned comes first
  std::uint64_t more_problems = 0;               // not listed
  std::optional<Receipt> receipt;                // as its signed note says, when one was given
  bool ok() const { return problems.empty(); }
};

struct LogCheck {
  // Reads one file of the log by its path: "checkpoint", "tile/0/000", "tile/entries/000.p/7".
  // kNotFound: absent. A file is read once, except tiles that a proof needs.
  std::function<Result<std::string>(const std::string& path)> read;
  std::span<const merkle::NoteKey> keys;
  // The note of a checkpoint that was seen before: the log must extend it.
  std::optional<std::string> older_checkpoint;
  // The note of a receipt, to be checked against this log in full: signature, lines, tree, events,
  // counts.
  std::optional<std::string> receipt;
};

// Recomputes all of a log from its files: every entry's leaf hash, every tile, the root, the
// signature; then what the entries say (Story). Trusts nothing but the keys.
// Memory: one bundle, and what Story keeps. Blocking: as `read` does. Never throws.
LogReport check_log(const LogCheck& check);

inline constexpr std::size_t kMaxProblems = 20;

// "entry 17 (decision): …", one line, no line breaks or control characters.
std::string text(const Problem& problem);

}  // namespace stint::audit
