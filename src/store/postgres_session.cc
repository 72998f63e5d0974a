#include "postgres_session.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <mutex>
#include <set>
#include <utility>

#include "postgres_error.h"
#include "stint/base/log.h"

namespace stint::store {
namespace {

constexpr std::size_t kUnsynced = 4 << 10;  // bytes; libpq sends by itself what grows beyond 8 KiB

// Whether this kind of refusal is the first of its kind. Of a statement that is wrong the message
// speaks of its text, a literal, and of the schema.
bool said_first(const char* state, const char* message) {
  constexpr std::size_t kKinds = 64;
  static std::mutex mutex;
  static std::set<std::string> said;
  const std::lock_guard lock(mutex);
  return said.size() < kKinds &&
         said.insert(std::string(state) + (message == nullptr ? "" : message)).second;
}

}  // namespace

// --- connecting ---

// Both ends of a transaction that nobody ends are bounded by the server too: a node that was frozen
// in the middle of one must not hold the others up.
constexpr const char* kSetUp =
    "SET statement_timeout = '10s'; SET lock_timeout = '5s';"
    "SET idle_in_transaction_session_timeout = '1s'; SET TimeZone = 'UTC';"
    "SET default_transaction_isolation = 'read committed';"
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off';"
    // Where they are known. A node that is gone with its network is noticed by the server too, also
    // in the middle of what it sent.
    "SELECT set_config(s.name, w.value, false) FROM pg_settings s JOIN (VALUES ('jit', 'off'),"
    " ('tcp_keepalives_idle', '2'), ('tcp_keepalives_interval', '1'),"
    " ('tcp_keepalives_count', '3'), ('tcp_user_timeout', '5000'),"
    " ('transaction_timeout', '15000'),"
    // Each statement has its index. A plan that was made while its tables were empty, and is kept,
    // would read them from end to end when they are full.
    " ('enable_seqscan', 'off')) w (name, value) ON s.name = w.name";

// A session that was refused has told why in words; with this verbosity the SQLSTATE is in them.
Error PgSession::refusal(PGconn* connection) {
  const std::string_view words = PQerrorMessage(connection);
  const std::string_view before = ":  ";  // "FATAL:  28P01", whatever the server's language
  for (auto at = words.find(before); at != std::string_view::npos;
       at = words.find(before, at + 1)) {
    const auto state = words.substr(at + before.size(), 5);
    if (state.size() == 5 && std::ranges::all_of(state, [](char c) {
          return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
        }))
      return refusal_of(state);
  }
  if (words.contains("SSL") || words.contains("certificate"))
    return {Errc::kUnavailable,
            "TLS to the database fails: check its certificate, its name and sslrootcert"};
  if (words.contains("no password supplied"))
    return {Errc::kUnauthenticated, "the database asks for a password: set store.password_file"};
  if (words.contains("hot standby"))
    return {Errc::kReadOnly, "the database is a read-only replica: name the primary"};
  if (words.contains("read-only") || words.contains("read-write"))
    return {Errc::kReadOnly, "no host of store.url takes writes: name the primary"};
  return refusal_of("");
}

// One host after another: libpq's own list would wait for the first, should it be cut off.
Result<std::unique_ptr<PgSession>> PgSession::open(const PostgresTarget& target,
                                                   std::chrono::seconds patience) {
  std::optional<Error> refusal;
  const std::size_t first = target.preferred();
  for (std::size_t i = 0; i < target.hosts(); ++i) {
    const std::size_t host = (first + i) % target.hosts();
    const auto limit = std::min(target.hosts() == 1 ? kConnect : kConnectOne, patience);
    auto session = open(target.start(host), limit, patience);
    if (session) {
      target.prefer(host);
      return session;
    }
    // One that answered says more than those that did not.
    if (!refusal || refusal->code == Errc::kUnavailable) refusal = session.error();
  }
  return fail(refusal.value_or(Error{Errc::kUnavailable, "the database cannot be reached"}));
}

Result<std::unique_ptr<PgSession>> PgSession::open(PGconn* started, std::chrono::seconds limit,
                                                   std::chrono::seconds patience) {
  std::unique_ptr<PGconn, PgFree> connection(started);
  if (!connection) return fail(Errc::kUnavailable, "out of memory");
  PQsetErrorVerbosity(connection.get(), PQERRORS_SQLSTATE);
  PQsetNoticeProcessor(connection.get(), [](void*, const char*) {}, nullptr);
  const MonoTime until = std::chrono::steady_clock::now() + limit;
  auto wanted =
      PQstatus(connection.get()) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (wanted != PGRES_POLLING_OK) {
    if (wanted == PGRES_POLLING_FAILED) return fail(refusal(connection.get()));
    const auto left = until - std::chrono::steady_clock::now();
    pollfd waiting{.fd = PQsocket(connection.get()),
                   .events = static_cast<short>(wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT),
                   .revents = 0};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    if (ms <= 0 || (::poll(&waiting, 1, static_cast<int>(ms)) < 0 && errno != EINTR))
      return fail(Errc::kUnavailable, "the database cannot be reached");
    if (waiting.revents != 0) wanted = PQconnectPoll(connection.get());
  }
  PQsetErrorVerbosity(connection.get(), PQERRORS_DEFAULT);
  if (PQsetnonblocking(connection.get(), 1) != 0)
    return fail(Errc::kInternal, "the session cannot be waited for");
  std::unique_ptr<PgSession> session(new PgSession(connection.release()));
  session->patience_ = patience;
  STINT_TRY(session->exec(kSetUp));
  return session;
}

// --- the pipeline ---

std::unexpected<Error> PgSession::died() {
  dead_ = true;
  return fail(Errc::kUnavailable, "connection to the database is lost");
}

Error PgSession::error_of(const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const PgFailure failure = failure_of(state == nullptr ? "" : state);
  dead_ |= failure.session_over || PQstatus(connection_.get()) == CONNECTION_BAD;
  disk_failed_ |= failure.disk;
  may_retry_ |= failure.retry;
  const char* severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  refused_ |= !failure.unknown && severity != nullptr && std::string_view(severity) == "ERROR";
  if (failure.bug && said_first(state, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)))
    log::error("a statement is refused by the database",
               {{"why", log::label(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY))}});
  return failure.error;
}

