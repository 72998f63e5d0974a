#include "impl.h"
#include "stint/domain/json.h"
#include "stint/vault/vault.h"

namespace stint::authority {

Result<std::optional<Released>> Authority::release(const Permit& permit, WallTime now) {
  STINT_TRY(impl_->live_chain(permit.task(), permit.token_, now));
  STINT_TRY(impl_->keys()->verifier.check_key(permit.kid_));
  // By the configuration that decided: another may send this credential to another host.
  if (impl_->directory() != permit.directory_)
    return fail(Errc::kUnavailable, "the configuration changed meanwhile");
  const auto* upstream = permit.directory_->upstream(permit.upstream_);
  if (upstream == nullptr) return fail(Errc::kNotFound, "the upstream is gone");
  if (!upstream->upstream.inject) return std::optional<Released>();
  const std::string& name = upstream->upstream.inject->credential;
  auto opened = STINT_TRY(impl_->parts.vault.release(name));
  if (opened.version != permit.credential_version_)
    return fail(Errc::kUnavailable, "the credential changed meanwhile");
  return std::optional(
      Released{.credential = name, .version = opened.version, .value = std::move(opened.secret)});
}

Status Authority::outcome(const Permit& permit, const CallOutcome& outcome) {
  Impl* impl = impl_.get();
  const WallTime now = impl->now();
  if (const auto live = impl->view.find(permit.task(), impl->parts.clock.mono()))
    (*live)->add_bytes_out(outcome.bytes_out);
  using std::chrono::milliseconds;
  const audit::Outcome event{
      .decision = permit.decision(),
      .task = permit.task(),
      .ending = outcome.ending,
      .status = static_cast<int>(outcome.status),
      .bytes_in = outcome.bytes_in,
      .bytes_out = outcome.bytes_out,
      .duration_ms = std::chrono::duration_cast<milliseconds>(outcome.duration).count()};
  store::EventRun run;
  STINT_TRY(run.add(event.kKind, permit.task(), now,
                    [&](std::string& text) { return audit::encode_to(text, now, event); }));
  if (!permit.byte_limit()) return impl->parts.store.record(run, store::Tells::kWhatHappened);
  impl->commit_later([impl, run = std::move(run), task = permit.task(),
                      unused = *permit.byte_limit() - outcome.bytes_out](
                         store::Tx& tx, Changes& changes) -> Result<bool> {
    tx.append(run);
    impl->give_back(tx, changes, task, unused);
    return true;
  });
  return {};
}

}  // namespace stint::authority
