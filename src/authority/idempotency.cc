#include "impl.h"

namespace stint::authority {
namespace {

constexpr std::chrono::hours kRemembered{24};
constexpr std::chrono::minutes kUnderWay{1};  // a reservation that a crash left behind
constexpr std::int64_t kMaxKeys = 10'000;     // of one principal

}  // namespace

rt::Co<Result<std::optional<std::string>>> Authority::first_use(IdempotencyKey key) {
  Impl* impl = impl_.get();
  co_return co_await impl->commit(
      [=, key = std::move(key)](store::Tx& tx, Changes&) -> Result<std::optional<std::string>> {
        const WallTime now = impl->now();
        tx.no_event();  // what a client sent twice is bookkeeping
        tx.run("DELETE FROM idempotency WHERE principal = $1 AND key = $2 AND exp <= $3",
               key.principal, key.key, now);
        const auto before = tx.one<std::string>(
            "SELECT response FROM idempotency WHERE principal = $1 AND key = $2 AND request = $3",
            key.principal, key.key, key.request);
        if (before && before->empty())
          return fail(Errc::kConflict, "the same request is still under way");
        if (before) return before;
        if (tx.one<std::int64_t>("SELECT 1 FROM idempotency WHERE principal = $1 AND key = $2",
                                 key.principal, key.key))
          return fail(Errc::kConflict, "the Idempotency-Key was used for another request");
        const auto used = tx.one<std::int64_t>(
            "SELECT count(*) FROM idempotency WHERE principal = $1", key.principal);
        if (used && *used >= kMaxKeys) return fail(Errc::kLimit, "too many Idempotency-Keys");
        tx.run(
            "INSERT INTO idempotency (principal, key, request, response, exp) "
            "VALUES ($1, $2, $3, '', $4)",
            key.principal, key.key, key.request, now + kUnderWay);
        return std::optional<std::string>();
      });
}

rt::Co<Status> Authority::remember(IdempotencyKey key, std::string response) {
  Impl* impl = impl_.get();
  const auto kept = co_await impl->commit([=, key = std::move(key), response = std::move(response)](
                                              store::Tx& tx, Changes&) -> Result<bool> {
    tx.no_event();
    if (response.empty()) {
      tx.run("DELETE FROM idempotency WHERE principal = $1 AND key = $2", key.principal, key.key);
    } else {
      tx.run("UPDATE idempotency SET response = $3, exp = $4 WHERE principal = $1 AND key = $2",
             key.principal, key.key, response, impl->now() + kRemembered);
    }
    return true;
  });
  if (!kept) co_return fail(kept.error());
  co_return Status();
}

store::Seq Authority::log_size() const { return impl_->parts.store.size(); }

}  // namespace stint::authority
