#include "impl.h"

namespace stint::api {

// Every endpoint. schema/openapi.json has the same ones: a test compares them.
const std::vector<Route>& Core::table() {
  using enum Access;
  static const std::vector<Route> routes = {
      {{"POST", "/v1/tasks", "openTask"}, kProven, &Core::open_task},
      {{"GET", "/v1/tasks", "listTasks"}, kCaller, &Core::list_tasks},
      {{"GET", "/v1/tasks/{id}", "getTask"}, kCaller, &Core::get_task},
      {{"POST", "/v1/tasks/{id}/end", "endTask"}, kCaller, &Core::end_task, true},
      {{"POST", "/v1/tasks/{id}/pause", "pauseTask"}, kAdmin, &Core::pause_task, true},
      {{"POST", "/v1/tasks/{id}/resume", "resumeTask"}, kAdmin, &Core::resume_task, true},
      {{"POST", "/v1/tasks/{id}/heartbeat", "heartbeat"}, kCaller, &Core::heartbeat},
      {{"GET", "/v1/tasks/{id}/receipt", "getReceipt"}, kCaller, &Core::get_receipt},
      {{"GET", "/v1/tasks/{id}/events", "listTaskEvents"}, kCaller, &Core::task_events},
      {{"GET", "/v1/tasks/{id}/tree", "getTaskTree"}, kPeople, &Core::task_tree},

      {{"GET", "/v1/approvals", "listApprovals"}, kCaller, &Core::list_approvals},
      {{"GET", "/v1/approvals/{id}", "getApproval"}, kCaller, &Core::get_approval},
      {{"POST", "/v1/approvals/{id}/answer", "answerApproval"},
       kHuman,
       &Core::answer_approval,
       true},
      {{"GET", "/v1/decisions/{id}", "getDecision"}, kCaller, &Core::get_decision},

      {{"GET", "/v1/agents", "listAgents"}, kAdmin, &Core::list_kind},
      {{"GET", "/v1/agents/{name}", "getAgent"}, kAdmin, &Core::get_named},
      {{"GET", "/v1/humans", "listHumans"}, kAdmin, &Core::list_kind},
      {{"GET", "/v1/humans/{name}", "getHuman"}, kAdmin, &Core::get_named},
      {{"GET", "/v1/groups", "listGroups"}, kAdmin, &Core::list_kind},
      {{"GET", "/v1/groups/{name}", "getGroup"}, kAdmin, &Core::get_named},
      {{"GET", "/v1/upstreams", "listUpstreams"}, kAdmin, &Core::list_kind},
      {{"GET", "/v1/upstreams/{name}", "getUpstream"}, kAdmin, &Core::get_named},
      {{"GET", "/v1/credentials", "listCredentials"}, kAdmin, &Core::list_kind},
      {{"GET", "/v1/credentials/{name}", "getCredential"}, kAdmin, &Core::get_named},
      {{"GET", "/v1/issuers", "listIssuers"}, kAdmin, &Core::list_kind},
      {{"GET", "/v1/issuers/{name}", "getIssuer"}, kAdmin, &Core::get_named},
      {{"GET", "/v1/policies", "listPolicies"}, kAdmin, &Core::list_kind},
      {{"GET", "/v1/policies/{name...}", "getPolicy"}, kAdmin, &Core::get_named},
      {{"GET", "/v1/resources", "getResources"}, kAdmin, &Core::get_resources},
      {{"PUT", "/v1/resources", "putResources"}, kAdmin, &Core::put_resources},
      {{"POST", "/v1/resources/plan", "planResources"}, kAdmin, &Core::plan_resources},

      {{"GET", "/v1/events", "listEvents"}, kAdmin, &Core::events},
      {{"GET", "/v1/feed", "followFeed"}, kCaller, &Core::feed},
      {{"GET", "/v1/log/proof/{seq}", "proveEvent"}, kAdmin, &Core::log_proof},
      {{"GET", "/v1/whoami", "whoAmI"}, kCaller, &Core::whoami},
      {{"GET", "/v1/keys", "listKeys"}, kAdmin, &Core::list_keys},
      {{"POST", "/v1/keys/rotate", "rotateKeys"}, kAdmin, &Core::rotate_keys, true},
      {{"POST", "/v1/keys/{kid}/revoke", "revokeKey"}, kAdmin, &Core::revoke_key, true},

      // Hashes tell nothing of the events, so the tree is for everybody; what is in the events is
      // not.
      {{"GET", "/log/checkpoint", "getCheckpoint"}, kPublic, &Core::log_checkpoint},
      {{"GET", "/log/vkey", "getLogKey"}, kPublic, &Core::log_vkey},
      {{"GET", "/log/tile/entries/{path...}", "getEntries"}, kAdmin, &Core::log_entries},
      {{"GET", "/log/tile/{path...}", "getTile"}, kPublic, &Core::log_tile},
      {{"GET", "/openapi.json", "getOpenApi"}, kPublic, &Core::openapi},
  };
  return routes;
}

}  // namespace stint::api