// As libpq's PQexec, but for no longer than an answer may take.
Result<PgResult> PgSession::ask(const char* sql) {
  if (dead_ || PQsendQuery(connection_.get(), sql) != 1) return died();
  PgResult last;
  std::optional<Error> error;
  while (true) {
    PgResult result = STINT_TRY(receive());
    if (!result) break;
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && !error)
      error = error_of(result.get());
    if (PQstatus(connection_.get()) == CONNECTION_BAD) return died();
    last = std::move(result);
  }
  if (error) return fail(*error);
  return last;
}

Status PgSession::exec(const char* sql) {
  STINT_TRY(ask(sql));
  return {};
}

Result<std::optional<std::string>> PgSession::text(const char* sql) {
  const PgResult result = STINT_TRY(ask(sql));
  if (PQntuples(result.get()) == 0) return std::optional<std::string>();
  return std::optional<std::string>(PQgetvalue(result.get(), 0, 0));
}

Status PgSession::be_patient(Patience patience) {
  const auto seconds = [](std::chrono::seconds s) { return std::to_string(s.count()); };
  const std::string limits =
      "SET statement_timeout = '" + seconds(patience.answer) +
      "s'; SET idle_in_transaction_session_timeout = '" + seconds(patience.idle) +
      "s'; SET lock_timeout = 0;"
      "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'";
  STINT_TRY(exec(limits.c_str()));
  patience_ = patience.answer + std::chrono::seconds(2);  // the server speaks first
  return {};
}

Status PgSession::enter_pipeline() {
  if (PQenterPipelineMode(connection_.get()) != 1)
    return fail(Errc::kInternal, "the session takes no pipeline");
  return {};
}

Status PgSession::leave_pipeline() {
  STINT_TRY(sync());
  if (PQexitPipelineMode(connection_.get()) != 1 || PQsetnonblocking(connection_.get(), 0) != 0)
    return fail(Errc::kInternal, "the session does not leave its pipeline");
  return {};
}

