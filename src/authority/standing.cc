// What the rows say of what no longer counts: for the feed and for status lists.
#include <algorithm>

#include "impl.h"
#include "stint/keys/key_ring.h"

namespace stint::authority {
namespace {

// By the tokens that are still good by their time, of which there are few; of tasks there are many.
constexpr store::Sql kClosed =
    "SELECT k.task, MAX(k.exp) FROM token k JOIN task t ON t.id = k.task "
    "WHERE k.exp > $1 AND t.state = 'closed' GROUP BY k.task";
constexpr store::Sql kRevoked =
    "SELECT task, jti, exp FROM token WHERE exp > $1 AND revoked IS NOT NULL";
constexpr store::Sql kRetired =
    "SELECT kid, retired FROM signing_key WHERE purpose = 'token' AND retired > $1";
constexpr store::Sql kPaused = "SELECT id FROM task WHERE state = 'paused'";
constexpr store::Sql kLastExpiry = "SELECT MAX(exp) FROM token";

// The most that configuration allows (tokens.ttl): another node may have been given another.
constexpr std::chrono::seconds kLongestLife{300};

// How far behind ours the clock of one who verifies elsewhere may be.
constexpr std::chrono::minutes kOtherClocks{1};

constexpr store::Sql kBelow = R"sql(
  WITH RECURSIVE subtree(id) AS (
    SELECT id FROM task WHERE id = $1
    UNION SELECT t.id FROM task t JOIN subtree s ON t.parent = s.id WHERE t.state <> 'closed')
  SELECT id FROM subtree ORDER BY id)sql";

}  // namespace

Status Authority::Impl::follow_revocations() {
  parts.store.observe(
      [seen = revocations, &clock = parts.clock](std::span<const store::EventView> events) {
        seen->add(events, clock.wall());
      });
  return revocations->load([this]() -> Result<Revocations::Rows> {
    const WallTime at = now();
    Revocations::Rows rows{
        .size = parts.store.size(),
        .longest = std::max<std::chrono::milliseconds>(settings.limits.token_ttl, kLongestLife),
        .ended = {},
        .paused = {},
        .keys = {}};
    STINT_TRY(parts.store.read([&](store::Reader& reader) -> Status {
      using Closed = std::tuple<TaskId, WallTime>;
      for (const auto& [task, expires] : reader.rows<Closed>(kClosed, at))
        rows.ended.push_back(
            {.task = task, .token = std::nullopt, .expires = expires + kOtherClocks});
      using Revoked = std::tuple<TaskId, TokenId, WallTime>;
      for (const auto& [task, token, expires] : reader.rows<Revoked>(kRevoked, at))
        rows.ended.push_back({.task = task, .token = token, .expires = expires + kOtherClocks});
      rows.paused = reader.rows<TaskId>(kPaused);
      using Key = std::tuple<std::string, WallTime>;
      const auto told = kLongestLife + kOtherClocks + Revocations::kKeysCached;
      for (auto& [kid, retired] : reader.rows<Key>(kRetired, at - told))
        rows.keys.emplace_back(std::move(kid), retired + told);
      // Tokens may be longer-lived than those that are minted from now on.
      const auto last = reader.one<std::optional<WallTime>>(kLastExpiry);
      if (last && *last)
        rows.longest =
            std::max(rows.longest, std::chrono::ceil<std::chrono::milliseconds>(**last - at));
      rows.longest += kOtherClocks;
      return {};
    }));
    return rows;
  });
}

std::string Authority::Impl::status_uri(std::int64_t number) const {
  std::string_view base = settings.issuer;
  if (base.ends_with('/')) base.remove_suffix(1);
  return std::string(base) + "/oauth/status/" + std::to_string(number);
}

Result<StatusDocument> Authority::status_list(std::int64_t number) {
  if (!health().reason.empty())
    return fail(Errc::kStale, "this node cannot vouch for its status lists now");
  const auto key = STINT_TRY(impl_->parts.keys.signing_key(impl_->settings.token_alg));
  return impl_->status_lists.document(number, impl_->status_uri(number), impl_->now(),
                                      [&](const jose::StatusListToken& token) {
                                        return jose::sign_status_list(token, key.kid, key.key);
                                      });
}

Result<std::vector<std::string>> Authority::status_list_uris() {
  std::vector<std::string> out;
  for (const auto number : STINT_TRY(impl_->status_lists.numbers(impl_->now())))
    out.push_back(impl_->status_uri(number));
  return out;
}

Result<std::vector<TaskId>> Authority::with_descendants(TaskId task) {
  return impl_->parts.store.read(
      [&](store::Reader& reader) { return reader.rows<TaskId>(kBelow, task); });
}

}  // namespace stint::authority
