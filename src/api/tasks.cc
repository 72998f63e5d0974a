#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "impl.h"
#include "stint/opening/wanted.h"
#include "views.h"

namespace stint::api {
namespace {

constexpr std::size_t kMaxTree = 1000;

http::Response task_reply(const domain::Task& task) {
  http::Response out = json_reply(view(task));
  out.headers.add("ETag", etag(task.version));
  return out;
}

// The items of one page, of which one more was asked for than it may have.
template <class T, class Write>
json::Object page(std::vector<T> items, std::size_t limit, Write write) {
  const bool more = items.size() > limit;
  json::Array out;
  for (const T& item : items)
    if (out.size() < limit) out.push_back(write(item));
  return {{"items", std::move(out)},
          {"next", more ? json::Value(items[limit - 1].id.str()) : json::Value(nullptr)}};
}

Status no_members(const Call& call) {
  const auto body = STINT_TRY(object_body(call));
  return json::only_keys(body, std::initializer_list<std::string_view>{});
}

}  // namespace

bool Core::may_see(const Call& call, const domain::Task& task) const {
  if (admin(call)) return true;
  if (const auto* person = call.caller->person()) return task.human == person->name();
  return call.caller->token() != nullptr && call.caller->token()->task() == task.id;
}

Result<domain::Task> Core::visible_task(Call* call) {
  const TaskId id = STINT_TRY(TaskId::parse(call->param("id")));
  if (const auto* token = call->caller->token(); token != nullptr && token->task() != id)
    return fail(Errc::kDenied, "an agent sees its own task alone");
  auto task = parts.authority.task(id);
  if (!task && task.error().code != Errc::kNotFound) return task;
  // To a human, another's task is as if it were not.
  if (!task || !may_see(*call, *task)) return fail(Errc::kNotFound, "no such task, or not yours");
  call->task = id;
  return task;
}

Result<domain::Task> Core::changeable_task(Call* call) {
  auto task = STINT_TRY(visible_task(call));
  STINT_TRY(if_match(*call, task.version));
  return task;
}

rt::Co<Reply> Core::list_tasks(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {"state", "agent", "human", "parent", "after", "limit"}));
  const std::size_t limit = STINT_CO_TRY(page_limit(*call));
  if (const auto* token = call->caller->token()) {
    const auto own = STINT_CO_TRY(parts.authority.task(token->task()));
    co_return json_reply(page(std::vector{own}, limit, [](const auto& t) { return view(t); }));
  }
  authority::Authority::TaskQuery query{
      .parent = STINT_CO_TRY(id_parameter<TaskId>(*call, "parent")),
      .after = STINT_CO_TRY(id_parameter<TaskId>(*call, "after")),
      .limit = limit + 1};
  if (const auto state = parameter(*call, "state"))
    query.state = STINT_CO_TRY(domain::parse_state(*state));
  query.agent = parameter(*call, "agent").value_or("");
  query.human = parameter(*call, "human").value_or("");
  if (!admin(*call)) {
    const std::string& self = call->caller->person()->name();
    if (!query.human.empty() && query.human != self)
      co_return fail(Errc::kDenied, "a human lists their own tasks alone");
    query.human = self;
  }
  auto tasks = STINT_CO_TRY(parts.authority.tasks(query));
  co_return json_reply(page(std::move(tasks), limit, [](const auto& t) { return view(t); }));
}

rt::Co<Reply> Core::get_task(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {}));
  co_return task_reply(STINT_CO_TRY(visible_task(call)));
}

rt::Co<Reply> Core::end_task(Call* call) {
  const auto task = STINT_CO_TRY(changeable_task(call));
  const auto body = STINT_CO_TRY(object_body(*call));
  STINT_CO_TRY(json::only_keys(body, {"how"}));
  const bool agent = call->caller->token() != nullptr;
  auto how = agent ? domain::How::kCompleted : domain::How::kRevoked;
  if (const auto text = STINT_CO_TRY(json::optional_string_at(body, "how"))) {
    how = STINT_CO_TRY(domain::parse_how(*text));
    if (agent && how != domain::How::kCompleted)
      co_return fail(Errc::kDenied, "an agent ends its task as completed");
    if (how != domain::How::kCompleted && how != domain::How::kRevoked)
      co_return fail(Errc::kMalformed, "how is not one that a caller may give");
  }
  const auto closed =
      STINT_CO_TRY(co_await parts.authority.close(task.id, how, call->caller->actor()));
  co_return json_reply({{"task", closed.task.str()},
                        {"how", domain::text(closed.how)},
                        {"count", closed.count},
                        {"acknowledged", opening::rfc3339(closed.acknowledged)}});
}