// Sends what waits, reads what came; waits for either until something came. `until` moves with it:
// a long answer is no silence.
Status PgSession::flush_and_read(MonoTime& until) {
  const int left = PQflush(connection_.get());
  if (left < 0) return died();
  const auto now = std::chrono::steady_clock::now();
  if (now >= until) {
    silent_ = true;
    return died();
  }
  pollfd waiting{.fd = socket(), .events = POLLIN, .revents = 0};
  if (left > 0) waiting.events |= POLLOUT;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
  const int ready = ::poll(&waiting, 1, static_cast<int>(ms));
  if (ready < 0 && errno != EINTR) return died();
  if ((waiting.revents & (POLLIN | POLLERR | POLLHUP)) == 0) return {};
  if (PQconsumeInput(connection_.get()) != 1) return died();
  until = std::max(until, heard());
  return {};
}

// Something came; returns until when more may be waited for.
MonoTime PgSession::heard() {
  const MonoTime now = std::chrono::steady_clock::now();
  if (answered_at_ != nullptr) answered_at_->store(now);
  return now + patience_;
}

Result<PgResult> PgSession::receive() {
  MonoTime until = std::chrono::steady_clock::now() + patience_;
  while (PQisBusy(connection_.get()) != 0) STINT_TRY(flush_and_read(until));
  return PgResult(PQgetResult(connection_.get()));
}

// Every statement that is due, in order. The first error is returned; the others are its echo.
Result<PgResult> PgSession::collect() {
  PgResult last;
  std::optional<Error> error;
  while (!due_.empty()) {
    const Due due = due_.front();
    due_.pop_front();
    PgResult result = STINT_TRY(receive());
    if (!result) return died();
    const auto status = PQresultStatus(result.get());
    if (due == Due::kSync) {
      if (status != PGRES_PIPELINE_SYNC) return died();
      continue;
    }
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      if (status != PGRES_PIPELINE_ABORTED && due != Due::kDropped && !error)
        error = error_of(result.get());
      // Whoever waits now is told of another's failure: nothing of this may stand.
      if (status != PGRES_PIPELINE_ABORTED && (due == Due::kPut || due == Due::kAnnounced))
        put_failed_ = may_retry_ = true;
      if (PQstatus(connection_.get()) == CONNECTION_BAD) return died();
    }
    if (due == Due::kAnnounced)
      announced_.answered(status == PGRES_TUPLES_OK ? std::move(result) : nullptr);
    else
      last = std::move(result);
    const PgResult end = STINT_TRY(receive());  // a null after each statement
    if (end) return died();
  }
  if (error) return fail(*error);
  return last;
}

Status PgSession::send_sync() {
  if (PQpipelineSync(connection_.get()) != 1) return died();
  due_.push_back(Due::kSync);
  unsynced_ = 0;
  return {};
}

Result<PgStatement*> PgSession::prepare(Sql sql) {
  if (const auto at = statements_.find(sql.text()); at != statements_.end())
    return at->second.get();
  if (std::string_view(sql.text()).contains(';')) return fail(Errc::kInternal, "not one statement");
  auto made = std::make_unique<PgStatement>();
  made->name = "s" + std::to_string(next_name_++);
  made->doing = PgStatement::does(sql.text());
  made->changing = PgStatement::changes(sql.text());
  if (PQsendPrepare(connection_.get(), made->name.c_str(), sql.text(), 0, nullptr) != 1)
    return died();
  due_.push_back(Due::kStatement);
  if (PQsendDescribePrepared(connection_.get(), made->name.c_str()) != 1) return died();
  due_.push_back(Due::kStatement);
  STINT_TRY(send_sync());
  const PgResult described = STINT_TRY(collect());
  for (int i = 0; i < PQnparams(described.get()); ++i)
    made->types.push_back(PQparamtype(described.get(), i));
  return (statements_[sql.text()] = std::move(made)).get();
}

Status PgSession::know(Sql sql) {
  STINT_TRY(prepare(sql));
  return {};
}

Status PgSession::send(PgStatement& statement, std::span<const Param> parameters, Due due) {
  constexpr std::size_t kMost = 32;
  const std::size_t n = statement.types.size();
  if (n > parameters.size() || n > kMost) return fail(Errc::kInternal, "statement parameters");
  std::array<PgBound, kMost> bound;
  std::array<const char*, kMost> values{};
  std::array<int, kMost> sizes{}, formats{};
  for (std::size_t i = 0; i < n; ++i) {
    STINT_TRY(bound[i].bind(statement.types[i], parameters[i]));
    values[i] = bound[i].data;
    sizes[i] = bound[i].size;
    formats[i] = 1;
    unsynced_ += static_cast<std::size_t>(bound[i].size);
  }
  if (PQsendQueryPrepared(connection_.get(), statement.name.c_str(), static_cast<int>(n),
                          values.data(), sizes.data(), formats.data(), 1) != 1)
    return died();
  due_.push_back(due);
  if (!statement.changing.empty()) announced_.changed(statement.changing);
  return {};
}

