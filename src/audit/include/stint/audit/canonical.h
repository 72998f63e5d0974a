#pragma once

#include <array>
#include <cstddef>
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

// The same, borrowed.
class CanonicalView {
 public:
  CanonicalView() = default;
  CanonicalView(const Canonical& c) : text_(c.text()) {}
  std::string_view text() const { return text_; }

 private:
  std::string_view text_ = "{}";
};

// Writes one RFC 8785 object straight to text: members may be added in any order and are sorted at
// the end.
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

// Appends one RFC 8785 object to a text, nested ones in place, for who knows the order of its keys:
// members are given sorted by key, which is asserted. Otherwise as ObjectWriter.
// Limits: kDepth objects inside each other.
class SortedWriter {
 public:
  static constexpr std::size_t kDepth = 4;

  explicit SortedWriter(std::string& out) : out_(out) { out_ += '{'; }
  // What `fill(SortedWriter&)` writes, as an object of its own.
  template <class Fill>
  static Canonical object(Fill&& fill) {
    Canonical out;
    out.text_.clear();
    out.text_.reserve(1024);
    SortedWriter writer(out.text_);
    fill(writer);
    writer.finish();
    return out;
  }
  void add(std::string_view key, std::string_view text);
  void add(std::string_view key, const char* text) { add(key, std::string_view(text)); }
  void add(std::string_view key, const std::string& text) { add(key, std::string_view(text)); }
  void add(std::string_view key, std::int64_t number);
  void add(std::string_view key, bool value);
  void add(std::string_view key, std::span<const std::string> texts);
  void add_raw(std::string_view key, std::string_view canonical_json);
  void begin(std::string_view key);  // an object; what follows is in it
  void end();
  void finish();  // after an end() for each begin()

 private:
  void open(std::string_view key, std::size_t more);
  std::string& out_;
  std::size_t depth_ = 0;
  std::array<std::string_view, kDepth> last_{};  // key of each open object
};
// Appends the RFC 8785 string form, quotes included.
void append_json_string(std::string& out, std::string_view text);

}  // namespace stint::audit
