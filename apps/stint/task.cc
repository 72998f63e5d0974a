// stint task: what agents were let do, and what became of it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "address.h"
#include "allow.h"
#include "client.h"
#include "files.h"
#include "listing.h"
#include "stint/base/id.h"
#include "stint/rt/runtime.h"

namespace stint::cli {
namespace {

struct TaskOptions {
  std::string task, state, agent, human, parent, how, gone, output;
  ListOptions list;
  bool yes = false, json = false, events = false;
};

std::string state_text(const json::Object& t) {
  std::string out = text_of(t, "state");
  for (const char* key : {"why", "how"})
    if (const std::string v = text_of(t, key); !v.empty()) out += " (" + v + ")";
  return out;
}

std::vector<std::string> row(const json::Object& t) {
  const std::string human = text_of(t, "human");
  return {text_of(t, "id"),
          state_text(t),
          text_of(t, "agent"),
          human.empty() ? "-" : human,
          short_time(text_of(t, "opened")),
          short_time(text_of(t, "deadline")),
          text_of(t, "purpose")};
}

Exit list(const TaskOptions& o, Context& ctx) {
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.list.json);
  return list_items(
      ctx, *remote, "/v1/tasks",
      {{"state", o.state}, {"agent", o.agent}, {"human", o.human}, {"parent", o.parent}}, o.list,
      {"TASK", "STATE", "AGENT", "HUMAN", "OPENED", "DEADLINE", "PURPOSE"}, row);
}

// Runs `f(remote)` when the task's name is one.
template <class F>
Exit with_task(const TaskOptions& o, Context& ctx, F f) {
  if (!TaskId::parse(o.task)) return ctx.io.usage("not a task id; see `stint task list`");
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.json);
  return f(*remote);
}

std::string grant_words(const json::Value& v) {
  if (!v.is_object()) return "";
  const json::Object& g = v.get_object();
  std::string out = "  may  " + text_of(g, "upstream") + ":";
  const auto words = [&](const char* key) {
    std::string list;
    if (const auto a = json::optional_array_at(g, key); a && *a)
      for (const json::Value& item : **a)
        if (item.is_string()) list += (list.empty() ? "" : ",") + printable(item.get_string());
    return list;
  };
  out += words("actions");
  if (const std::string on = words("resources"); !on.empty()) out += " on " + on;
  return out + "\n";
}

std::string task_words(const json::Object& t) {
  const std::string human = text_of(t, "human");
  std::string out = fmt::format("{}  {}\n  {}\n  agent {} for {}\n", text_of(t, "id"),
                                state_text(t), text_of(t, "purpose"), text_of(t, "agent"),
                                human.empty() ? "nobody (autonomous)" : human);
  if (const auto ref = text_of(t, "reference"); !ref.empty()) out += "  reference " + ref + "\n";
  out += fmt::format("  opened {}, deadline {}\n", short_time(text_of(t, "opened")),
                     short_time(text_of(t, "deadline")));
  if (const auto closed = text_of(t, "closed"); !closed.empty())
    out += "  closed " + short_time(closed) + "\n";
  if (const auto parent = text_of(t, "parent"); !parent.empty())
    out += "  delegated from " + parent + "\n";
  if (const auto grants = json::optional_array_at(t, "grants"); grants && *grants)
    for (const json::Value& g : **grants) out += grant_words(g);
  if (const auto spend = json::optional_object_at(t, "spend"); spend && *spend)
    out += fmt::format("  used {} requests, {} bytes out\n", number_of(**spend, "requests"),
                       number_of(**spend, "bytes_out"));
  return out;
}

Exit show(const TaskOptions& o, Context& ctx) {
  return with_task(o, ctx, [&](const Remote& remote) {
    const auto task = remote.get("/v1/tasks/" + o.task);
    if (!task) return ctx.io.failed(task.error(), o.json);
    if (o.json)
      ctx.io.json(*task);
    else
      ctx.io.data(task_words(*task));
    return Exit::kDone;
  });
}

void tree_words(const json::Object& node, int depth, std::string& out) {
  out += fmt::format("{}{}  {}  {}  {}\n", std::string(static_cast<std::size_t>(depth) * 2, ' '),
                     text_of(node, "id"), state_text(node), text_of(node, "agent"),
                     text_of(node, "purpose"));
  if (const auto children = json::optional_array_at(node, "children"); children && *children)
    for (const json::Value& c : **children)
      if (c.is_object() && depth < 64) tree_words(c.get_object(), depth + 1, out);
}

