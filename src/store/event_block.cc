#include "event_block.h"

#include <array>
#include <bit>
#include <cstring>

namespace stint::store {
namespace {

constexpr std::size_t kHashSize = std::tuple_size_v<Hash>;
constexpr std::size_t kIdSize = 16;
constexpr std::size_t kHeadSize = 4 + 8 + 1 + 1;

static_assert(std::endian::native == std::endian::little);

template <class T>
void put_number(std::string& out, T v) {
  char bytes[sizeof v];
  std::memcpy(bytes, &v, sizeof v);
  out.append(bytes, sizeof v);
}

template <class T>
T take_number(std::string_view& in) {
  T v = 0;
  std::memcpy(&v, in.data(), sizeof v);
  in.remove_prefix(sizeof v);
  return v;
}

std::string_view take_bytes(std::string_view& in, std::size_t n) {
  const auto out = in.substr(0, n);
  in.remove_prefix(n);
  return out;
}

constexpr Error kDamaged{Errc::kInternal, "an event block is damaged"};

}  // namespace

std::span<const StoredEvent> next_block(std::span<const StoredEvent> events) {
  std::size_t n = 0, bytes = 0;
  while (n < events.size() && n < kBlockEvents) {
    bytes += events[n].bytes.size();
    if (n > 0 && bytes > kBlockBytes) break;
    ++n;
  }
  return events.first(n);
}

BlockText encode_block(std::span<const StoredEvent> events) {
  BlockText out;
  std::size_t size = 0;
  for (const StoredEvent& e : events) size += kHeadSize + kIdSize + e.kind.size() + e.bytes.size();
  out.body.reserve(size);
  out.leaves.reserve(events.size() * kHashSize);
  for (const StoredEvent& e : events) {
    put_number(out.body, static_cast<std::uint32_t>(e.bytes.size()));
    put_number(out.body, unix_millis(e.time));
    put_number(out.body, static_cast<std::uint8_t>(e.kind.size()));
    put_number(out.body, static_cast<std::uint8_t>(e.task ? 1 : 0));
    out.body += e.kind;
    if (e.task)
      out.body.append(reinterpret_cast<const char*>(e.task->bytes().data()), kIdSize);
    out.body += e.bytes;
    out.leaves.append(reinterpret_cast<const char*>(e.leaf.data()), kHashSize);
  }
  return out;
}

Status decode_block(Seq first, std::uint64_t count, std::string_view leaves, std::string_view body,
                    const std::function<bool(const EventView&)>& take) {
  if (count == 0 || leaves.size() / kHashSize != count || leaves.size() % kHashSize != 0)
    return fail(kDamaged);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (body.size() < kHeadSize) return fail(kDamaged);
    EventView e{.seq = first + i, .time = {}, .kind = {}, .task = {}, .bytes = {}, .leaf = {}};
    const std::size_t size = take_number<std::uint32_t>(body);
    e.time = from_unix_millis(take_number<std::int64_t>(body));
    const std::size_t kind = take_number<std::uint8_t>(body);
    const auto has_task = take_number<std::uint8_t>(body);
    if (has_task > 1 || body.size() < kind + has_task * kIdSize + size) return fail(kDamaged);
    e.kind = take_bytes(body, kind);
    if (has_task == 1) {
      std::array<std::uint8_t, kIdSize> id{};
      std::memcpy(id.data(), take_bytes(body, kIdSize).data(), kIdSize);
      e.task = TaskId(id);
    }
    e.bytes = take_bytes(body, size);
    std::memcpy(e.leaf.data(), leaves.data() + i * kHashSize, kHashSize);
    if (!take(e)) return {};
  }
  if (!body.empty()) return fail(kDamaged);
  return {};
}

}  // namespace stint::store
