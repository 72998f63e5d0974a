#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "stint/base/error.h"

namespace stint::http {

// Git's pkt-line framing (gitprotocol-common): four hex digits of length, themselves counted, then
// the payload.
struct Pkt {
  enum class Kind : std::uint8_t {
    kData,         // payload, possibly empty ("0004")
    kFlush,        // 0000
    kDelim,        // 0001, protocol v2
    kResponseEnd,  // 0002, protocol v2
    kMore,         // nothing consumed: the line is not whole yet
  };
  Kind kind = Kind::kMore;
  std::string_view payload;  // a view of the input
  std::size_t consumed = 0;  // bytes of the input that this line took
};

inline constexpr std::size_t kMaxPktBytes = 65520;  // git's LARGE_PACKET_MAX, header included

// The pkt-line at the start of `bytes`. Both cases of hex are read, as git does.
// Errors: kMalformed (length not hex, or 0003), kTooLarge (beyond kMaxPktBytes).
Result<Pkt> read_pkt(std::string_view bytes);

// Appends one data line. The payload must fit (kMaxPktBytes - 4); longer is a programming error and
// is cut.
void write_pkt(std::string& out, std::string_view payload);
inline void write_flush(std::string& out) { out += "0000"; }

}  // namespace stint::http
