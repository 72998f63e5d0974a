#include <algorithm>
#include <chrono>

#include "impl.h"

namespace stint::authority {
namespace {

using std::chrono::duration_cast;
using std::chrono::seconds;

policy::RequestFacts request_facts(const RequestContext& request, WallTime at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::hh_mm_ss clock(at - day);
  return {.ip = request.ip,
          .weekday = std::chrono::weekday(day).c_encoding(),
          .hour = clock.hours().count(),
          .minute = clock.minutes().count(),
          .fresh_proof = request.fresh_proof};
}

policy::AgentFacts agent_facts(const Directory& dir, const std::string& name) {
  const auto* entry = dir.agent(name);
  if (entry == nullptr) return {.name = name, .status = "retired"};
  return {.name = name,
          .owner = entry->agent.owner,
          .status = std::string(resource::text(entry->agent.status)),
          .labels = entry->agent.labels};
}

policy::TaskFacts facts_of(const domain::Task& t, WallTime at) {
  const domain::Budget rest = domain::left(t.budget, t.spend);
  return {.id = t.id.str(),
          .purpose = t.purpose,
          .reference = t.reference,
          .environment = t.environment,
          .ceiling = std::string(domain::text(t.ceiling)),
          .age_seconds = duration_cast<seconds>(at - t.opened).count(),
          .life_seconds = duration_cast<seconds>(t.deadline - t.opened).count(),
          .depth = t.depth,
          .attended = t.attended,
          .autonomous = !t.human.has_value(),
          .requests_left = rest.requests,
          .bytes_left = rest.bytes_out};
}

}  // namespace

policy::Facts Authority::Impl::task_facts(const Directory& dir, const domain::Task& task,
                                          policy::Operation operation,
                                          const RequestContext& request, WallTime at) const {
  policy::Facts f{.operation = operation,
                  .action = std::string(policy::text(operation)),
                  .task = facts_of(task, at),
                  .agent = agent_facts(dir, task.agent),
                  .request = request_facts(request, at),
                  .risk = {.score = task.risk}};
  for (const auto& grant : task.grants)
    for (const auto& action : grant.actions) f.task.grants.push_back(grant.upstream + ":" + action);
  if (task.human) {
    policy::HumanFacts human{.id = *task.human, .present = task.attended};
    if (const auto* h = dir.human(*task.human)) human.groups = h->groups;
    f.human = std::move(human);
  }
  return f;
}

policy::Facts Authority::Impl::call_facts(const Directory& dir, const domain::Task& task,
                                          const CallRequest& r, WallTime at) const {
  policy::Facts f = task_facts(dir, task, policy::Operation::kCall, r.request, at);
  const domain::Call& call = r.call;
  f.action = call.action;
  f.action_class = std::string(domain::text(call.action_class));
  f.granted = r.token_grants != nullptr &&
              domain::allows(*r.token_grants, call.upstream, call.action, call.resource) &&
              domain::allows(task.grants, call.upstream, call.action, call.resource);
  f.resource = call.resource;
  f.task.grants.clear();
  if (f.granted) f.task.grants.push_back(call.upstream + ":" + call.action);
  if (const auto* u = dir.upstream(call.upstream)) {
    f.upstream = {.name = call.upstream,
                  .kind = std::string(resource::text(u->upstream.kind)),
                  .sensitivity = std::string(domain::text(u->upstream.sensitivity)),
                  .labels = u->upstream.labels};
  }
  f.request.method = call.method;
  f.request.path = r.path;
  f.request.arguments = r.arguments;
  return f;
}

}  // namespace stint::authority
