#include "report.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "stint/codec/nearest.h"

namespace stint::resource {

std::string Problem::str() const {
  if (line <= 0) return fmt::format("{}: {}", file, message);
  return fmt::format("{}:{}:{}: {}", file, line, column, message);
}

void Report::at(const yaml::Node& node, std::string message) {
  if (node.line == 0 && node.column > 0) {
    at(variables_.at(static_cast<std::size_t>(node.column - 1)), 0, 0, std::move(message));
    return;
  }
  at(file_, node.line, node.column, std::move(message));
}

void Report::at(std::string file, int line, int column, std::string message) {
  if (problems_.size() == limit_) {
    ++dropped_;
    return;
  }
  problems_.push_back({std::move(file), line, column, std::move(message)});
}

std::vector<Problem> Report::take() {
  std::ranges::sort(problems_, {}, [](const Problem& p) {
    return std::make_tuple(std::string_view(p.file), p.line, p.column, std::string_view(p.message));
  });
  if (dropped_ > 0) problems_.push_back({"", 0, 0, fmt::format("and {} more problems", dropped_)});
  return std::move(problems_);
}

std::string quoted(std::string_view text) {
  constexpr std::size_t kMost = 80;
  std::string out = "\"";
  for (const char c : text.substr(0, kMost))
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  // A cut must not leave half a character.
  if (text.size() > kMost) {
    while (static_cast<unsigned char>(out.back()) >= 0x80) out.pop_back();
    out += "…";
  }
  return out + '"';
}

std::string hint(std::string_view word, std::span<const std::string_view> known) {
  const std::string_view near = codec::nearest(word, known);
  return near.empty() ? "" : fmt::format("; did you mean {}?", quoted(near));
}

}  // namespace stint::resource
