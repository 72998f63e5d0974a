#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "impl.h"
#include "views.h"

namespace stint::api {
namespace {

constexpr std::size_t kMaxScanned = 2000;  // approvals looked through for one page

bool asked_of(const opening::Person& person, const domain::Approval& approval) {
  return std::ranges::any_of(approval.groups, [&](const auto& g) { return person.in_group(g); });
}

http::Response approval_reply(const domain::Approval& approval,
                              const std::optional<domain::Task>& task) {
  http::Response out = json_reply(view(approval, task));
  out.headers.add("ETag", etag(approval.version));
  return out;
}

}  // namespace

bool Core::may_see(const Call& call, const domain::Approval& approval,
                   const std::optional<domain::Task>& task) const {
  if (admin(call)) return true;
  if (const auto* token = call.caller->token()) return token->task() == approval.call.task;
  const auto& person = *call.caller->person();
  return asked_of(person, approval) || (task && task->human == person.name());
}

std::optional<domain::Task> Core::task_or_none(TaskId id) {
  auto task = parts.authority.task(id);
  return task ? std::optional(*std::move(task)) : std::nullopt;
}

rt::Co<Reply> Core::list_approvals(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {"state", "task", "after", "limit"}));
  const std::size_t limit = STINT_CO_TRY(page_limit(*call));
  authority::Authority::ApprovalQuery query{
      .task = STINT_CO_TRY(id_parameter<TaskId>(*call, "task")),
      .after = STINT_CO_TRY(id_parameter<ApprovalId>(*call, "after")),
      .limit = kMaxPage};
  if (const auto state = parameter(*call, "state"))
    query.state = STINT_CO_TRY(domain::parse_approval_state(*state));
  if (const auto* token = call->caller->token()) {
    if (query.task && *query.task != token->task())
      co_return fail(Errc::kDenied, "an agent sees its own task alone");
    query.task = token->task();
  }
  json::Array items;
  json::Value next = nullptr;
  for (std::size_t scanned = 0; next.is_null();) {
    const auto found = STINT_CO_TRY(parts.authority.approvals(query));
    for (const auto& approval : found) {
      if (items.size() == limit) {
        next = query.after->str();
        break;
      }
      query.after = approval.id;
      const auto task = task_or_none(approval.call.task);
      if (may_see(*call, approval, task)) items.push_back(view(approval, task));
    }
    scanned += found.size();
    if (found.size() < query.limit) break;
    if (next.is_null() && scanned >= kMaxScanned) next = query.after->str();
  }
  co_return json_reply({{"items", std::move(items)}, {"next", std::move(next)}});
}

Result<domain::Approval> Core::visible_approval(Call* call) {
  const ApprovalId id = STINT_TRY(ApprovalId::parse(call->param("id")));
  auto approval = parts.authority.approval(id);
  if (!approval && approval.error().code != Errc::kNotFound) return approval;
  if (!approval || !may_see(*call, *approval, task_or_none(approval->call.task)))
    return fail(Errc::kNotFound, "no such approval, or not yours");
  call->task = approval->call.task;
  return approval;
}

// With Prefer: wait=N, answers when the approval is settled, at most N seconds later.
rt::Co<Reply> Core::get_approval(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {}));
  auto approval = STINT_CO_TRY(visible_approval(call));
  const auto wait = preferred_wait(call->head.headers, settings.longest_wait);
  if (wait.count() > 0 && approval.state == domain::ApprovalState::kPending) {
    const auto gone = call->exchange != nullptr ? call->exchange->gone() : rt::CancelToken();
    co_await parts.authority.await_answer(approval.id, rt::Deadline::in(parts.clock, wait), gone);
    // Whoever waits may have lost the right to know: an agent whose task closed meanwhile.
    if (const auto* token = call->caller->token())
      STINT_CO_TRY(still_counts(*token, parts.clock.wall()));
    approval = STINT_CO_TRY(visible_approval(call));
  }
  http::Response out = approval_reply(approval, task_or_none(approval.call.task));
  if (wait.count() > 0)
    out.headers.add("Preference-Applied", "wait=" + std::to_string(wait.count()));
  co_return out;
}

rt::Co<Reply> Core::answer_approval(Call* call) {
  const auto body = STINT_CO_TRY(object_body(*call));
  STINT_CO_TRY(json::only_keys(body, {"answer"}));
  const auto text = STINT_CO_TRY(json::string_at(body, "answer"));
  const auto given = STINT_CO_TRY(domain::parse_answer(text));
  const auto before = STINT_CO_TRY(visible_approval(call));
  STINT_CO_TRY(if_match(*call, before.version));
  const auto& person = *call->caller->person();  // Access::kHuman
  const auto settled = STINT_CO_TRY(
      co_await parts.authority.answer(before.id, given, person.name(), person.groups()));
  co_return approval_reply(settled, task_or_none(settled.call.task));
}

rt::Co<Reply> Core::get_decision(Call* call) {
  STINT_CO_TRY(only_parameters(*call, {}));
  const auto id = STINT_CO_TRY(DecisionId::parse(call->param("id")));
  const auto why = parts.authority.why(id);
  if (!why && why.error().code != Errc::kNotFound) co_return fail(why.error());
  const auto record = why ? json::parse_object(why->record) : Result<json::Object>(json::Object());
  const auto task = record ? json::optional_string_at(*record, "task")
                           : Result<std::optional<std::string_view>>(std::nullopt);
  bool visible = why.has_value() && admin(*call);
  if (why && !visible && task && *task) {
    if (const auto of = TaskId::parse(**task)) {
      const auto whose = task_or_none(*of);
      visible = whose && may_see(*call, *whose);
    }
  }
  if (!visible) co_return fail(Errc::kNotFound, "no such decision, or not yours");
  json::Object out{{"id", id.str()}, {"words", why->words}, {"seq", why->seq}};
  std::string words = json::write(out);
  words.pop_back();
  co_return json_reply(words + ",\"event\":" + why->record + "}");
}

}  // namespace stint::api
