#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "model.h"
#include "node.h"

namespace stint::sim {

// What clients know of a task: to ask for more.
struct Known {
  domain::Task task;
  std::string handle;
};

// What clients share: their knowledge, and where they write down what they saw.
struct Market {
  Scheduler& scheduler;
  Model& model;
  Probes& probes;
  std::function<void(std::string)> trace;
  std::function<Node*()> any_node;  // that can be asked; may be null
  std::vector<Known> tasks;
  std::vector<ApprovalId> asked;
  std::size_t names = 0;  // drawn so far
};

enum class CallKind : std::uint8_t { kRead, kWrite, kAsked };

// One client each. They borrow both for their life.
rt::Co<void> open_one(Market* market, Node* node);
rt::Co<void> delegate_one(Market* market, Node* node, Known parent);
rt::Co<void> mint_one(Market* market, Node* node, Known known);
rt::Co<void> call_one(Market* market, Node* node, domain::Task task, CallKind kind);
rt::Co<void> close_one(Market* market, Node* node, domain::Task task);
rt::Co<void> pause_one(Market* market, Node* node, TaskId task, bool resume);
rt::Co<void> answer_one(Market* market, Node* node, ApprovalId approval);
// Many reads at once: a backlog for the others.
void burst(Market& market, Node& node, const domain::Task& task, std::size_t calls);

// What the fleet is configured with.
resource::Resources configuration();

}  // namespace stint::sim
