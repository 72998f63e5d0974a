#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "key_maker.h"
#include "key_news.h"
#include "lease.h"
#include "repeats.h"
#include "status_lists.h"
#include "stint/audit/event.h"
#include "stint/authority/authority.h"
#include "stint/base/log.h"
#include "stint/keys/key_changes.h"
#include "stint/merkle/checkpoint.h"
#include "stint/rt/callback.h"
#include "stint/rt/event.h"
#include "stint/store/store.h"

namespace stint::authority {

// What a command changed, for this node's view. Applied on the writer thread, after the commit and
// before the command is acknowledged.
struct Changes {
  std::vector<std::shared_ptr<const domain::Task>> opened, tasks;
  struct Revoked {
    TaskId task;
    TokenId token;
    WallTime expires;
  };
  std::vector<Revoked> revoked;
  std::vector<ApprovalId> settled;
  std::shared_ptr<const Directory> directory;
  std::shared_ptr<const keys::KeySet> keys;
  std::vector<std::shared_ptr<OpenStatusList>> announced;  // whose row is there now
};

// The keys of one moment: what signs, and what verifies it.
struct Keys {
  std::shared_ptr<const keys::KeySet> set;
  jose::AccessTokenVerifier verifier;
};

audit::Actor to_audit(const Actor& actor);
// Whether its use is counted in its row, by the commits themselves.
bool has_budget(const domain::Task& task);

// A decision's id begins with its time, so that its event is found in the log, which is ordered by
// time, without an index to pay for on every call.
WallTime time_of(DecisionId id);
class DecisionIds {
 public:
  explicit DecisionIds(Entropy& entropy) : entropy_(entropy) {}
  DecisionId make(WallTime now);

 private:
  // Asked for many at a time: the system's generator costs 2 µs however little it gives. Ids are no
  // secrets.
  static constexpr std::size_t kEach = 10, kMany = 100;
  Entropy& entropy_;
  std::mutex mutex_;
  std::array<std::uint8_t, kEach * kMany> random_{};
  std::size_t left_ = 0;
};

// Errors: as audit::encode.
Result<store::EventBytes> event_bytes(WallTime now, const audit::AnyEvent& event);
// Appends an event to the transaction; an event that cannot be encoded fails the transaction.
void append(store::Tx& tx, WallTime now, const audit::AnyEvent& event);

NodeId new_node(Entropy& entropy);

class Authority::Impl {
 public:
  Impl(Parts parts_in, Settings settings_in)
      : parts(parts_in),
        settings(std::move(settings_in)),
        view(settings.feed_max_age),
        node(new_node(parts.entropy)),
        log_lease(parts.store, parts.clock, "log", node),
        sweep_lease(parts.store, parts.clock, "sweep", node),
        decision_ids(parts.entropy),
        status_indexes(parts.entropy),
        key_maker(parts.keys),
        key_news([&store = parts.store](auto done) { store.sync(std::move(done)); }, parts.clock) {}

  Parts parts;
  const Settings settings;
  LiveView view;
  const NodeId node;
  Lease log_lease, sweep_lease;
  std::atomic<bool> leases_kept{true};
  DecisionIds decision_ids;
  // Shared with the store, whose observers outlive us.
  const std::shared_ptr<Revocations> revocations = std::make_shared<Revocations>();
  StatusIndexes status_indexes;
  StatusLists status_lists{parts.store, *revocations};

  WallTime now() const { return parts.clock.wall(); }
  std::shared_ptr<const Directory> directory() const {
    return directory_.load(std::memory_order_acquire);
  }
  void set_directory(std::shared_ptr<const Directory> d) {
    directory_.store(std::move(d), std::memory_order_release);
  }

  std::function<void(const jose::JwkSet&)> on_keys;  // under keys_mutex
  std::mutex keys_mutex;                             // of those who replace keys
  std::shared_ptr<const Keys> keys() const { return keys_.load(std::memory_order_acquire); }
  // An older set than the present one is passed over.
  void set_keys(std::shared_ptr<const keys::KeySet> set);
  keys::Schedule schedule() const;
  // Runs change(KeyChanges&) and hands the keys that come of it to this node's view.
  template <class F>
  Status change_keys(store::Tx& tx, Changes& changes, const Actor& actor, F change) {
    keys::KeyChanges work(tx, schedule(), to_audit(actor), now());
    STINT_TRY(change(work));
    if (work.finish()) changes.keys = STINT_TRY(parts.keys.load(tx));
    return {};
  }
  // Counted in the rows as they are.
  Result<KeyRevocation> killed_by(const keys::KeyInfo& key);