Exit tree(const TaskOptions& o, Context& ctx) {
  return with_task(o, ctx, [&](const Remote& remote) {
    const auto reply = remote.get("/v1/tasks/" + o.task + "/tree");
    if (!reply) return ctx.io.failed(reply.error(), o.json);
    if (o.json) {
      ctx.io.json(*reply);
      return Exit::kDone;
    }
    std::string out;
    if (const auto root = json::optional_object_at(*reply, "tree"); root && *root)
      tree_words(**root, 0, out);
    ctx.io.data(out);
    if (!json::bool_at(*reply, "whole").value_or(true)) ctx.io.say("and more, not shown");
    return Exit::kDone;
  });
}

Exit end(const TaskOptions& o, Context& ctx) {
  return with_task(o, ctx, [&](const Remote& remote) {
    if (!o.yes && !ctx.io.confirm("End the task and all that was opened in it?"))
      return Exit::kRefused;
    json::Object body;
    if (!o.how.empty()) body["how"] = o.how;
    const auto closed = remote.post("/v1/tasks/" + o.task + "/end", body);
    if (!closed) return ctx.io.failed(closed.error(), o.json);
    if (o.json)
      ctx.io.json(*closed);
    else
      ctx.io.say(fmt::format("closed {} tasks ({})", number_of(*closed, "count"),
                             text_of(*closed, "how")));
    return Exit::kDone;
  });
}

Exit change(const TaskOptions& o, Context& ctx, const std::string& verb, json::Object body) {
  return with_task(o, ctx, [&](const Remote& remote) {
    const auto task = remote.post("/v1/tasks/" + o.task + "/" + verb, body);
    if (!task) return ctx.io.failed(task.error(), o.json);
    if (o.json)
      ctx.io.json(*task);
    else
      ctx.io.say(fmt::format("{} is {}", text_of(*task, "id"), state_text(*task)));
    return Exit::kDone;
  });
}

Exit receipt(const TaskOptions& o, Context& ctx) {
  return with_task(o, ctx, [&](const Remote& remote) {
    const auto note = remote.bytes("/v1/tasks/" + o.task + "/receipt");
    if (!note) return ctx.io.failed(note.error(), o.json);
    if (o.json)
      ctx.io.json(json::Object{{"task", o.task}, {"receipt", *note}});
    else
      ctx.io.data(*note);
    return Exit::kDone;
  });
}

}  // namespace

void add_task_open(CLI::App& task, Context& ctx);  // task_open.cc

void add_task(CLI::App& app, Context& ctx) {
  auto o = std::make_shared<TaskOptions>();
  auto* task =
      app.add_subcommand("task", "Tasks: list, show, tree, open, end, pause, resume, receipt");
  task->require_subcommand(1);
  auto* list_verb = task->add_subcommand("list", "Newest first");
  list_verb->add_option("--state", o->state, "active, paused or closed");
  list_verb->add_option("--agent", o->agent);
  list_verb->add_option("--human", o->human);
  list_verb->add_option("--parent", o->parent, "Delegated from this task");
  add_list_options(*list_verb, o->list);
  list_verb->callback([o, &ctx] { ctx.exit = list(*o, ctx); });

  const auto one = [&](const char* name, const char* what, auto f) {
    auto* verb = task->add_subcommand(name, what);
    verb->add_option("TASK", o->task)->required();
    verb->add_flag("--json", o->json, "One JSON object on stdout");
    verb->callback([o, &ctx, f] { ctx.exit = f(*o, ctx); });
    return verb;
  };
  one("show", "One task in words", show);
  one("tree", "The task and all that was delegated from it", tree);
  auto* end_verb = one("end", "End a task and all that was opened in it", end);
  end_verb->add_flag("--yes", o->yes, "Do not ask");
  end_verb->add_option("--how", o->how, "completed or revoked [revoked]");
  one("pause", "No token, no action until it is resumed",
      [](const TaskOptions& t, Context& c) { return change(t, c, "pause", {}); });
  auto* resume = one("resume", "Let it go on", [](const TaskOptions& t, Context& c) {
    json::Object body;
    if (!t.gone.empty()) body["gone"] = t.gone;
    return change(t, c, "resume", std::move(body));
  });
  resume->add_option("--gone", o->gone, "The cause that is gone [operator]");
  one("receipt", "The signed summary of a closed task", receipt);
  add_task_open(*task, ctx);
}

}  // namespace stint::cli
