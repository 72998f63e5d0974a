#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/authority/directory.h"
#include "stint/authority/live_view.h"
#include "stint/authority/revocations.h"
#include "stint/authority/types.h"
#include "stint/base/clock.h"
#include "stint/base/entropy.h"
#include "stint/jose/access_token.h"
#include "stint/rt/co.h"
#include "stint/rt/deadline.h"
#include "stint/store/event.h"
#include "stint/store/log_publisher.h"

namespace stint::store {
class Store;
}
namespace stint::keys {
class KeyRing;
}
namespace stint::vault {
class Vault;
}

namespace stint::authority {

struct Settings {
  std::string issuer;       // "https://host:7443": `iss`, and `aud` of our own API's tokens
  std::string gateway_url;  // "https://host:7444": upstream audiences are "<this>/u/<name>"
  domain::TaskLimits limits;
  std::chrono::seconds approval_ttl{600};
  std::chrono::milliseconds feed_max_age{2000};
  bool strict_audit = false;  // reads too are recorded before they happen, not within 50 ms
  std::size_t pending_approvals_per_task = 32;
  crypto::Alg token_alg = crypto::Alg::kES256;                    // where the upstream names none
  std::chrono::seconds rotate_keys_every{std::chrono::days(30)};  // 0: only when asked to
  std::chrono::seconds publish_keys_ahead{600};                   // before they sign
};

// The commands: the only writer of tasks, tokens, handles, approvals, resources and the log. Each
// is one transaction with its events, and has changed the live view before it is acknowledged.
//
// What strangers' bytes go through (oauth, gateway, api) reaches keys, vault and store only here.
//
// Threads:   any. Coroutines resume on the caller's executor.
// Ownership: borrows its parts; outlives every coroutine that it gave out.
// Errors:    domain's and the store's, with their reasons; kNotFound for a task, approval or handle
//            that is not there; kDenied where a policy said no. A command that returned an error
//            changed nothing; that opening, delegating or minting was refused is an event all the
//            same (rule 10), as a denied call is.
class Authority {
 public:
  struct Parts {
    store::Store& store;
    keys::KeyRing& keys;
    vault::Vault& vault;
    const Clock& clock;
    Entropy& entropy;  // thread-safe
  };
  // Loads the directory and every open task. Errors: the store's; kMalformed for rows that are not
  // ours.
  static Result<std::unique_ptr<Authority>> open(Parts parts, Settings settings);
  ~Authority();
  Authority(const Authority&) = delete;

  const Settings& settings() const;
  std::shared_ptr<const Directory> directory() const;
  const LiveView& view() const;
  // Before a task is looked up for a token or handle that is good: with several nodes, another may
  // have opened it a moment ago. A task that is not in the view is waited for, until everything
  // that was committed before this call is; one whose token was issued long ago is not. Errors:
  // kStale, it is not in the view, and what was committed could not be found out.
  rt::Co<Status> learn_of(TaskId task, WallTime issued);
  // After a token was refused: whether it names a key that this node has only now heard of, so that
  // it is to be verified again. With several nodes, another may have begun to sign with it a moment
  // ago. Waits until everything that was committed before this call is known; strangers' names of
  // keys ask the database ten times a second at most, whatever their number.
  rt::Co<bool> learn_of_key(std::string token_text);
  Result<std::shared_ptr<LiveTask>> live(TaskId task) const;  // of the view, now

  // --- configuration ---
  struct Applied {
    std::uint64_t version = 0;
    std::size_t created = 0, updated = 0, retired = 0, sealed = 0;
  };
  // Makes the configuration `desired`, in one transaction; seals `values`. Suspending or retiring
  // an agent closes its tasks (agent-suspended), removing a human theirs (offboarded). Errors:
  // kPreconditionFailed when `expected_version` is not the present one, kMissing for a credential
  // that an upstream injects and that has no value yet.
  rt::Co<Result<Applied>> apply(resource::Resources desired, std::map<std::string, Secret> values,
                                std::optional<std::uint64_t> expected_version, Actor actor);
  bool has_value(std::string_view credential) const;

