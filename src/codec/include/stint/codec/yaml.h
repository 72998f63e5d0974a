#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/error.h"

// YAML for files that people write: plain data with positions, so that a refusal names a line.
//
// Threads:   any; a Node is a plain value that owns its text.
// Blocking:  never; reads no file. Never throws but std::bad_alloc.
// Refused:   anchors, aliases, merge keys, tags, duplicate keys, keys that are not text, byte order
//            marks, control characters. Types are not guessed: a scalar is its text, and the as_*
//            functions read it.
namespace stint::yaml {

struct Limits {
  std::size_t bytes = 1024 * 1024;
  std::size_t depth = 32;
  std::size_t nodes = 100'000;
  std::size_t documents = 1'000;
};

enum class Kind : std::uint8_t { kNull, kScalar, kSequence, kMap };

struct Member;

struct Node {
  Kind kind = Kind::kNull;
  std::string scalar;       // kScalar
  std::vector<Member> map;  // kMap, in file order; every key is a kScalar
  std::vector<Node> seq;    // kSequence
  int line = 0;             // 1-based
  int column = 0;           // 1-based
  bool quoted = false;      // kScalar in quotes or a block: never a number or bool

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_sequence() const { return kind == Kind::kSequence; }
  bool is_map() const { return kind == Kind::kMap; }

  // The value under a key of a map; nullptr when absent or when this is no map.
  const Node* find(std::string_view key) const;
  const Node* key_node(std::string_view key) const;  // the key itself, for its position
};

struct Member {
  Node key;
  Node value;
};

// Plain scalars only, so that "true" in quotes stays text: `true` or `false`; a decimal int64 with
// no plus sign, no leading zero, no underscore.
std::optional<bool> as_bool(const Node& node);
std::optional<std::int64_t> as_int(const Node& node);

struct YamlError {
  Error error;
  int line;  // 1-based; 0 when the whole text is meant
  int column;
};

// All documents of a text; empty ones (a lone `---`) are left out.
// Errors: kTooLarge "yaml too large", "yaml too deep", "yaml too many nodes",
// "yaml too many documents"; kMalformed "yaml duplicate key", "yaml key is not text",
// "yaml control character", "yaml utf-8", "yaml syntax"; kUnsupported "yaml anchor", "yaml alias",
// "yaml merge key", "yaml tag".
std::expected<std::vector<Node>, YamlError> parse_documents(std::string_view text,
                                                            Limits limits = {});

}  // namespace stint::yaml
