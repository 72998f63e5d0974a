#include "stint/codec/zlib.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <memory>

namespace stint::codec {
namespace {

constexpr std::size_t kStep = 64 * 1024;

// zlib takes its input as bytes that it does not write to, whatever their type says.
Bytef* input(std::string_view bytes) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
}

}  // namespace

std::string zlib_deflate(std::string_view bytes) {
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  std::string out(size, '\0');
  const int done = compress2(reinterpret_cast<Bytef*>(out.data()), &size, input(bytes),
                             static_cast<uLong>(bytes.size()), Z_BEST_COMPRESSION);
  if (done != Z_OK) throw std::bad_alloc();  // the bound holds: memory is all that it can lack
  out.resize(size);
  return out;
}

Result<std::string> zlib_inflate(std::string_view bytes, std::size_t most) {
  if (bytes.size() > std::numeric_limits<uInt>::max())
    return fail(Errc::kTooLarge, "zlib over the limit");
  z_stream stream{};
  stream.next_in = input(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  if (inflateInit(&stream) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_streamp)> ends(&stream, inflateEnd);
  std::string out;
  for (;;) {
    const std::size_t at = out.size();
    // One byte more than may come, to see whether it does.
    out.resize(std::min(most + 1, at + kStep));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + at);
    stream.avail_out = static_cast<uInt>(out.size() - at);
    const int done = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (out.size() > most) return fail(Errc::kTooLarge, "zlib over the limit");
    if (done == Z_STREAM_END) break;
    if (done == Z_MEM_ERROR) throw std::bad_alloc();
    // Z_BUF_ERROR too: it wants more input, and there is none.
    if (done != Z_OK || (stream.avail_in == 0 && stream.avail_out > 0))
      return fail(Errc::kMalformed, "zlib data");
  }
  if (stream.avail_in > 0) return fail(Errc::kMalformed, "zlib trailing bytes");
  return out;
}

}  // namespace stint::codec
