#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stint/base/error.h"
#include "stint/codec/json.h"

namespace stint::audit {

// A JSON object as RFC 8785 text: what goes into an event as it is.
class Canonical {
 public:
  Canonical() : text_("{}") {}
  explicit Canonical(const json::Object& object);
  // Errors: kMalformed "not canonical json", and json::parse's.
  static Result<Canonical> parse(std::string_view text);
  const std::string& text() const { return text_; }
  bool empty() const { return text_ == "{}"; }
  bool operator==(const Canonical&) const = default;

 private:
  friend class ObjectWriter;
  friend class SortedWriter;
  std::string text_;
};

// Writes one RFC 8785 object straight to text: members may be added in any order and are sorted at
// the end. For the hot path, where a JSON tree would cost more than the decision.
//
// Keys are ASCII literals, each given once. Strings must be UTF-8 (not checked here). Integers
// beyond ±(2^53-1) are a programming error. Threads: one at a time.
class ObjectWriter {
 public:
  void add(std::string_view key, std::string_view text);
  void add(std::string_view key, const char* text) { add(key, std::string_view(text)); }
  void add(std::string_view key, const std::string& text) { add(key, std::string_view(text)); }
  void add(std::string_view key, std::int64_t number);
  void add(std::string_view key, int number) { add(key, std::int64_t{number}); }
  void add(std::string_view key, bool value);
  void add(std::string_view key, std::span<const std::string> texts);
  void add_raw(std::string_view key, std::string_view canonical_json);
  // The writer is empty afterwards.
  Canonical finish();
  std::string finish_text();

 private:
  struct Member {
    std::string_view key;
    std::size_t start, length;
  };
  void open(std::string_view key);
  void close() { members_.back().length = values_.size() - members_.back().start; }
  std::string values_;
  std::vector<Member> members_;
};

// Writes one RFC 8785 object, nested ones in place, for who knows the order of its keys: members
// are given sorted by key, which is asserted. Otherwise as ObjectWriter.
class SortedWriter {
 public:
  SortedWriter() { text_.reserve(1024); }
  void add(std::string_view key, std::string_view text);
  void add(std::string_view key, const char* text) { add(key, std::string_view(text)); }
  void add(std::string_view key, const std::string& text) { add(key, std::string_view(text)); }
  void add(std::string_view key, std::int64_t number);
  void add(std::string_view key, bool value);
  void add(std::string_view key, std::span<const std::string> texts);
  void add_raw(std::string_view key, std::string_view canonical_json);
  void begin(std::string_view key);  // an object; what follows is in it
  void end();
  // After an end() for each begin(). The writer is used up.
  Canonical finish() &&;

 private:
  void open(std::string_view key);
  std::string text_ = "{";
  std::vector<std::string_view> last_{{}};  // key of each open object
};

// Appends the RFC 8785 string form, quotes included.
void append_json_string(std::string& out, std::string_view text);

}  // namespace stint::audit