  // --- tasks ---
  rt::Co<Result<Opened>> open_task(OpenRequest request);
  rt::Co<Result<Opened>> delegate(DelegateRequest request);
  rt::Co<Result<MintResult>> mint(MintRequest request);
  rt::Co<Result<Closed>> close(TaskId task, domain::How how, Actor actor);
  rt::Co<Result<domain::Task>> pause(TaskId task, domain::Why why, Actor actor);
  rt::Co<Result<domain::Task>> resume(TaskId task, domain::Why gone, Actor actor);
  Status heartbeat(TaskId task, WallTime now);  // the human is there
  // For refusals that come before the command: what an agent may not have although it proved who it
  // is. Recorded within 50 ms; the same to the same agent once in a while, the others as their
  // number.
  void refused(const Refused& what, const Error& error);

  // --- tokens ---
  // Of the task, when the handle is known, whatever its state. Errors: kNotFound.
  Result<domain::Task> task_of_handle(std::string_view handle_text);
  // Revoking a handle closes its task. False: no such token of this client (RFC 7009: still 200).
  rt::Co<Result<bool>> revoke(std::string token_text, std::string client_id);
  // nullopt: not active, for whatever reason (RFC 7662 section 2.2).
  std::optional<Introspection> introspect(std::string_view token_text, std::string_view client_id,
                                          WallTime now);
  std::shared_ptr<const jose::JwkSet> token_keys() const;  // changes with rotation
  std::string jwks() const;                                // to publish
  // Whether this node hears of what others do with keys: false while its view is stale.
  bool keys_are_known() const;
  // Of tokens for us, and for any audience. Take it anew for each token: keys come and go.
  std::shared_ptr<const jose::AccessTokenVerifier> verifier() const;
  // Settles a one-time value for every node, where a command does not do it in its own transaction.
  // With one node its memory of them is enough, and this does nothing. Errors: kReplayed, the
  // store's.
  rt::Co<Status> spend(SingleUse use);

  // Called now and after each change, with all that verify: for tables that make verifying fast. On
  // the thread that makes the change, which must not be kept. Set before the first request.
  void on_keys(std::function<void(const jose::JwkSet&)> f);

  // --- keys (keys.cc) ---
  std::vector<KeyView> keys() const;  // all but the oldest retired ones, by creation
  // Publishes a next key of this algorithm, or of each; it signs once it was published for long
  // enough (Settings::publish_keys_ahead). `at_once`: now, and verifiers that keep a copy of the
  // JWKS refuse new tokens until they fetch it again. Errors: kUnsupported, kLimit "too many keys
  // are published: wait until former ones retire".
  rt::Co<Result<Rotation>> rotate_keys(std::optional<crypto::Alg> alg, bool at_once, Actor actor);
  // What revoke_key() would kill. Errors: those of keys::KeyChanges::revoke.
  Result<KeyRevocation> key_revocation(const std::string& kid);
  // The key leaves the JWKS and every verifier of this node before this returns; other nodes follow
  // by the feed. When it signed, a fresh one signs at once. Returns what was killed.
  rt::Co<Result<KeyRevocation>> revoke_key(std::string kid, Actor actor);
  // For followers of the feed, when an event of a key came: takes the keys as they are committed.
  Status reload_keys();

  // --- calls ---
  // Decides, and records the decision: before the call for everything but reads, within 50 ms for
  // reads (Settings::strict_audit). An ask finds or makes its approval; a granted one is spent
  // here.
  rt::Co<Result<Verdict>> decide(CallRequest request);
  // Waits until the approval is settled, the deadline passes or `cancel` fires. True: settled.
  rt::Co<bool> await_answer(ApprovalId id, rt::Deadline deadline, rt::CancelToken cancel);
  // The upstream's credential for one permitted call; nullopt when it has none. Errors: kTaskClosed
  // and those of LiveTask::live when the task ended since; the vault's.
  Result<std::optional<Released>> release(const Permit& permit, WallTime now);
  // Records what became of it, within 50 ms.
  Status outcome(const Permit& permit, const CallOutcome& outcome);

  // --- approvals ---
  struct ApprovalQuery {
    std::optional<TaskId> task;
    std::optional<domain::ApprovalState> state;
    std::optional<ApprovalId> after;
    std::size_t limit = 100;
  };
  Result<std::vector<domain::Approval>> approvals(const ApprovalQuery& query);
  Result<domain::Approval> approval(ApprovalId id);
  rt::Co<Result<domain::Approval>> answer(ApprovalId id, domain::Answer answer, std::string human,
                                          std::vector<std::string> groups);

