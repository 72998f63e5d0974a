#include "status_lists.h"

#include <algorithm>

#include "stint/codec/base64url.h"
#include "stint/crypto/digest.h"

namespace stint::authority {
namespace {

constexpr std::size_t kPage = 500;

// $1 task, $2 whether something above it is paused, $3 now. Tokens from before there were lists
// have none.
constexpr store::Sql kStatuses = R"sql(
  WITH RECURSIVE subtree(id, held) AS (
    SELECT id, CASE WHEN state = 'paused' THEN 1 ELSE $2 END FROM task WHERE id = $1
    UNION SELECT t.id, CASE WHEN t.state = 'paused' THEN 1 ELSE s.held END
      FROM task t JOIN subtree s ON t.parent = s.id)
  SELECT k.list, k.idx, k.exp,
         CASE WHEN k.revoked IS NOT NULL OR t.state = 'closed' OR g.revoked IS NOT NULL THEN 1
              WHEN s.held = 1 THEN 2 ELSE 0 END
  FROM subtree s JOIN task t ON t.id = s.id JOIN token k ON k.task = s.id
       LEFT JOIN signing_key g ON g.kid = k.kid
  WHERE k.exp > $3 AND k.list IS NOT NULL)sql";

// Tokens that a revoked key signed: none counts, whatever became of its task.
constexpr store::Sql kOfRevokedKeys =
    "SELECT k.list, k.idx, k.exp FROM signing_key g JOIN token k ON k.kid = g.kid "
    "WHERE g.revoked IS NOT NULL AND k.exp > $1 AND k.list IS NOT NULL";

// Whether the task or one above it is paused.
constexpr store::Sql kHeldAbove = R"sql(
  WITH RECURSIVE above(id, parent, state) AS (
    SELECT id, parent, state FROM task WHERE id = $1
    UNION SELECT t.id, t.parent, t.state FROM task t JOIN above a ON t.id = a.parent)
  SELECT COUNT(*) FROM above WHERE state = 'paused')sql";

jose::TokenStatus status_of(std::int64_t value) {
  switch (value) {
    case 0:
      return jose::TokenStatus::kValid;
    case 2:
      return jose::TokenStatus::kSuspended;
    default:
      return jose::TokenStatus::kInvalid;
  }
}

}  // namespace

std::uint64_t StatusIndexes::random() {
  if (left_ == 0) {
    entropy_.fill(std::as_writable_bytes(std::span(random_)));
    left_ = random_.size();
  }
  return random_[--left_];
}

void StatusIndexes::open(WallTime now) {
  list_ = std::make_shared<OpenStatusList>();
  // JSON's integers, which a URI's readers may take it for, end at 2^53.
  list_->number = static_cast<std::int64_t>(random() >> 11);
  list_->opened = now;
  free_.resize(kStatusEntries);
  for (std::uint32_t i = 0; i < kStatusEntries; ++i) free_[i] = i;
}

StatusIndex StatusIndexes::take(WallTime now) {
  const std::lock_guard lock(mutex_);
  // A clock that was set back must not make a list live for ever.
  if (!list_ || free_.empty() || now >= list_->opened + kStatusRotation || now < list_->opened)
    open(now);
  // The remainder favours none by more than one in 2^47.
  std::swap(free_[random() % free_.size()], free_.back());
  const StatusIndex out{list_, free_.back()};
  free_.pop_back();
  return out;
}

Result<StatusDocument> StatusLists::document(std::int64_t number, const std::string& uri,
                                             WallTime now, const Sign& sign) {
  const std::lock_guard lock(mutex_);
  std::erase_if(lists_, [&](const auto& l) { return l.second.ends <= now; });
  STINT_TRY(known(number, now));
  STINT_TRY(catch_up(now));
  List& list = lists_.at(number);
  const WallTime built = list.served.built;
  if (list.changed || list.served.jwt.empty() || now >= built + kStatusFresh || now < built)
    STINT_TRY(build(list, uri, now, sign));
  return list.served;
}

Status StatusLists::known(std::int64_t number, WallTime now) {
  if (const auto at = lists_.find(number); at != lists_.end() && at->second.known) return {};
  // Whoever asks need not be known: the numbers that they invent are looked for this often alone.
  if (now >= counted_ + std::chrono::seconds(1) || now < counted_) {
    counted_ = now;
    looked_for_ = 0;
  }
  if (looked_for_++ >= kUnknownLists) {
    // Those that there were a second ago are served all the same.
    for (const auto& [there, ends] : STINT_TRY(all(now)))
      if (there == number) return keep(number, ends, now);
    return fail(Errc::kLimit, "too many unknown status lists are asked for");
  }
  const auto ends = STINT_TRY(store_.read([&](store::Reader& reader) {
    return reader.one<WallTime>("SELECT ends FROM status_list WHERE n = $1", number);
  }));
  return keep(number, ends.value_or(now), now);
}

