#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "caller.h"
#include "stint/api/api.h"
#include "stint/codec/json.h"
#include "stint/http/problem.h"
#include "stint/http/route.h"
#include "stint/http/target.h"
#include "stint/resource/resource.h"
#include "stint/rt/event.h"

namespace stint::api {

struct Core;
struct Route;

// One request on its way through a handler.
struct Call {
  http::RequestHead head;
  http::Peer peer;
  http::Target target;
  std::vector<http::QueryParameter> query;
  std::vector<std::pair<std::string, std::string>> params;  // of the route's template
  std::string body;
  WallTime now;
  const Route* route = nullptr;
  std::optional<Caller> caller;       // none on public routes
  net::Exchange* exchange = nullptr;  // none in answer(): nothing can stream
  bool answered = false;              // by the handler itself, on the exchange
  std::optional<TaskId> task;         // for the problem document

  const std::string& param(std::string_view name) const;
};

// A handler's answer, or an error that becomes a problem document.
using Reply = Result<http::Response>;
using Handler = rt::Co<Reply> (Core::*)(Call*);

// Who may use a route at all; handlers look at whose task it is.
enum class Access : std::uint8_t {
  kPublic,  // anyone, unnamed
  kProven,  // the handler authenticates by what is in the body (POST /v1/tasks)
  kCaller,  // operator, human or agent
  kPeople,  // operator or human
  kHuman,   // a human alone: nobody answers for one
  kAdmin,   // operator, or human of the admin group
};

struct Route {
  RouteInfo info;
  Access access;
  Handler handler;
  bool remembers = false;  // honours Idempotency-Key
};

// Who opens a task, for whom, and what they want: the first are verified.
struct Asker {
  opening::Client client;
  std::optional<opening::Person> person;
  std::optional<opening::Parent> parent;  // with the child that it is for
  std::optional<opening::Child> child;
  domain::Binding binding;
  std::vector<std::string> resources;
  json::Object wanted;
};

// What a stream sends, and from where.
struct Stream {
  bool is_feed;
  store::Seq from;
  bool snapshot = false;  // of a feed: `from` is where all that stands now ends, told first
};

// The streams that may be open at once, all in all and of one caller. Threads: any.
class Places {
 public:
  using Who = std::pair<authority::Actor::Kind, std::string>;
  Places(std::size_t all, std::size_t each) : all_(all), each_(each) {}

  class Place {  // given back with its end
   public:
    Place(Places& of, Who who) : of_(&of), who_(std::move(who)) {}
    Place(Place&& other) noexcept
        : of_(std::exchange(other.of_, nullptr)), who_(std::move(other.who_)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (of_ != nullptr) of_->leave(who_);
    }

   private:
    Places* of_;
    Who who_;
  };
  // Errors: kLimit, which says whose streams are too many.
  Result<Place> take(const authority::Actor& caller);

 private:
  void leave(const Who& who);

  const std::size_t all_, each_;
  std::mutex mutex_;
  std::size_t open_ = 0;
  std::map<Who, std::size_t> by_;  // of those who have any
};

// Why a feed ended; the text of its last message and a label of its counter.
enum class FeedEnd : std::uint8_t {
  kLifetime,     // it has lived long enough: come back, and prove again who you are
  kEnding,       // the service goes down
  kTooSlow,      // the follower does not keep up
  kNotAllowed,   // the follower may not follow any more
  kUnavailable,  // the log cannot be read
  kGone,         // the follower went away
};
inline constexpr std::size_t kFeedEnds = 6;
std::string_view text(FeedEnd end);

struct Core {
  Core(Api::Parts parts_in, Settings settings_in);

  static const std::vector<Route>& table();

  // --- api.cc ---
  rt::Co<void> handle(net::Exchange* exchange);
  rt::Co<http::Response> answer(Call* call);
  const Route* find(Call* call, http::Response& refused) const;
  rt::Co<std::optional<http::Response>> admit(Call* call);  // a refusal, if any
  rt::Co<Reply> run(Call* call);                            // with Idempotency-Key
  rt::Co<void> settle(authority::IdempotencyKey key, std::string response);
  std::size_t body_limit(const Route& route) const;

  // --- authenticate.cc ---
  rt::Co<std::optional<http::Response>> authenticate(Call* call);
  rt::Co<std::optional<http::Response>> take_person(Call* call, std::string id_token);
  rt::Co<std::optional<http::Response>> take_agent(Call* call);
  Status still_counts(const proof::Checked& token, WallTime now) const;
  void report(const Call& call, const proof::Refusal& refusal) const;
  void report(const Call& call, const opening::Refusal& refusal, std::string agent) const;
  void report_borrowed(const Call& call, std::optional<TaskId> task = std::nullopt) const;
  http::Response challenge(const Call& call, const proof::Refusal& refusal) const;

  // --- what a caller may see ---
  bool admin(const Call& call) const { return call.caller->administers(settings.admin_group); }
  bool may_see(const Call& call, const domain::Task& task) const;
  bool may_see(const Call& call, const domain::Approval& approval,
               const std::optional<domain::Task>& task) const;
  std::optional<domain::Task> task_or_none(TaskId id);
  Result<domain::Task> visible_task(Call* call);          // of {id}
  Result<domain::Approval> visible_approval(Call* call);  // of {id}
  Result<domain::Task> changeable_task(Call* call);       // also If-Match