  // --- signals ---
  // Recorded within 50 ms; the same (task, name, ip) at most once a second.
  void signal(const Signal& signal, WallTime now);
  // The name of the credential whose value this is, if it is one: a value of ours offered by an
  // agent is a borrowed session.
  std::optional<std::string> recognise(std::string_view offered) const;

  // --- reading ---
  struct TaskQuery {
    std::optional<domain::State> state;
    std::string agent, human;  // "": any
    std::optional<TaskId> parent;
    std::optional<TaskId> after;  // newest first
    std::size_t limit = 100;
  };
  Result<std::vector<domain::Task>> tasks(const TaskQuery& query);
  Result<domain::Task> task(TaskId id);
  Result<std::string> receipt(TaskId id);  // kNotFound: not signed yet
  Result<std::vector<store::StoredEvent>> events(store::Seq from, std::size_t limit);
  Result<std::vector<store::StoredEvent>> task_events(TaskId id, store::Seq from,
                                                      std::size_t limit);
  struct Explained {
    std::string words;   // for `stint why`
    std::string record;  // the event's canonical bytes
    std::uint64_t seq = 0;
  };
  Result<Explained> why(DecisionId id);

  // --- Idempotency-Key of a POST (idempotency.cc) ---
  // nullopt: not seen before; the key is held for this request until remember(), at most a minute.
  // Else what was remembered. Kept for 24 hours. Errors: kConflict (under way, or used for another
  // request), kLimit.
  rt::Co<Result<std::optional<std::string>>> first_use(IdempotencyKey key);
  // `response` holds no secret; empty: forget, the request may be tried again.
  rt::Co<Status> remember(IdempotencyKey key, std::string response);

  // --- for those who verify tokens elsewhere ---
  const Revocations& revocations() const;
  // The task and every open one below it: what a pause of it holds up.
  Result<std::vector<TaskId>> with_descendants(TaskId task);
  // The status list of this number, signed. Errors: kNotFound "no such status list"; kStale when
  // this node cannot vouch for it; the store's.
  Result<StatusDocument> status_list(std::int64_t number);
  Result<std::vector<std::string>> status_list_uris();

  // --- the log, for serving ---
  store::Seq log_size() const;  // events committed; cheap
  std::string log_vkey() const;
  Result<std::optional<store::CheckpointRow>> checkpoint();
  Result<std::optional<std::string>> tile(std::uint8_t level, std::uint64_t index,
                                          std::uint16_t width);
  Result<std::optional<std::string>> entries(std::uint64_t index, std::uint16_t width);
  struct InclusionProof {
    std::uint64_t index = 0;
    std::string event;  // canonical bytes
    std::vector<crypto::Digest> path;
    std::string checkpoint;  // the signed note that it leads to
  };
  Result<InclusionProof> prove(std::uint64_t seq);

  // --- upkeep, for the reaper's threads; these block ---
  // Of several nodes one sweeps, and one signs: the others' calls do nothing. Call keep_leases()
  // twice a second, and give_up_leases() before going down.
  void keep_leases();
  void give_up_leases();
  struct Swept {
    std::size_t closed = 0, paused = 0, approvals_expired = 0, forgotten = 0;
  };
  Swept sweep();                        // what time has ended
  Result<bool> publish_log();           // a new checkpoint, if there is anything new
  Result<std::size_t> sign_receipts();  // of closed tasks that the checkpoint covers
  Result<bool> tend_keys();             // what their schedule asks for; true: keys changed
  void tell_refusals();                 // all that are counted, before the service goes down
  void confirm_view();                  // asks the store whether it lives, and what is new

  struct Health {
    bool writable = true;
    std::string_view reason;  // literal; "" when well
    std::chrono::milliseconds view_age{0};
    std::size_t open_tasks = 0, queued = 0;
  };
  Health health() const;
  // When the store was made of a backup: what was used up before is not known here.
  std::optional<WallTime> restored() const;

 private:
  class Impl;
  friend class AfterRestore;
  explicit Authority(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace stint::authority
