#include "stint/codec/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <charconv>
#include <sstream>
#include <unordered_set>

#include "stint/codec/utf8.h"

namespace stint::yaml {
namespace {

// Leaves the library's parser early; never leaves this file.
struct Stop {
  YamlError error;
};

[[noreturn]] void stop(const YAML::Mark& mark, Errc code, Reason reason) {
  throw Stop{YamlError{Error{code, reason}, mark.line + 1, mark.column + 1}};
}

// Builds Nodes from the library's events. Its own Node tree is not used: it resolves aliases and
// keeps the last of two equal keys.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(const Limits& limits) : limits_(limits) {}
  std::vector<Node> take() { return std::move(documents_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_seen_ > limits_.documents)
      stop(mark, Errc::kTooLarge, "yaml too many documents");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(mark, Kind::kNull, anchor));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    stop(mark, Errc::kUnsupported, "yaml alias");
  }
  // The library says "?" for a plain value, "!" for one in quotes or a block, else an explicit tag.
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (tag != "?" && tag != "!") stop(mark, Errc::kUnsupported, "yaml tag");
    // The library turns the escapes \N and \_ into single bytes that are not UTF-8.
    if (!codec::is_utf8(value)) stop(mark, Errc::kMalformed, "yaml utf-8");
    Node node = make(mark, Kind::kScalar, anchor);
    node.scalar = value;
    node.quoted = tag == "!";
    add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, make(mark, Kind::kSequence, anchor));
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, make(mark, Kind::kMap, anchor));
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    Node node;
    std::optional<Node> key;  // of a map, between a key and its value
    std::unordered_set<std::string> keys;
  };

  Node make(const YAML::Mark& mark, Kind kind, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) stop(mark, Errc::kUnsupported, "yaml anchor");
    if (++nodes_ > limits_.nodes) stop(mark, Errc::kTooLarge, "yaml too many nodes");
    Node node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  void open(const YAML::Mark& mark, const std::string& tag, Node node) {
    if (tag != "?") stop(mark, Errc::kUnsupported, "yaml tag");
    if (frames_.size() >= limits_.depth) stop(mark, Errc::kTooLarge, "yaml too deep");
    if (wants_key()) stop(mark, Errc::kMalformed, "yaml key is not text");
    frames_.push_back(Frame{std::move(node), std::nullopt, {}});
  }
  void close() {
    Node node = std::move(frames_.back().node);
    frames_.pop_back();
    add(std::move(node));
  }

  bool wants_key() const {
    return !frames_.empty() && frames_.back().node.is_map() && !frames_.back().key;
  }

  void add(Node node) {
    if (frames_.empty()) {
      if (!node.is_null()) documents_.push_back(std::move(node));
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node.is_sequence()) {
      frame.node.seq.push_back(std::move(node));
    } else if (frame.key) {
      frame.node.map.push_back(Member{std::move(*frame.key), std::move(node)});
      frame.key.reset();
    } else {
      add_key(frame, std::move(node));
    }
  }

  void add_key(Frame& frame, Node node) {
    YAML::Mark mark;
    mark.line = node.line - 1;
    mark.column = node.column - 1;
    if (!node.is_scalar()) stop(mark, Errc::kMalformed, "yaml key is not text");
    if (node.scalar == "<<" && !node.quoted) stop(mark, Errc::kUnsupported, "yaml merge key");
    if (!frame.keys.insert(node.scalar).second) stop(mark, Errc::kMalformed, "yaml duplicate key");
    frame.key = std::move(node);
  }

  Limits limits_;
  std::vector<Node> documents_;
  std::vector<Frame> frames_;
  std::size_t nodes_ = 0;
  std::size_t documents_seen_ = 0;
};

// Before the library sees the text: it repairs bad UTF-8, follows byte order marks into UTF-16, and
// takes the byte 04 for the end of the file, hiding what follows.
std::optional<YamlError> check_bytes(std::string_view text, const Limits& limits) {
  if (text.size() > limits.bytes) return YamlError{Error{Errc::kTooLarge, "yaml too large"}, 0, 0};
  if (!codec::is_utf8(text)) return YamlError{Error{Errc::kMalformed, "yaml utf-8"}, 0, 0};
  int line = 1, column = 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool mark = text.substr(i).starts_with("\xef\xbb\xbf");
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f || mark)
      return YamlError{Error{Errc::kMalformed, "yaml control character"}, line, column};
    ++column;
    if (c == '\n') {
      ++line;
      column = 1;
    }
  }
  return std::nullopt;
}

}  // namespace

const Node* Node::key_node(std::string_view key) const {
  for (const auto& [name, value] : map)
    if (name.scalar == key) return &name;
  return nullptr;
}

const Node* Node::find(std::string_view key) const {
  for (const auto& [name, value] : map)
    if (name.scalar == key) return &value;
  return nullptr;
}

std::optional<bool> as_bool(const Node& node) {
  if (!node.is_scalar() || node.quoted) return std::nullopt;
  if (node.scalar == "true") return true;
  if (node.scalar == "false") return false;
  return std::nullopt;
}

std::optional<std::int64_t> as_int(const Node& node) {
  if (!node.is_scalar() || node.quoted) return std::nullopt;
  const std::string_view text = node.scalar;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  // One spelling for each number: no leading zero, no minus zero.
  if (error != std::errc{} || std::to_string(value) != text) return std::nullopt;
  return value;
}

std::expected<std::vector<Node>, YamlError> parse_documents(std::string_view text, Limits limits) {
  if (auto error = check_bytes(text, limits)) return std::unexpected(*error);
  Builder builder(limits);
  try {
    // A closing document mark: without it the library lets the end of the text close a quote that
    // was left open, and a file cut short would be taken for a whole one.
    std::string closed(text);
    closed.append(text.ends_with('\n') ? "...\n" : "\n...\n");
    std::istringstream stream(closed);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stop& stopped) {
    return std::unexpected(stopped.error);
  } catch (const YAML::Exception& e) {
    // The mark of an error without a place is -1, -1.
    return std::unexpected(
        YamlError{Error{Errc::kMalformed, "yaml syntax"}, e.mark.line + 1, e.mark.column + 1});
  }
  return builder.take();
}

}  // namespace stint::yaml