  // Runs f(Tx&, Changes&) as one command and awaits its commit.
  template <class F>
  auto commit(F f) {
    using T = typename store::detail::Unwrap<std::invoke_result_t<F&, store::Tx&, Changes&>>::type;
    return rt::from_callback<T>([this, f = std::move(f)](rt::Completion<T> done) mutable {
      submit<T>(std::move(f), std::move(done));
    });
  }
  // The same, for what nobody waits for. A failure is logged.
  template <class F>
  void commit_later(F f) {
    using T = typename store::detail::Unwrap<std::invoke_result_t<F&, store::Tx&, Changes&>>::type;
    submit<T>(std::move(f), [](Result<T> r) {
      if (!r) log::error("upkeep was not recorded", {{"reason", r.error().reason}});
    });
  }
  // The same from the reaper's thread: waits.
  template <class F>
  auto commit_sync(F f) {
    using T = typename store::detail::Unwrap<std::invoke_result_t<F&, store::Tx&, Changes&>>::type;
    std::optional<Result<T>> result;
    parts.store.wait_until([&](std::function<void()> finished) {
      submit<T>(std::move(f), [&result, finished = std::move(finished)](Result<T> r) {
        result = std::move(r);
        finished();
      });
    });
    return *std::move(result);
  }

  void apply(const Changes& changes);
  void settled(ApprovalId id);  // wakes whoever waits for its answer

  rt::Co<Status> learn_of(TaskId task, WallTime issued);

  // --- follow.cc: what other nodes committed ---
  class Following;
  Status follow(std::span<const store::EventView> events);
  Status reload_directory();
  Status reload_keys();
  std::shared_ptr<rt::SharedEvent> answer_event(ApprovalId id);

  // Into the log, with nobody waiting for it. Errors: of Store::record().
  Status record(const store::EventBytes& event);

  // --- rows (rows.cc) ---
  static Result<domain::Task> load_task(store::Reader& reader, TaskId id);
  static void announce_task(store::Tx& tx, TaskId id);  // that load_task() comes soon
  static void insert_task(store::Tx& tx, const domain::Task& task);
  static void update_task(store::Tx& tx, const domain::Task& task);
  static void insert_approval(store::Tx& tx, const domain::Approval& approval);
  static void update_approval(store::Tx& tx, const domain::Approval& approval);
  Status spend_once(store::Tx& tx, const std::vector<SingleUse>& uses) const;

  // --- close.cc ---
  // Closes the task and every descendant that is open, inside the caller's transaction.
  Result<Closed> close_subtree(store::Tx& tx, Changes& changes, TaskId root, domain::How how,
                               const Actor& actor, WallTime at);
  static Status settle_approvals(store::Tx& tx, Changes& changes, TaskId task, WallTime at);

  // --- open.cc, mint.cc ---
  struct Draft {  // a token that is signed and checked but not recorded: it has not left this
                  // process
    Minted minted;
    audit::TokenMinted event;
    StatusIndex status;
  };
  // `audience` an upstream's: all grants for it, or those of `narrow`. Our issuer: those of
  // `narrow`, which may be of several upstreams and are worth something in a delegation alone.
  // `ends`: no later than that. Errors: kNotFound "unknown audience", kDenied when no grant is for
  // it or `narrow` is not within them, kExpired.
  Result<Draft> draft_token(const domain::Task& task, const std::string& audience,
                            const std::vector<domain::Grant>& narrow, audit::MintedBy by,
                            WallTime at, std::optional<WallTime> ends = std::nullopt);
  // By whose token a child is opened.
  struct Above {
    TaskId task;
    TokenId token;
    std::string kid;
    WallTime token_expires;
  };
  void record_token(store::Tx& tx, Changes& changes, const Draft& draft, WallTime at);
  // Inside the transaction: whether the parent may have this child as it stands now.
  Status may_have_child(store::Tx& tx, const Above& parent, const domain::Task& child,
                        WallTime at) const;
  std::vector<std::string> actors(const domain::Task& task) const;
  Status agent_may_work(const Directory& dir, const std::string& agent) const;
  // A refusal in the making: what is known of it by the time that it is one.
  struct Refusal {
    Refused what;
    struct Judged {
      policy::Facts facts;
      policy::Decision decision;
    };
    std::optional<Judged> judged;  // when policies refused
  };
  rt::Co<Result<Opened>> open_task(OpenRequest request, Refusal* refusal);
  rt::Co<Result<Opened>> delegate(DelegateRequest request, Refusal* refusal);
  rt::Co<Result<Opened>> open_with(domain::Task task, OpenRequest request,
                                   std::optional<Above> parent, Refusal* refusal);
  rt::Co<Result<MintResult>> mint(MintRequest request, Refusal* refusal);