rt::Co<Reply> Core::pause_task(Call* call) {
  const auto task = STINT_CO_TRY(changeable_task(call));
  STINT_CO_TRY(no_members(*call));
  co_return task_reply(STINT_CO_TRY(
      co_await parts.authority.pause(task.id, domain::Why::kOperator, call->caller->actor())));
}

rt::Co<Reply> Core::resume_task(Call* call) {
  const auto task = STINT_CO_TRY(changeable_task(call));
  const auto body = STINT_CO_TRY(object_body(*call));
  STINT_CO_TRY(json::only_keys(body, {"gone"}));
  auto gone = domain::Why::kOperator;
  if (const auto text = STINT_CO_TRY(json::optional_string_at(body, "gone")))
    gone = STINT_CO_TRY(domain::parse_why(*text));
  co_return task_reply(
      STINT_CO_TRY(co_await parts.authority.resume(task.id, gone, call->caller->actor())));
}

// The human is there. When it is the human who says so, a task that waited for them goes on.
rt::Co<Reply> Core::heartbeat(Call* call) {
  auto task = STINT_CO_TRY(visible_task(call));
  STINT_CO_TRY(no_members(*call));
  const auto* person = call->caller->person();
  if (call->caller->token() == nullptr && (person == nullptr || task.human != person->name()))
    co_return fail(Errc::kDenied, "only the task's own human or agent is present in it");
  STINT_CO_TRY(parts.authority.heartbeat(task.id, call->now));
  if (person != nullptr && task.why == domain::Why::kSupervision)
    task = STINT_CO_TRY(
        co_await parts.authority.resume(task.id, domain::Why::kSupervision, call->caller->actor()));
  co_return json_reply({{"task", task.id.str()},
                        {"state", domain::text(task.state)},
                        {"present", opening::rfc3339(call->now)}});
}

rt::Co<Reply> Core::get_receipt(Call* call) {
  const auto task = STINT_CO_TRY(visible_task(call));
  http::Response out{
      .status = 200, .headers = {}, .body = STINT_CO_TRY(parts.authority.receipt(task.id))};
  out.headers.add("Content-Type", "text/plain; charset=utf-8");
  co_return out;
}

rt::Co<Reply> Core::task_events(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {"after", "limit"}));
  const auto task = STINT_CO_TRY(visible_task(call));
  const std::size_t limit = STINT_CO_TRY(page_limit(*call));
  const auto after = STINT_CO_TRY(number_parameter(*call, "after"));
  const auto events =
      STINT_CO_TRY(parts.authority.task_events(task.id, after ? *after + 1 : 0, limit + 1));
  std::string text = "{\"items\":[";
  const std::size_t n = std::min(limit, events.size());
  for (std::size_t i = 0; i < n; ++i) text += (i == 0 ? "" : ",") + event_text(events[i]);
  text += "],\"next\":";
  text += events.size() > limit ? std::to_string(events[limit - 1].seq) : "null";
  co_return json_reply(std::move(text) + "}");
}

// The task and all that was delegated from it, as far as it goes.
rt::Co<Reply> Core::task_tree(Call* call) {
  const auto root = STINT_CO_TRY(visible_task(call));
  struct Node {
    domain::Task task;
    std::size_t parent;
  };
  std::vector<Node> nodes{{root, 0}};
  bool whole = true;
  for (std::size_t i = 0; i < nodes.size() && whole; ++i) {
    const auto children =
        STINT_CO_TRY(parts.authority.tasks({.parent = nodes[i].task.id, .limit = kMaxTree}));
    for (const auto& child : children) {
      if (nodes.size() == kMaxTree) {
        whole = false;
        break;
      }
      nodes.push_back({child, i});
    }
  }
  std::vector<json::Object> views;
  for (const Node& node : nodes) views.push_back(view(node.task));
  for (auto& v : views) v["children"] = json::Array();
  for (std::size_t i = nodes.size(); i-- > 1;)  // children before their parents
    views[nodes[i].parent]["children"].as_array().push_back(std::move(views[i]));
  co_return json_reply({{"tree", std::move(views[0])}, {"whole", whole}});
}

}  // namespace stint::api