Result<PgStatement*> PgSession::run(Sql sql, std::span<const Param> parameters) {
  if (dead_) return died();
  PgStatement* const statement = STINT_TRY(prepare(sql));
  if (statement->rows) return fail(Errc::kInternal, "statement inside itself");
  // An announcement that was made in vain, or failed, is as if it had not been.
  if (announced_.has(*statement, parameters)) {
    statement->rows = announced_.take(*statement, parameters);
    if (!statement->rows) {
      STINT_TRY(send_sync());
      STINT_TRY(collect());
      statement->rows = announced_.take(*statement, parameters);
    }
  }
  if (!statement->rows) {
    STINT_TRY(send(*statement, parameters, Due::kStatement));
    STINT_TRY(send_sync());
    statement->rows = STINT_TRY(collect());
  }
  statement->at = -1;
  statement->count = PQntuples(statement->rows.get());
  return statement;
}

Status PgSession::announce(Sql sql, std::span<const Param> parameters) {
  if (dead_) return died();
  PgStatement* const statement = STINT_TRY(prepare(sql));
  if (statement->doing != PgStatement::Does::kReads)
    return fail(Errc::kInternal, "only reads are announced");
  STINT_TRY(send(*statement, parameters, Due::kAnnounced));
  announced_.sent(*statement, sql.text(), parameters);
  return unsynced_ < kUnsynced ? Status() : send_sync();  // as in defer()
}

Status PgSession::defer(Sql sql, std::span<const Param> parameters) {
  if (dead_) return died();
  PgStatement* const statement = STINT_TRY(prepare(sql));
  STINT_TRY(send(*statement, parameters, Due::kStatement));
  // Between two syncs the server waits for the rest
  // with no limit, holding what the transaction holds: should this process freeze there, it would
  // not be thrown out.
  return unsynced_ < kUnsynced ? Status() : send_sync();
}

Status PgSession::put(Sql sql, std::span<const Param> parameters) {
  if (dead_) return died();
  PgStatement* const statement = STINT_TRY(prepare(sql));
  STINT_TRY(send(*statement, parameters, Due::kPut));
  return unsynced_ < kUnsynced ? Status() : send_sync();  // as in defer()
}

Status PgSession::sync() {
  if (dead_) return died();
  STINT_TRY(send_sync());
  const auto collected = collect();
  if (!collected) return fail(collected.error());
  return {};
}

Status PgSession::push() {
  if (dead_) return died();
  std::ranges::replace_if(due_, [](Due due) { return due != Due::kSync; }, Due::kDropped);
  STINT_TRY(send_sync());
  if (PQflush(connection_.get()) < 0) return died();
  return {};
}

Effect PgSession::finish(PgStatement& statement) {
  Effect effect{.rows = 0, .state = statement.doing == PgStatement::Does::kChangesState};
  if (statement.rows && statement.doing != PgStatement::Does::kReads) {
    const std::string_view rows = PQcmdTuples(statement.rows.get());
    std::from_chars(rows.data(), rows.data() + rows.size(), effect.rows);
  }
  statement.rows.reset();
  return effect;
}

std::vector<PgSession::Notice> PgSession::notices() {
  std::vector<Notice> out;
  if (dead_ || PQconsumeInput(connection_.get()) != 1) {
    dead_ = true;
    return out;
  }
  struct Free {
    void operator()(PGnotify* n) const { PQfreemem(n); }
  };
  while (const std::unique_ptr<PGnotify, Free> notify{PQnotifies(connection_.get())}) {
    Notice notice{.size = 0, .from = notify->be_pid};
    const std::string_view text = notify->extra;
    std::from_chars(text.data(), text.data() + text.size(), notice.size);
    out.push_back(notice);
  }
  return out;
}

}  // namespace stint::store