  // --- refusals.cc ---
  void refused(const Refusal& refusal, const Error& error);
  void record_repeats(const std::vector<Repeats::Counted>& told);
  Repeats repeats;

  // --- facts.cc ---
  policy::Facts task_facts(const Directory& dir, const domain::Task& task,
                           policy::Operation operation, const RequestContext& request,
                           WallTime at) const;
  policy::Facts call_facts(const Directory& dir, const domain::Task& task, const CallRequest& r,
                           WallTime at) const;

  // --- decide.cc ---
  // The task and all above it, each open and live; the task's token not revoked. Errors: those of
  // LiveTask::live and LiveView::find.
  using Chain = std::vector<std::shared_ptr<LiveTask>>;
  Result<Chain> live_chain(TaskId task, TokenId token, WallTime at) const;
  // Decision, and for a permit the release of its credential, as they go into the log.
  Result<store::EventRun> decision_events(const CallRequest& r, const Directory& dir,
                                          const policy::Facts& facts,
                                          const policy::Decision& decision, DecisionId id,
                                          std::optional<ApprovalId> approval, WallTime at) const;
  Permit permit_for(const CallRequest& r, std::shared_ptr<const Directory> dir,
                    DecisionId id) const;
  // Inside the transaction: whether the rows agree that the call may be, and what it takes from
  // budgets. Returns the bytes reserved, if a budget of bytes is in the chain.
  Result<std::optional<std::int64_t>> claim(store::Tx& tx, Changes& changes, const CallRequest& r,
                                            WallTime at);
  void give_back(store::Tx& tx, Changes& changes, TaskId task, std::int64_t bytes);
  Result<Verdict> ask_in(store::Tx& tx, Changes& changes, const CallRequest& r,
                         const std::shared_ptr<const Directory>& dir, const policy::Facts& facts,
                         const policy::Decision& decision, DecisionId id, WallTime at);
  std::optional<std::string> answerable(const Directory& dir, const domain::Task& task) const;
  // The configuration as of the last commit, which `dir` must be: another apply may be in the same
  // batch, and not yet in memory.
  static Status same_directory(store::Tx& tx, const Directory& dir);
  // The row, with what the view knows of its activity.
  Result<domain::Task> load_active(store::Reader& reader, TaskId id) const;
  // Says that the command will read the directory's version, the task and all above it and, when
  // given, whether the token is revoked.
  void announce(store::Tx& tx, TaskId task, std::optional<TokenId> token) const;
  static void announce_directory(store::Tx& tx);
  static Status not_revoked(store::Reader& reader, TokenId token);
  // Inside the transaction: the task and all above it as their rows say, each live; `token`, when
  // given, not revoked. The rows know what no view may yet: a close in this very batch.
  Result<std::vector<domain::Task>> live_rows(store::Reader& reader, TaskId task,
                                              std::optional<TokenId> token, WallTime at) const;

  // --- standing.cc ---
  Status follow_revocations();  // from now on, after what stands in the rows
  std::string status_uri(std::int64_t number) const;

  // --- upkeep.cc ---
  Result<std::string> receipt_for(TaskId task, const merkle::Checkpoint& covering);

  // --- signals ---
  bool first_in_a_while(const Signal& signal, WallTime at);

  std::mutex publisher_mutex;
  std::optional<store::LogPublisher> publisher;  // as of the lease's fence
  std::uint64_t publisher_fence = 0;
  std::optional<WallTime> restored;  // from a backup; set by open(), and never changes
  WallTime keys_failed;              // the reaper's: when tending keys failed last
  KeyMaker key_maker;
  KeyNews key_news;

 private:
  template <class T, class F, class Done>
  void submit(F f, Done done) {
    auto changes = std::make_shared<Changes>();
    parts.store.submit(
        [changes, f = std::move(f)](store::Tx& tx) mutable -> Result<T> {
          *changes = Changes();
          return f(tx, *changes);
        },
        std::move(done), [this, changes] { apply(*changes); });
  }

  std::atomic<std::shared_ptr<const Directory>> directory_;
  std::atomic<std::shared_ptr<const Keys>> keys_;
  std::mutex answers_mutex_;
  std::unordered_map<ApprovalId, std::weak_ptr<rt::SharedEvent>> answers_;
  std::mutex signals_mutex_;
  std::map<std::string, WallTime, std::less<>> signals_;
  WallTime signals_swept_;
};

}  // namespace stint::authority