Status StatusLists::keep(std::int64_t number, WallTime ends, WallTime now) {
  if (ends <= now) return fail(Errc::kNotFound, "no such status list");
  List& list = lists_[number];
  list.ends = ends;
  list.known = true;
  return {};
}

Status StatusLists::catch_up(WallTime now) {
  for (;;) {
    const auto tail = next_ ? revocations_.tail(*next_, kPage) : std::nullopt;
    if (!tail) {  // the first time, or too long ago
      STINT_TRY(begin(now));
      continue;
    }
    bool key_gone = false;
    for (const auto& entry : tail->entries) {
      key_gone = key_gone || entry.kind == Revocation::Kind::kKeyRetired;
      if (entry.task) STINT_TRY(read_task(*entry.task, now));
    }
    // Its tokens may not count any more, and what it signed is believed by nobody.
    if (key_gone) STINT_TRY(without_key(now));
    next_ = tail->next;  // of what failed before nothing is forgotten
    if (tail->entries.size() < kPage) return {};
  }
}

Status StatusLists::begin(WallTime now) {
  const auto standing = revocations_.standing(now);
  for (auto& [number, list] : lists_) {
    list.entries.clear();
    list.changed = true;
  }
  for (const TaskId task : standing.closed) STINT_TRY(read_task(task, now));
  for (const TaskId task : standing.paused) STINT_TRY(read_task(task, now));
  for (const auto& [task, token] : standing.revoked) STINT_TRY(read_task(task, now));
  STINT_TRY(without_key(now));
  next_ = standing.next;
  return {};
}

Status StatusLists::without_key(WallTime now) {
  for (auto& [number, list] : lists_) list.changed = true;
  using Row = std::tuple<std::int64_t, std::int64_t, WallTime>;
  const auto rows = STINT_TRY(
      store_.read([&](store::Reader& reader) { return reader.rows<Row>(kOfRevokedKeys, now); }));
  for (const auto& [number, idx, expires] : rows)
    put(number, idx, expires, jose::TokenStatus::kInvalid);
  return {};
}

// In its list, which need not be known by its row yet.
void StatusLists::put(std::int64_t number, std::int64_t idx, WallTime expires,
                      jose::TokenStatus status) {
  List& list = lists_[number];
  const auto place = static_cast<std::uint64_t>(idx);
  if (!list.known) list.ends = std::max(list.ends, expires);
  if (status == jose::TokenStatus::kValid) {
    list.changed |= list.entries.erase(place) > 0;
    return;
  }
  const auto [entry, made] = list.entries.try_emplace(place, Entry{status, expires});
  list.changed |= made || entry->second.status != status;
  entry->second.status = status;
}

Status StatusLists::read_task(TaskId task, WallTime now) {
  using Row = std::tuple<std::int64_t, std::int64_t, WallTime, std::int64_t>;
  const auto rows = STINT_TRY(store_.read([&](store::Reader& reader) {
    const auto held = reader.one<std::int64_t>(kHeldAbove, task);
    return reader.rows<Row>(kStatuses, task, held.value_or(0) > 0 ? 1 : 0, now);
  }));
  for (const auto& [number, idx, expires, value] : rows)
    put(number, idx, expires, status_of(value));
  return {};
}

Status StatusLists::build(List& list, const std::string& uri, WallTime now, const Sign& sign) {
  std::erase_if(list.entries, [&](const auto& e) { return e.second.expires <= now - kStatusLife; });
  auto values = STINT_TRY(jose::StatusList::of(kStatusBits, kStatusEntries));
  for (const auto& [idx, entry] : list.entries)
    STINT_TRY(values.set(idx, static_cast<unsigned>(entry.status)));
  auto jwt = STINT_TRY(sign({.sub = uri,
                             .iat = now,
                             .exp = now + kStatusLife,
                             .ttl = kStatusTtl,
                             .list = std::move(values)}));
  const auto digest = crypto::sha256(jwt);
  list.served = {.jwt = std::move(jwt),
                 .etag = '"' + codec::encode_base64url(std::span(digest).first(12)) + '"',
                 .built = now,
                 .fresh = kStatusFresh};
  list.changed = false;
  return {};
}

Result<std::vector<std::int64_t>> StatusLists::numbers(WallTime now) {
  const std::lock_guard lock(mutex_);
  std::vector<std::int64_t> out;
  for (const auto& [number, ends] : STINT_TRY(all(now))) out.push_back(number);
  return out;
}

Result<std::span<const StatusLists::Listed>> StatusLists::all(WallTime now) {
  if (listed_ && now >= *listed_ && now < *listed_ + std::chrono::seconds(1))
    return std::span<const Listed>(all_);
  all_ = STINT_TRY(store_.read([&](store::Reader& reader) {
    return reader.rows<Listed>(
        "SELECT n, ends FROM status_list WHERE ends > $1 ORDER BY n LIMIT 1000", now);
  }));
  listed_ = now;
  return std::span<const Listed>(all_);
}

}  // namespace stint::authority
