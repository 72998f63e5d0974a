// stint approvals, approve, deny: what waits for a person, and the person's answer.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>

#include "listing.h"
#include "stint/base/id.h"

namespace stint::cli {
namespace {

struct ApprovalOptions {
  std::string id, state = "pending", task;
  ListOptions list;
  bool for_task = false, end_task = false, yes = false, json = false, all = false;
};

std::string who(const json::Object& a) {
  const std::string human = text_of(a, "human");
  return text_of(a, "agent") + (human.empty() ? " (autonomous)" : " for " + human);
}

Exit list(const ApprovalOptions& o, Context& ctx) {
  // A person sees what they may answer; an operator's socket sees all.
  const auto remote =
      Remote::connect(ctx, ctx.id_token_file.empty() ? Speaker::kWhoever : Speaker::kHuman);
  if (!remote) return ctx.io.failed(remote.error(), o.list.json);
  return list_items(ctx, *remote, "/v1/approvals",
                    {{"state", o.all ? "" : o.state}, {"task", o.task}}, o.list,
                    {"APPROVAL", "STATE", "EXPIRES", "WHO", "WHAT"}, [](const json::Object& a) {
                      return std::vector<std::string>{text_of(a, "id"), text_of(a, "state"),
                                                      short_time(text_of(a, "expires")), who(a),
                                                      text_of(a, "words")};
                    });
}

std::string question(const json::Object& a) {
  std::string out = fmt::format("{}\n  {}\n  task: {} ({})\n", text_of(a, "id"),
                                text_of(a, "words"), text_of(a, "purpose"), who(a));
  if (const auto call = json::optional_object_at(a, "call"); call && *call)
    out += fmt::format("  exactly: {} {}  [{}:{}, {}]\n", text_of(**call, "method"),
                       text_of(**call, "target"), text_of(**call, "upstream"),
                       text_of(**call, "action"), text_of(**call, "class"));
  return out + "  expires " + short_time(text_of(a, "expires"));
}

Exit answer(const ApprovalOptions& o, Context& ctx, std::string_view given) {
  if (!ApprovalId::parse(o.id)) return ctx.io.usage("not an approval id; see `stint approvals`");
  const auto remote = Remote::connect(ctx, Speaker::kHuman);
  if (!remote) return ctx.io.failed(remote.error(), o.json);
  const auto approval = remote->get("/v1/approvals/" + o.id);
  if (!approval) return ctx.io.failed(approval.error(), o.json);
  if (!o.json) ctx.io.say(question(*approval));
  const bool yes = given == "once" || given == "for-task";
  if (!o.yes && !ctx.io.confirm(yes ? "Let it happen?" : "Refuse it?")) return Exit::kRefused;
  // Bound to what was shown: if it was settled meanwhile, the server says so.
  const auto settled = remote->send(
      "POST", "/v1/approvals/" + o.id + "/answer", json::write(json::Object{{"answer", given}}),
      {{"If-Match", fmt::format("\"{}\"", number_of(*approval, "version"))}});
  if (!settled) return ctx.io.failed(settled.error(), o.json);
  const auto body = json::parse_object(settled->body, {.bytes = 1024 * 1024});
  if (!body) return ctx.io.failed(Failure::of(body.error(), "the answer cannot be read"));
  if (o.json)
    ctx.io.json(*body);
  else
    ctx.io.say(
        fmt::format("{}: {} by {}", o.id, text_of(*body, "state"), text_of(*body, "answered_by")));
  return Exit::kDone;
}

}  // namespace

void add_approval(CLI::App& app, Context& ctx) {
  auto o = std::make_shared<ApprovalOptions>();
  auto* list_verb = app.add_subcommand("approvals", "What waits for an answer");
  list_verb->add_option("--state", o->state, "pending, granted, refused, expired or consumed")
      ->capture_default_str();
  list_verb->add_flag("--all", o->all, "In any state");
  list_verb->add_option("--task", o->task, "Of this task");
  add_list_options(*list_verb, o->list);
  list_verb->callback([o, &ctx] { ctx.exit = list(*o, ctx); });

  const auto verb = [&](const char* name, const char* what) {
    auto* v = app.add_subcommand(name, what);
    v->add_option("APPROVAL", o->id)->required();
    v->add_flag("--yes", o->yes, "Do not ask");
    v->add_flag("--json", o->json, "One JSON object on stdout");
    return v;
  };
  auto* approve = verb("approve", "Let one call happen, once, as the person of --id-token-file");
  approve->add_flag("--for-task", o->for_task, "This action, until the task ends");
  approve->callback([o, &ctx] { ctx.exit = answer(*o, ctx, o->for_task ? "for-task" : "once"); });
  auto* deny = verb("deny", "Refuse one call");
  deny->add_flag("--end-task", o->end_task, "And end its task");
  deny->callback([o, &ctx] { ctx.exit = answer(*o, ctx, o->end_task ? "no-and-end" : "no"); });
}

}  // namespace stint::cli
