#include "stint/codec/nearest.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace stint::codec {
namespace {

constexpr std::size_t kMaxChars = 64;

// Optimal string alignment: three rows of the usual table.
std::size_t distance(std::string_view a, std::string_view b) {
  using Row = std::array<std::size_t, kMaxChars + 1>;
  Row before{}, last{}, row{};
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> known) {
  if (word.size() > kMaxChars) return "";
  std::string_view best;
  std::size_t best_distance = kMaxChars;
  for (const std::string_view name : known) {
    if (name.size() > kMaxChars) continue;
    const std::size_t d = distance(word, name);
    if (d * 3 <= std::max(word.size(), name.size()) && d < best_distance) {
      best = name;
      best_distance = d;
    }
  }
  return best;
}

}  // namespace stint::codec
