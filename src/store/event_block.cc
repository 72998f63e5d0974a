#include "event_block.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <optional>

#include "stint/merkle/hash.h"

namespace stint::store {
namespace {

constexpr std::size_t kHashSize = std::tuple_size_v<Hash>;
constexpr std::size_t kIdSize = 16;
constexpr std::size_t kHeadSize = 4 + 8 + 1 + 1;
constexpr std::size_t kFirstRun = 2048;         // most calls' records fit
constexpr std::size_t kKept = 4 * 1024 * 1024;  // what a batch may keep for the next

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

// Takes an event off the front of a body, all but its place and its hash; false: damaged.
bool take_event(std::string_view& body, EventView& e) {
  if (body.size() < kHeadSize) return false;
  const std::size_t size = take_number<std::uint32_t>(body);
  e.time = from_unix_millis(take_number<std::int64_t>(body));
  const std::size_t kind = take_number<std::uint8_t>(body);
  const auto has_task = take_number<std::uint8_t>(body);
  if (has_task > 1 || body.size() < kind + has_task * kIdSize + size) return false;
  e.kind = take_bytes(body, kind);
  e.task.reset();
  if (has_task == 1) {
    std::array<std::uint8_t, kIdSize> id;
    std::memcpy(id.data(), take_bytes(body, kIdSize).data(), kIdSize);
    e.task = TaskId(id);
  }
  e.bytes = take_bytes(body, size);
  return true;
}

EventView nothing(Seq seq) {
  return {.seq = seq, .time = {}, .kind = {}, .task = {}, .bytes = {}, .leaf = {}};
}

}  // namespace

std::size_t EventRun::begin(std::string_view kind, std::optional<TaskId> task, WallTime time) {
  if (body_.empty()) body_.reserve(kFirstRun);
  const std::size_t start = body_.size();
  put_number(body_, std::uint32_t{0});
  put_number(body_, unix_millis(time));
  put_number(body_, static_cast<std::uint8_t>(kind.size()));
  put_number(body_, static_cast<std::uint8_t>(task ? 1 : 0));
  body_ += kind;
  if (task) body_.append(reinterpret_cast<const char*>(task->bytes().data()), kIdSize);
  return start;
}

void EventRun::end(std::size_t start, std::size_t bytes, bool keep) {
  if (!keep) return body_.resize(start);
  const auto size = static_cast<std::uint32_t>(body_.size() - bytes);
  std::memcpy(body_.data() + start, &size, sizeof size);
  ++count_;
}

Status EventRun::add(const EventBytes& event) {
  return add(event.kind, event.task, event.time, [&](std::string& out) -> Status {
    out += event.bytes;
    return {};
  });
}

void EventRun::add(const EventRun& other) {
  body_ += other.body_;
  count_ += other.count_;
}

void EventRun::clear() {
  body_.clear();
  count_ = 0;
}

Status decode_block(Seq first, std::uint64_t count, std::string_view leaves, std::string_view body,
                    const std::function<bool(const EventView&)>& take) {
  constexpr Error kDamaged{Errc::kInternal, "an event block is damaged"};
  if (count == 0 || leaves.size() / kHashSize != count || leaves.size() % kHashSize != 0)
    return fail(kDamaged);
  for (std::uint64_t i = 0; i < count; ++i) {
    EventView e = nothing(first + i);
    if (!take_event(body, e)) return fail(kDamaged);
    std::memcpy(e.leaf.data(), leaves.data() + i * kHashSize, kHashSize);
    if (!take(e)) return {};
  }
  if (!body.empty()) return fail(kDamaged);
  return {};
}

void EventBatch::start(Seq first) {
  first_ = first;
  starts_.clear();
  leaves_.clear();
  body_.clear();
  if (body_.capacity() > kKept) body_ = std::string();
}

void EventBatch::append(const EventRun& run) {
  std::string_view rest = run.body();
  EventView e = nothing(0);
  while (!rest.empty()) {
    starts_.push_back(body_.size() + (run.body().size() - rest.size()));
    [[maybe_unused]] const bool whole = take_event(rest, e);
    assert(whole);
    const Hash leaf = merkle::leaf_hash(e.bytes);
    leaves_.append(reinterpret_cast<const char*>(leaf.data()), kHashSize);
  }
  body_ += run.body();
}

void EventBatch::cut(std::size_t count) {
  if (count >= starts_.size()) return;
  body_.resize(starts_[count]);
  leaves_.resize(count * kHashSize);
  starts_.resize(count);
}

std::vector<EventBatch::Block> EventBatch::blocks() const {
  std::vector<Block> out;
  for (std::size_t from = 0; from < starts_.size();) {
    const auto end_of = [&](std::size_t i) {
      return i + 1 < starts_.size() ? starts_[i + 1] : body_.size();
    };
    std::size_t to = from + 1;
    while (to < starts_.size() && to - from < kBlockEvents &&
           end_of(to) - starts_[from] <= kBlockBytes)
      ++to;
    out.push_back({first_ + from, to - from,
                   std::string_view(leaves_).substr(from * kHashSize, (to - from) * kHashSize),
                   std::string_view(body_).substr(starts_[from], end_of(to - 1) - starts_[from])});
    from = to;
  }
  return out;
}

std::vector<EventView> EventBatch::events() const {
  std::vector<EventView> out;
  out.reserve(starts_.size());
  std::string_view rest = body_;
  for (std::size_t i = 0; i < starts_.size(); ++i) {
    out.push_back(nothing(first_ + i));
    [[maybe_unused]] const bool whole = take_event(rest, out.back());
    assert(whole);
    std::memcpy(out.back().leaf.data(), leaves_.data() + i * kHashSize, kHashSize);
  }
  return out;
}

}  // namespace stint::store
