#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace stint {

// Where randomness enters. fill() gives all the bytes asked for, or ends the process.
class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual void fill(std::span<std::byte> out) = 0;
};

template <std::size_t N>
std::array<std::uint8_t, N> random_bytes(Entropy& entropy) {
  std::array<std::uint8_t, N> out;
  entropy.fill(std::as_writable_bytes(std::span(out)));
  return out;
}

}  // namespace stint
