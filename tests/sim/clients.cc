#include "clients.h"

#include <utility>

#include "stint/policy/pack.h"
#include "stint/rt/callback.h"
#include "stint/testkit/reveal.h"

namespace stint::sim {
namespace {

using authority::Actor;
using domain::ActionClass;

const std::string kJktForTest(43, 'k');

// Lets others come between.
rt::Co<void> others() {
  (void)co_await rt::from_callback<bool>([](rt::Completion<bool> done) { done(true); });
}

authority::OpenRequest order(Market& market) {
  auto& dice = market.scheduler.dice();
  authority::OpenRequest r{
      .order = {.purpose = "work " + std::to_string(++market.names),
                .agent = "coder",
                .binding = {domain::Binding::Kind::kDpop, kJktForTest},
                .human = "alice@example.com",
                .grants = {{.upstream = "git",
                            .actions = {"git.fetch", "git.push", "git.ref.delete"},
                            .resources = {"demo/readme.git"}}}},
      .actor = Actor::agent("coder")};
  if (dice.permille(300)) r.order.budget.requests = 1 + static_cast<int>(dice.below(4));
  return r;
}

authority::CallRequest call(Node& node, const domain::Task& task, CallKind kind) {
  struct Of {
    const char* action;
    ActionClass action_class;
  };
  static constexpr Of kOf[] = {{"git.fetch", ActionClass::kRead},
                               {"git.push", ActionClass::kWrite},
                               {"git.ref.delete", ActionClass::kDelete}};
  const Of& of = kOf[static_cast<std::size_t>(kind)];
  const auto key = node.keys().signing_key(crypto::Alg::kES256);
  return {.task = task.id,
          .token = TokenId::random(node.entropy()),
          .kid = key ? key->kid : "",
          .token_grants = std::make_shared<const std::vector<domain::Grant>>(task.grants),
          .call = {.task = task.id,
                   .upstream = "git",
                   .action = of.action,
                   .action_class = of.action_class,
                   .resource = "demo/readme.git",
                   .method = "POST",
                   .target = "/demo/readme.git/git-receive-pack",
                   .arguments = R"({"ref":"refs/heads/old"})"},
          .words = "delete the branch old of demo/readme.git",
          .request = {.ip = "127.0.0.1"},
          .path = "/demo/readme.git",
          .directory_version = node.authority().directory()->version()};
}

template <class T>
std::string told(const Result<T>& r) {
  return r ? "yes" : std::string(r.error().reason.text());
}

std::string line(const Node& node, std::string_view what, const std::string& of,
                 const std::string& answer) {
  return "node " + std::to_string(node.link.node) + " " + std::string(what) + " " + of + ": " +
         answer;
}

// Whoever has a new task goes on with it where the load balancer sends him: not where it was
// opened.
void work_elsewhere(Market* market, const Known& known) {
  auto& dice = market->scheduler.dice();
  if (!dice.permille(300)) return;
  Node* const node = market->any_node();
  if (node == nullptr) return;
  if (dice.permille(500)) return node->spawn(mint_one(market, node, known));
  node->spawn(call_one(market, node, known.task, CallKind::kRead));
}

}  // namespace

resource::Resources configuration() {
  resource::Resources r;
  r.add(resource::Issuer{
      .name = "idp", .url = "https://idp.test", .audiences = {"stint"}, .jwks = R"({"keys":[]})"});
  r.add(resource::Group{.name = "approvers"});
  r.add(resource::Human{.name = "alice@example.com", .issuer = "idp", .subject = "a"});
  r.add(resource::Human{
      .name = "bob@example.com", .issuer = "idp", .subject = "b", .groups = {"approvers"}});
  for (const char* name : {"coder", "helper"})
    r.add(resource::Agent{
        .name = name, .owner = "alice@example.com", .trust = {{.jwks = R"({"keys":[]})"}}});
  r.add(resource::Credential{.name = "git-password"});
  r.add(resource::Upstream{.name = "git",
                           .kind = resource::UpstreamKind::kGit,
                           .url = "http://127.0.0.1:1/git",
                           .inject = resource::Injection{.credential = "git-password",
                                                         .as = resource::Injection::As::kBasic,
                                                         .username = "stint"}});
  for (const auto& file : policy::shipped_pack())
    r.add(resource::Policy{.name = file.name, .text = file.text});
  return r;
}

rt::Co<void> open_one(Market* market, Node* node) {
  auto request = order(*market);
  // An assertion that two nodes are shown at about the same time.
  if (market->scheduler.dice().permille(300)) {
    const auto number = std::to_string(market->names / 4);
    request.order.purpose = "once " + number;
    request.spend.push_back({.scope = "client-assertion",
                             .key = number,
                             .expires = node->clock().wall() + std::chrono::minutes(20)});
  }
  auto opened = co_await node->authority().open_task(std::move(request));
  market->trace(line(*node, "opens", opened ? opened->task.id.str() : "", told(opened)));
  if (!opened) {
    if (opened.error().code == Errc::kReplayed) ++market->probes["an assertion came twice"];
    co_return;
  }
  market->model.was_opened(opened->task);
  market->tasks.push_back({opened->task, testkit::text_of(opened->handle)});
  work_elsewhere(market, market->tasks.back());
}

rt::Co<void> delegate_one(Market* market, Node* node, Known parent) {
  const auto asked = market->model.ask(node->link, parent.task.id);
  auto request = order(*market);
  request.order.agent = "helper";
  request.order.budget = parent.task.budget;
  const auto key = node->keys().signing_key(crypto::Alg::kES256);
  auto opened = co_await node->authority().delegate(
      {.parent = parent.task.id,
       .parent_token = TokenId::random(node->entropy()),
       .parent_token_kid = key ? key->kid : "",
       .parent_token_expires = node->clock().wall() + std::chrono::minutes(5),
       .parent_token_grants = parent.task.grants,
       .child = std::move(request)});
  market->trace(line(*node, "delegates below", parent.task.id.str(), told(opened)));
  if (!opened) {
    market->model.was_refused(asked, opened.error());
    if (opened.error().code == Errc::kTaskClosed && !asked.was_closed)
      ++market->probes["a close overtook a delegation"];
    co_return;
  }
  market->model.was_delegated(asked, parent.task.id, opened->task);
  market->tasks.push_back({opened->task, testkit::text_of(opened->handle)});
  work_elsewhere(market, market->tasks.back());
}

rt::Co<void> mint_one(Market* market, Node* node, Known known) {
  auto asked = market->model.ask(node->link, known.task.id);
  // One whose handle is old by this node's clock is not waited for.
  asked.heard = node->clock().wall() - known.task.opened < std::chrono::seconds(60);
  auto minted = co_await node->authority().mint({.handle_text = known.handle,
                                                 .presented = known.task.binding,
                                                 .client_id = known.task.agent,
                                                 .audience = "http://127.0.0.1:7444/u/git"});
  market->trace(line(*node, "mints in", known.task.id.str(), told(minted)));
  if (minted) {
    market->model.was_minted(asked, known.task.id, minted->token.id);
    co_return;
  }
  market->model.was_refused_by_rows(asked, minted.error());
  if (minted.error().code == Errc::kTaskClosed && !asked.was_closed) {
    ++market->probes["a close overtook a mint"];
  }
}

rt::Co<void> call_one(Market* market, Node* node, domain::Task task, CallKind kind) {
  const auto asked = market->model.ask(node->link, task.id);
  const bool ahead = kind == CallKind::kRead && !task.budget.requests;
  if (!asked.was_closed && !node->authority().view().known(task.id))
    ++market->probes["a node was asked for a task that it had not heard of"];
  // As the gateway does.
  if (const Status may = co_await node->authority().learn_of(task.id, node->clock().wall());
      !may && node->link.database.planted != Planted::kTakesSilenceForEnd) {
    market->trace(
        line(*node, "does not hear of", task.id.str(), told(Result<int>(fail(may.error())))));
    market->model.was_refused(asked, may.error());
    ++market->probes["a node could not find out whether a task is open"];
    co_return;
  }
  auto verdict = co_await node->authority().decide(call(*node, task, kind));
  market->trace(line(*node, "decides in", task.id.str(), told(verdict)));
  if (!verdict) {
    market->model.was_refused(asked, verdict.error());
    if (verdict.error().code == Errc::kLimit) ++market->probes["a budget was used up"];
    co_return;
  }
  if (verdict->approval) market->asked.push_back(verdict->approval->id);
  if (!verdict->permit) co_return;
  if (kind == CallKind::kAsked) ++market->probes["an approval lifted a deny"];
  if (node->link.dead) co_return;  // nobody is there to be told
  // A parent's budget makes a read await its record; it is in the log then, which is more.
  market->model.was_permitted(asked, task.id, verdict->id, ahead, node->view_age());
  co_await others();
  if (node->link.dead) co_return;
  const auto released = node->authority().release(*verdict->permit, node->clock().wall());
  market->trace(line(*node, "releases to", task.id.str(), told(released)));
  if (released) {
    market->model.was_released(asked, task.id, verdict->id, node->view_age());
    (void)node->authority().outcome(*verdict->permit, {.status = 200, .bytes_out = 10});
    co_return;
  }
  market->model.was_refused(asked, released.error());
  if (released.error().code == Errc::kTaskClosed)
    ++market->probes["a close came between permit and release"];
}

rt::Co<void> close_one(Market* market, Node* node, domain::Task task) {
  const auto closed = co_await node->authority().close(task.id, domain::How::kCompleted,
                                                       Actor::human("alice@example.com"));
  market->trace(line(*node, "closes", task.id.str(), told(closed)));
  if (!closed) co_return;
  market->model.was_closed(task.id);
  // Whoever works with it elsewhere goes on until he is refused.
  for (int i = 0; i < 2; ++i)
    if (Node* const other = market->any_node(); other != nullptr)
      other->spawn(call_one(market, other, task, CallKind::kRead));
}

rt::Co<void> pause_one(Market* market, Node* node, TaskId task, bool resume) {
  auto& authority = node->authority();
  const auto done =
      resume ? co_await authority.resume(task, domain::Why::kOperator, Actor::local_operator(0))
             : co_await authority.pause(task, domain::Why::kOperator, Actor::local_operator(0));
  market->trace(line(*node, resume ? "resumes" : "pauses", task.str(), told(done)));
}

rt::Co<void> answer_one(Market* market, Node* node, ApprovalId approval) {
  const auto answered = co_await node->authority().answer(approval, domain::Answer::kOnce,
                                                          "bob@example.com", {"approvers"});
  market->trace(line(*node, "approves", approval.str(), told(answered)));
  if (!answered) co_return;
  // Whoever asked tries again, in two places at once as like as not.
  for (const Known& known : market->tasks) {
    if (known.task.id != answered->call.task) continue;
    const domain::Task task = known.task;
    node->spawn(call_one(market, node, task, CallKind::kAsked));
    co_await call_one(market, node, task, CallKind::kAsked);
    co_return;
  }
}

void burst(Market& market, Node& node, const domain::Task& task, std::size_t calls) {
  for (std::size_t i = 0; i < calls; ++i)
    node.spawn(call_one(&market, &node, task, CallKind::kRead));
}

}  // namespace stint::sim
