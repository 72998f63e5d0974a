#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

// Reads the vectors that others wrote. For tests of this module only.
namespace stint::crypto::vectors {

namespace bj = boost::json;

inline std::string unhex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<char>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  return out;
}
inline std::string_view str(const bj::object& o, std::string_view key) {
  const auto& s = o.at(key).as_string();
  return {s.data(), s.size()};
}
inline std::string bin(const bj::object& o, std::string_view key) { return unhex(str(o, key)); }

// Calls row(group, test) for each row and returns how many there were; when the folder is absent,
// says by name what was skipped and returns nothing.
inline std::optional<std::size_t> each(
    const std::string& file,
    const std::function<void(const bj::object& group, const bj::object& test)>& row) {
  std::ifstream in(std::string(STINT_VECTORS) + "/wycheproof/" + file, std::ios::binary);
  if (!in) {
    std::printf("SKIPPED: all rows of wycheproof/%s (vectors folder absent)\n", file.c_str());
    return std::nullopt;
  }
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  const bj::value doc = bj::parse(bytes);
  std::size_t rows = 0;
  for (const auto& group : doc.as_object().at("testGroups").as_array())
    for (const auto& test : group.as_object().at("tests").as_array()) {
      SCOPED_TRACE(file + " tcId " + std::to_string(test.as_object().at("tcId").as_int64()) + ": " +
                   std::string(str(test.as_object(), "comment")));
      row(group.as_object(), test.as_object());
      ++rows;
    }
  std::printf("ran %zu rows of wycheproof/%s\n", rows, file.c_str());
  return rows;
}

}  // namespace stint::crypto::vectors
