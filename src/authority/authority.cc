#include "stint/authority/authority.h"

#include <charconv>

#include "impl.h"
#include "load.h"
#include "stint/authority/restored.h"
#include "stint/base/log.h"
#include "stint/domain/json.h"
#include "stint/keys/key_ring.h"
#include "stint/merkle/proof.h"
#include "stint/merkle/tile.h"
#include "stint/vault/vault.h"

namespace stint::authority {
Result<LoadedDirectory> load_directory(store::Reader& reader) {
  LoadedDirectory out;
  using Row = std::tuple<std::string, std::string>;
  for (const auto& [kind, body] :
       reader.rows<Row>("SELECT kind, body FROM entity WHERE state = 'live' ORDER BY kind, name")) {
    const auto parsed = STINT_TRY(resource::parse_kind(kind));
    out.resources.add(STINT_TRY(resource::decode(parsed, body)));
  }
  const auto text =
      reader.one<std::string>("SELECT value FROM meta WHERE key = 'directory_version'");
  if (reader.error()) return fail(*reader.error());
  if (text) std::from_chars(text->data(), text->data() + text->size(), out.version);
  return out;
}

namespace {
constexpr std::size_t kSignals = 10'000;
// A view that is older than this denies anyhow; the clocks of two nodes may differ.
constexpr std::chrono::seconds kNews{70};
constexpr std::chrono::seconds kSignalEvery{1};
}  // namespace

audit::Actor to_audit(const Actor& actor) {
  switch (actor.kind) {
    case Actor::Kind::kHuman:
      return audit::Actor::human(actor.name);
    case Actor::Kind::kAgent:
      return audit::Actor::agent(actor.name);
    case Actor::Kind::kOperator:
      return audit::Actor::an_operator(actor.name);
    case Actor::Kind::kSystem:
      return audit::Actor::server();
  }
  __builtin_trap();
}

DecisionId DecisionIds::make(WallTime now) {
  std::array<std::uint8_t, 16> bytes;
  const auto ms = static_cast<std::uint64_t>(unix_millis(now));
  for (std::size_t i = 0; i < 6; ++i) bytes[i] = static_cast<std::uint8_t>(ms >> (8 * (5 - i)));
  const std::lock_guard lock(mutex_);
  if (left_ == 0) {
    entropy_.fill(std::as_writable_bytes(std::span(random_)));
    left_ = kMany;
  }
  std::copy_n(random_.begin() + static_cast<std::ptrdiff_t>(--left_ * kEach), kEach,
              bytes.begin() + 6);
  return DecisionId(bytes);
}

NodeId new_node(Entropy& entropy) {
  NodeId node;
  entropy.fill(std::as_writable_bytes(std::span(node)));
  return node;
}

WallTime time_of(DecisionId id) {
  std::int64_t ms = 0;
  for (std::size_t i = 0; i < 6; ++i) ms = ms << 8 | id.bytes()[i];
  return from_unix_millis(ms);
}

Result<store::EventBytes> event_bytes(WallTime now, const audit::AnyEvent& event) {
  return store::EventBytes{.kind = audit::kind(event),
                           .task = audit::task_of(event),
                           .bytes = STINT_TRY(audit::encode(now, event)),
                           .time = now};
}

void append(store::Tx& tx, WallTime now, const audit::AnyEvent& event) {
  const auto bytes = event_bytes(now, event);
  if (!bytes) return tx.fail(bytes.error());
  tx.append(*bytes);
}

Status Authority::Impl::record(const store::EventBytes& event) {
  store::EventRun run;
  STINT_TRY(run.add(event));
  return parts.store.record(run);
}

bool Authority::Impl::first_in_a_while(const Signal& signal, WallTime at) {
  std::string key(signal.name);
  key += '\0';
  key += signal.task ? signal.task->str() : signal.agent;
  key += '\0';
  key += signal.ip;
  const std::lock_guard lock(signals_mutex_);
  // Bounded, and swept at most once a second: whoever makes signals must not make work too.
  if (signals_.size() >= kSignals && at - signals_swept_ >= kSignalEvery) {
    signals_swept_ = at;
    std::erase_if(signals_, [&](const auto& s) { return at - s.second >= kSignalEvery; });
  }
  if (signals_.size() >= kSignals) return false;
  auto& last = signals_[key];
  if (last != WallTime() && at - last < kSignalEvery) return false;
  last = at;
  return true;
}

Authority::Authority(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Authority::~Authority() { impl_->parts.store.unfollow(); }

std::optional<WallTime> Authority::restored() const { return impl_->restored; }

Result<std::unique_ptr<Authority>> Authority::open(Parts parts, Settings settings) {
  auto impl = std::make_unique<Impl>(parts, std::move(settings));
  const auto loaded = STINT_TRY(parts.store.read(load_directory));
  impl->set_directory(
      STINT_TRY(Directory::compile(loaded.resources, loaded.version, impl->settings.gateway_url)));

  impl->restored = STINT_TRY(parts.store.read(restored_at));

  // Idle limits start anew: what was used since the last record is not known.
  const WallTime now = parts.clock.wall();
  std::optional<TaskId> after;
  for (;;) {
    using Row = std::tuple<TaskId, std::string>;
    const auto rows = STINT_TRY(parts.store.read([&](store::Reader& reader) {
      return reader.rows<Row>(
          "SELECT id, body FROM task WHERE state <> 'closed' AND (id > $1 OR $1 IS NULL) "
          "ORDER BY id LIMIT 1000",
          after);
    }));
    for (const auto& [id, body] : rows) {
      auto task = STINT_TRY(domain::decode_task(body));
      task.last_used = std::max(task.last_used, now);
      task.last_present = std::max(task.last_present, now);
      impl->view.add(std::make_shared<const domain::Task>(std::move(task)));
    }
    if (rows.size() < 1000) break;
    after = std::get<0>(rows.back());
  }
  const auto revoked = STINT_TRY(parts.store.read([&](store::Reader& reader) {
    using Row = std::tuple<TaskId, TokenId, WallTime>;
    return reader.rows<Row>(
        "SELECT task, jti, exp FROM token WHERE revoked IS NOT NULL AND exp > $1", now);
  }));
  for (const auto& [task, token, expires] : revoked) impl->view.revoke(task, token, expires);
  STINT_TRY(impl->follow_revocations());
  // Of a shared database more may have been committed since it was read: the view is stale until
  // the feed has been followed once.
  if (!parts.store.shared()) impl->view.confirm(parts.clock.mono());
  impl->set_keys(parts.keys.now());
  // A log that does not lead to what was signed is not gone on with.
  impl->publisher.emplace(STINT_TRY(store::LogPublisher::open(parts.store)));
  parts.store.confirm_by(parts.clock,
                         [raw = impl.get()](MonoTime begun) { raw->view.confirm(begun); });
  // What was committed since the store was opened comes again, in order, and all that follows.
  parts.store.follow(
      [raw = impl.get()](std::span<const store::EventView> events) { return raw->follow(events); });
  return std::unique_ptr<Authority>(new Authority(std::move(impl)));
}

const Settings& Authority::settings() const { return impl_->settings; }
std::shared_ptr<const Directory> Authority::directory() const { return impl_->directory(); }
const LiveView& Authority::view() const { return impl_->view; }

rt::Co<Status> Authority::learn_of(TaskId task, WallTime issued) {
  return impl_->learn_of(task, issued);
}

rt::Co<Status> Authority::Impl::learn_of(TaskId task, WallTime issued) {
  if (!parts.store.shared() || now() - issued > kNews) co_return Status();
  // Known, or a view that denies whatever is asked: nothing to wait for.
  if (const auto seen = view.find(task, parts.clock.mono());
      seen || seen.error().code != Errc::kTaskClosed)
    co_return Status();
  const auto told = co_await rt::from_callback<bool>([this](rt::Completion<bool> done) {
    // A std::function is copied; the completion is one.
    auto once = std::make_shared<rt::Completion<bool>>(std::move(done));
    parts.store.sync([once](const Status& s) { (*once)(s.has_value()); });
  });
  // Else it may be open, and nobody here can tell: "closed" would be final to whoever asks.
  if ((told && *told) || view.known(task)) co_return Status();
  co_return fail(Errc::kStale, "the view of live tasks is stale");
}
Result<std::shared_ptr<LiveTask>> Authority::live(TaskId task) const {
  return impl_->view.find(task, impl_->parts.clock.mono());
}
const Revocations& Authority::revocations() const { return *impl_->revocations; }
std::shared_ptr<const jose::JwkSet> Authority::token_keys() const {
  return impl_->keys()->set->public_keys();
}
std::string Authority::jwks() const { return token_keys()->to_json(); }
std::shared_ptr<const jose::AccessTokenVerifier> Authority::verifier() const {
  auto keys = impl_->keys();
  const auto* verifier = &keys->verifier;
  return {std::move(keys), verifier};
}

Status Authority::heartbeat(TaskId task, WallTime now) {
  const auto live = STINT_TRY(impl_->view.find(task, impl_->parts.clock.mono()));
  live->present(now);
  return {};
}

bool Authority::keys_are_known() const {
  return impl_->view.age(impl_->parts.clock.mono()) <= impl_->settings.feed_max_age;
}

void Authority::signal(const Signal& signal, WallTime now) {
  if (!impl_->first_in_a_while(signal, now)) return;
  const audit::AnyEvent event =
      audit::Signal{.name = std::string(signal.name),
                    .strength = signal.hard ? audit::Strength::kHard : audit::Strength::kSoft,
                    .sentence = std::string(signal.name),
                    .task = signal.task,
                    .token = signal.token,
                    .agent = signal.agent,
                    .source_ip = signal.ip};
  const auto bytes = event_bytes(now, event);
  if (const Status queued = bytes ? impl_->record(*bytes) : fail(bytes.error()); !queued)
    log::error("a signal could not be recorded", {{"reason", queued.error().reason}});
}

std::optional<std::string> Authority::recognise(std::string_view offered) const {
  return impl_->parts.vault.recognise(offered);
}

Result<Authority::InclusionProof> Authority::prove(std::uint64_t seq) {
  const auto head = STINT_TRY(checkpoint());
  if (!head || seq >= head->size)
    return fail(Errc::kNotFound, "the log's checkpoint does not reach this event yet");
  const auto event = STINT_TRY(impl_->parts.store.events(seq, 1));
  if (event.empty()) return fail(Errc::kInternal, "the log has a gap");
  const merkle::TileNodes nodes(head->size, [&](const merkle::TileId& id) -> Result<std::string> {
    auto data = STINT_TRY(
        tile(static_cast<std::uint8_t>(id.level), id.index, static_cast<std::uint16_t>(id.width)));
    if (!data) return fail(Errc::kInternal, "a tile is missing");
    return *std::move(data);
  });
  return InclusionProof{.index = seq,
                        .event = event.front().bytes,
                        .path = STINT_TRY(merkle::inclusion_proof(seq, head->size, nodes)),
                        .checkpoint = head->note};
}

Authority::Health Authority::health() const {
  const auto store = impl_->parts.store.health();
  Health h{.writable = store.writable,
           .view_age = impl_->view.age(impl_->parts.clock.mono()),
           .open_tasks = impl_->view.size(),
           .queued = store.queued};
  if (!store.writable) {
    h.reason = store.last_error ? store.last_error->reason.text() : "the store is not writable";
  } else if (h.view_age > impl_->settings.feed_max_age) {
    h.reason = "the view of live tasks is stale";
  }
  return h;
}

}  // namespace stint::authority
