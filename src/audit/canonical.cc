#include "stint/audit/canonical.h"

#include <algorithm>

namespace stint::audit {

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
  out += '"';
  std::size_t plain = 0;  // start of the run that needs no escape
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') [[likely]]
      continue;
    out += text.substr(plain, i - plain);
    plain = i + 1;
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
  out += text.substr(plain);
  out += '"';
}

void ObjectWriter::open(std::string_view key) { members_.push_back({key, values_.size(), 0}); }

void ObjectWriter::add(std::string_view key, std::string_view text) {
  open(key);
  append_json_string(values_, text);
  close();
}

void ObjectWriter::add(std::string_view key, std::int64_t number) {
  open(key);
  values_ += std::to_string(number);
  close();
}

void ObjectWriter::add(std::string_view key, bool value) { add_raw(key, value ? "true" : "false"); }

void ObjectWriter::add(std::string_view key, std::span<const std::string> texts) {
  open(key);
  values_ += '[';
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i != 0) values_ += ',';
    append_json_string(values_, texts[i]);
  }
  values_ += ']';
  close();
}

void ObjectWriter::add_raw(std::string_view key, std::string_view canonical_json) {
  open(key);
  values_ += canonical_json;
  close();
}

std::string ObjectWriter::finish_text() {
  // Keys are ASCII, so byte order is the order of UTF-16 code units that RFC 8785 asks for.
  std::ranges::sort(members_, {}, &Member::key);
  std::string out;
  out.reserve(values_.size() + members_.size() * 24 + 2);
  out += '{';
  for (const Member& m : members_) {
    if (out.size() > 1) out += ',';
    append_json_string(out, m.key);
    out += ':';
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

}  // namespace stint::audit
