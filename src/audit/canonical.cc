#include "stint/audit/canonical.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace stint::audit {
namespace {

// How many bytes from the start need no escape, found eight at a time: most texts need none.
std::size_t plain_run(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHigh = 0x8080808080808080;
  const auto zero_bytes = [](std::uint64_t v) { return (v - kOnes) & ~v & kHigh; };
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    // A byte below 0x20, a quote or a backslash. The lowest mark is exact, those above it may be
    // carried over from it.
    const std::uint64_t found = ((word - kOnes * 0x20) & ~word & kHigh) |
                                zero_bytes(word ^ (kOnes * '"')) |
                                zero_bytes(word ^ (kOnes * '\\'));
    if (found != 0) return i + static_cast<std::size_t>(std::countr_zero(found)) / 8;
  }
  while (i < text.size() && static_cast<unsigned char>(text[i]) >= 0x20 && text[i] != '"' &&
         text[i] != '\\')
    ++i;
  return i;
}

void append_number(std::string& out, std::int64_t number) {
  char digits[20];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void append_list(std::string& out, std::span<const std::string> texts) {
  out += '[';
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i != 0) out += ',';
    append_json_string(out, texts[i]);
  }
  out += ']';
}

}  // namespace

Canonical::Canonical(const json::Object& object) : text_(json::canonical(object)) {}

Result<Canonical> Canonical::parse(std::string_view text) {
  Canonical out(STINT_TRY(json::parse_object(text)));
  if (out.text_ != text) return fail(Errc::kMalformed, "not canonical json");
  return out;
}

// RFC 8785 section 3.2.2.2: the short escapes, \u00xx in lower case for other control characters,
// everything else as it is.
void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  if (plain_run(text) == text.size()) [[likely]] {
    const std::size_t old = out.size(), size = old + text.size() + 2;
    out.resize_and_overwrite(size, [&](char* begin, std::size_t) {
      begin[old] = '"';
      std::memcpy(begin + old + 1, text.data(), text.size());
      begin[size - 1] = '"';
      return size;
    });
    return;
  }
  out += '"';
  for (;;) {
    const std::size_t plain = plain_run(text);
    out += text.substr(0, plain);
    if (plain == text.size()) break;
    const auto c = static_cast<unsigned char>(text[plain]);
    text.remove_prefix(plain + 1);
    out += '\\';
    switch (c) {
      case '"':
      case '\\':
        out += static_cast<char>(c);
        break;
      case '\b':
        out += 'b';
        break;
      case '\t':
        out += 't';
        break;
      case '\n':
        out += 'n';
        break;
      case '\f':
        out += 'f';
        break;
      case '\r':
        out += 'r';
        break;
      default:
        out += "u00";
        out += kHex[c >> 4];
        out += kHex[c & 15];
    }
  }
  out += '"';
}

void ObjectWriter::open(std::string_view key) {
  if (members_.empty()) {
    members_.reserve(24);
    values_.reserve(512);
  }
  members_.push_back({key, values_.size(), 0});
}

void ObjectWriter::add(std::string_view key, std::string_view text) {
  open(key);
  append_json_string(values_, text);
  close();
}

void ObjectWriter::add(std::string_view key, std::int64_t number) {
  open(key);
  append_number(values_, number);
  close();
}

void ObjectWriter::add(std::string_view key, bool value) { add_raw(key, value ? "true" : "false"); }

void ObjectWriter::add(std::string_view key, std::span<const std::string> texts) {
  open(key);
  append_list(values_, texts);
  close();
}

void ObjectWriter::add_raw(std::string_view key, std::string_view canonical_json) {
  open(key);
  values_ += canonical_json;
  close();
}

std::string ObjectWriter::finish_text() {
  // Keys are ASCII, so byte order is the order of UTF-16 code units that RFC 8785 asks for.
  if (!std::ranges::is_sorted(members_, {}, &Member::key))
    std::ranges::sort(members_, {}, &Member::key);
  std::string out;
  out.reserve(values_.size() + members_.size() * 24 + 2);
  out += '{';
  for (const Member& m : members_) {
    if (out.size() > 1) out += ',';
    out += '"';
    out += m.key;  // an ASCII literal: nothing to escape
    out += "\":";
    out += std::string_view(values_).substr(m.start, m.length);
  }
  out += '}';
  members_.clear();
  values_.clear();
  return out;
}

Canonical ObjectWriter::finish() {
  Canonical out;
  out.text_ = finish_text();
  return out;
}

// Comma, key and colon, with room for `more` bytes after them: a text grows once for each member.
void SortedWriter::open(std::string_view key, std::size_t more) {
  std::string_view& last = last_[depth_];
  assert(last < key);
  const bool first = last.empty();
  last = key;
  const std::size_t old = out_.size();
  if (out_.capacity() < old + key.size() + more + 4)
    out_.reserve(std::max(2 * out_.capacity(), old + key.size() + more + 4));
  out_.resize_and_overwrite(old + key.size() + 4, [&](char* begin, std::size_t) {
    char* to = begin + old;
    if (!first) *to++ = ',';
    *to++ = '"';
    std::memcpy(to, key.data(), key.size());
    to += key.size();
    *to++ = '"';
    *to++ = ':';
    return static_cast<std::size_t>(to - begin);
  });
}

void SortedWriter::add(std::string_view key, std::string_view text) {
  open(key, text.size() + 2);
  append_json_string(out_, text);
}

void SortedWriter::add(std::string_view key, std::int64_t number) {
  open(key, 20);
  append_number(out_, number);
}

void SortedWriter::add(std::string_view key, bool value) { add_raw(key, value ? "true" : "false"); }

void SortedWriter::add(std::string_view key, std::span<const std::string> texts) {
  open(key, 2);
  append_list(out_, texts);
}

void SortedWriter::add_raw(std::string_view key, std::string_view canonical_json) {
  open(key, canonical_json.size());
  out_ += canonical_json;
}

void SortedWriter::begin(std::string_view key) {
  open(key, 64);
  out_ += '{';
  ++depth_;
  assert(depth_ < kDepth);
  last_[depth_] = {};
}

void SortedWriter::end() {
  out_ += '}';
  --depth_;
}

void SortedWriter::finish() {
  assert(depth_ == 0);
  out_ += '}';
}

}  // namespace stint::audit
