#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "stint/codec/yaml.h"

namespace {

using stint::yaml::Node;

void require(bool holds) {
  if (!holds) std::abort();
}

// What the header promises of every accepted tree.
void check(const Node& node, int depth, int lines) {
  require(depth <= 33);
  require(node.line >= 1 && node.line <= lines && node.column >= 1);
  require(node.is_map() || node.map.empty());
  require(node.is_sequence() || node.seq.empty());
  require(node.is_scalar() || node.scalar.empty());
  std::set<std::string> keys;
  for (const auto& [key, value] : node.map) {
    require(key.is_scalar() && keys.insert(key.scalar).second);
    require(key.quoted || key.scalar != "<<");
    check(key, depth + 1, lines);
    check(value, depth + 1, lines);
  }
  for (const Node& item : node.seq) check(item, depth + 1, lines);
}

std::string quote(const std::string& text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\' || c == 0x7f) {
      out.append("\\x").push_back(kHex[static_cast<unsigned char>(c) >> 4]);
      out.push_back(kHex[c & 15]);
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

// The same tree in flow style with every scalar in quotes.
std::string write(const Node& node) {
  if (node.is_null()) return "~";
  if (node.is_scalar()) return quote(node.scalar);
  std::string out = node.is_map() ? "{" : "[";
  for (const auto& [key, value] : node.map) out += "? " + write(key) + " : " + write(value) + ", ";
  for (const Node& item : node.seq) out += write(item) + ", ";
  return out + (node.is_map() ? "}" : "]");
}

bool same(const Node& a, const Node& b) {
  if (a.kind != b.kind || a.scalar != b.scalar) return false;
  if (a.map.size() != b.map.size() || a.seq.size() != b.seq.size()) return false;
  for (std::size_t i = 0; i < a.map.size(); ++i)
    if (!same(a.map[i].key, b.map[i].key) || !same(a.map[i].value, b.map[i].value)) return false;
  for (std::size_t i = 0; i < a.seq.size(); ++i)
    if (!same(a.seq[i], b.seq[i])) return false;
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto documents = stint::yaml::parse_documents(text);
  if (!documents) return 0;
  int lines = 2;
  for (const char c : text) lines += c == '\n' || c == '\r';
  for (const Node& document : *documents) {
    check(document, 0, lines);
    // Oracle: written plainly, the same tree is read again.
    const auto again = stint::yaml::parse_documents("--- " + write(document) + "\n",
                                                    {.bytes = std::size_t{1} << 24});
    if (!again || again->size() != 1 || !same(document, again->front())) std::abort();
  }
  return 0;
}
