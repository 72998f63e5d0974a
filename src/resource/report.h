#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/codec/yaml.h"
#include "stint/resource/parse.h"

namespace stint::resource {

// Collects problems. Counts beyond its limit instead of keeping them.
class Report {
 public:
  explicit Report(std::size_t limit) : limit_(limit) {}

  // Where later problems are.
  void set_file(std::string file) { file_ = std::move(file); }
  const std::string& file() const { return file_; }
  // Nodes that came from a variable have line 0 and column n: names[n - 1] stands for the file.
  void set_variables(std::vector<std::string> names) { variables_ = std::move(names); }

  void at(const yaml::Node& node, std::string message);
  void at(std::string file, int line, int column, std::string message);
  bool clean() const { return problems_.empty(); }
  std::size_t count() const { return problems_.size() + dropped_; }
  // Ordered by file and position.
  std::vector<Problem> take();

 private:
  std::size_t limit_, dropped_ = 0;
  std::string file_;
  std::vector<std::string> variables_;
  std::vector<Problem> problems_;
};

// What an operator wrote, in quotes, cut to a readable length, control characters replaced.
std::string quoted(std::string_view text);
// `; did you mean "x"?` or nothing.
std::string hint(std::string_view word, std::span<const std::string_view> known);

}  // namespace stint::resource
