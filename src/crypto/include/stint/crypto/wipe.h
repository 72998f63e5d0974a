#pragma once

#include <string>

namespace stint::crypto {

// Overwrites the whole capacity and clears, in a way that the optimiser keeps. For the texts that a
// secret passes through where a Secret cannot go; what grew before has left copies behind.
void wipe(std::string& text) noexcept;

}  // namespace stint::crypto