  // --- handlers: tasks.cc, open_task.cc ---
  rt::Co<Reply> open_task(Call* call);
  rt::Co<Reply> open_for(Call* call, Asker asker);
  http::Response refused(const Call& call, const opening::Refusal& refusal) const;
  rt::Co<Reply> list_tasks(Call* call);
  rt::Co<Reply> get_task(Call* call);
  rt::Co<Reply> end_task(Call* call);
  rt::Co<Reply> pause_task(Call* call);
  rt::Co<Reply> resume_task(Call* call);
  rt::Co<Reply> heartbeat(Call* call);
  rt::Co<Reply> get_receipt(Call* call);
  rt::Co<Reply> task_events(Call* call);
  rt::Co<Reply> task_tree(Call* call);
  // approvals.cc
  rt::Co<Reply> list_approvals(Call* call);
  rt::Co<Reply> get_approval(Call* call);
  rt::Co<Reply> answer_approval(Call* call);
  rt::Co<Reply> get_decision(Call* call);
  // resources.cc
  rt::Co<Reply> list_kind(Call* call);
  rt::Co<Reply> get_named(Call* call);
  rt::Co<Reply> get_resources(Call* call);
  rt::Co<Reply> put_resources(Call* call);
  rt::Co<Reply> plan_resources(Call* call);
  json::Object named_view(const resource::Resource& r) const;
  // streams.cc
  rt::Co<Reply> events(Call* call);
  Result<std::optional<std::uint64_t>> after(Call* call) const;
  rt::Co<Reply> stream(Call* call, Stream s);
  rt::Co<void> pump(net::Exchange* exchange, store::Seq from);
  // feed.cc
  rt::Co<Reply> feed(Call* call);
  Status may_follow(const Caller& caller) const;
  Result<Stream> feed_from(Call* call) const;
  Result<std::string> message(const authority::Revocation& entry) const;
  std::string beat(store::Seq size, WallTime time, std::chrono::milliseconds age) const;
  struct Following;
  Result<bool> fetch_standing(Following* f) const;
  Result<bool> fetch(Following* f) const;
  rt::Co<FeedEnd> follow(Call* call, Stream s);
  rt::Co<void> serve_feed(Call* call, Stream s);
  // log.cc
  rt::Co<Reply> log_proof(Call* call);
  rt::Co<Reply> log_checkpoint(Call* call);
  rt::Co<Reply> log_tile(Call* call);
  rt::Co<Reply> log_entries(Call* call);
  rt::Co<Reply> log_vkey(Call* call);
  rt::Co<Reply> openapi(Call* call);
  rt::Co<Reply> whoami(Call* call);
  json::Array upstreams_of(TaskId task) const;
  // keys.cc
  rt::Co<Reply> list_keys(Call* call);
  rt::Co<Reply> rotate_keys(Call* call);
  rt::Co<Reply> revoke_key(Call* call);

  const Api::Parts parts;
  const Settings settings;
  const http::RouteTable routes;
  const rt::SharedEvent ending;  // of streams
  Places places;
  std::atomic<std::size_t> followers{0};  // of the feed
  std::array<std::atomic<std::uint64_t>, kFeedEnds> feeds_ended{};
};

// --- replies ---
http::Response json_reply(const json::Object& body, unsigned status = 200);
http::Response json_reply(std::string text, unsigned status = 200);
// An error of a handler, to a caller who is known: its token is good, so 401 would mislead.
http::Response problem_reply(const Call& call, const Error& error);

// --- what requests carry (input.cc) ---
bool wants_stream(const http::RequestHead& head);  // Accept: text/event-stream
inline constexpr std::size_t kMaxPage = 200;
inline constexpr std::size_t kPage = 100;

// Errors: kUnknownKey "unknown query parameter", kMalformed "a query parameter is repeated".
Status only_parameters(const Call& call, std::initializer_list<std::string_view> allowed);
std::optional<std::string_view> parameter(const Call& call, std::string_view name);
// 1 to kMaxPage. Errors: kMalformed.
Result<std::size_t> page_limit(const Call& call);
Result<std::optional<std::uint64_t>> number_parameter(const Call& call, std::string_view name);
template <class Id>
Result<std::optional<Id>> id_parameter(const Call& call, std::string_view name) {
  const auto text = parameter(call, name);
  if (!text) return std::optional<Id>();
  return std::optional<Id>(STINT_TRY(Id::parse(*text)));
}
// The body as an object; an absent one is {}. Errors: kUnsupported (Content-Type), those of JSON.
Result<json::Object> object_body(const Call& call, std::size_t limit = 64 * 1024);
// Prefer: wait=N (RFC 7240); 0 when it is not there.
std::chrono::seconds preferred_wait(const http::Headers& headers, std::chrono::seconds longest);
// Errors: kPreconditionFailed "If-Match names another version".
// nullopt: the request has none. Errors: kMalformed "Idempotency-Key is not 1 to 255 visible
// characters".
Result<std::optional<authority::IdempotencyKey>> idempotency_key(const Call& call,
                                                                 std::string principal,
                                                                 std::string_view asked);
Status if_match(const Call& call, std::uint64_t version);
std::string etag(std::uint64_t version);

}  // namespace stint::api
