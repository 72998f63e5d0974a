// stint agent|upstream|credential|human|group|issuer|policy list|show; agent suspend|retire.
#include "inventory.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "stint/codec/percent.h"
#include "stint/domain/action.h"

namespace stint::cli {
namespace {

struct NounOptions {
  std::string name;
  ListOptions list;
  bool json = false, yes = false;
};

// What a list shows of each kind beside its name.
struct Noun {
  const char* name;
  const char* plural;
  const char* what;
  std::vector<std::string> columns;  // members of the resource
};

const std::vector<Noun>& nouns() {
  static const std::vector<Noun> all{
      {"agent", "agents", "What works for people", {"owner", "status", "environment"}},
      {"upstream", "upstreams", "What agents work at", {"kind", "url", "sensitivity"}},
      {"credential",
       "credentials",
       "What upstreams accept; never its value",
       {"source", "has_value"}},
      {"human", "humans", "People", {"issuer", "email", "groups"}},
      {"group", "groups", "Groups of people", {"description"}},
      {"issuer", "issuers", "Whose ID tokens are believed", {"url", "audiences", "max_age"}},
  };
  return all;
}

std::string cell(const json::Object& o, const std::string& key) {
  const auto* v = o.if_contains(key);
  if (v == nullptr || v->is_null()) return "-";
  if (v->is_string()) return v->get_string().empty() ? "-" : printable(v->get_string());
  if (!v->is_array()) return printable(json::write(*v));
  std::string out;
  for (const json::Value& item : v->get_array())
    if (item.is_string()) out += (out.empty() ? "" : ",") + printable(item.get_string());
  return out.empty() ? "-" : out;
}

Exit list(const Noun& noun, const NounOptions& o, Context& ctx) {
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.list.json);
  std::vector<std::string> heading{"NAME"};
  for (std::string c : noun.columns) {
    for (char& x : c)
      if (x >= 'a' && x <= 'z') x = static_cast<char>(x - 32);
    heading.push_back(std::move(c));
  }
  return list_items(ctx, *remote, std::string("/v1/") + noun.plural, {}, o.list, heading,
                    [&](const json::Object& r) {
                      std::vector<std::string> out{cell(r, "name")};
                      for (const std::string& c : noun.columns) out.push_back(cell(r, c));
                      return out;
                    });
}

Exit show(const Noun& noun, const NounOptions& o, Context& ctx) {
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.json);
  const auto body =
      remote->get(fmt::format("/v1/{}/{}", noun.plural, codec::percent_encode(o.name)));
  if (!body) return ctx.io.failed(body.error(), o.json);
  return show_object(ctx, *body, o.json);
}

// Puts the present resources back with one member of one agent changed, under the version that was
// read: a change in between is refused, not overwritten.
Exit set_status(const NounOptions& o, Context& ctx, std::string_view status) {
  if (!o.yes &&
      !ctx.io.confirm(fmt::format("Set agent {} to {}, and end its tasks?", o.name, status)))
    return Exit::kRefused;
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.json);
  auto now = remote->get("/v1/resources");
  if (!now) return ctx.io.failed(now.error(), o.json);
  bool found = false;
  auto& list = (*now)["resources"];
  for (json::Value& v : list.is_array() ? list.get_array() : list.emplace_array()) {
    if (!v.is_object() || text_of(v.get_object(), "kind") != "agent") continue;
    auto* body = v.get_object().if_contains("body");
    if (body == nullptr || !body->is_object() || text_of(body->get_object(), "name") != o.name)
      continue;
    body->get_object()["status"] = status;
    found = true;
  }
  if (!found) return ctx.io.failed(Failure::local("no agent of that name"), o.json);
  const auto put =
      remote->send("PUT", "/v1/resources", json::write(json::Object{{"resources", list}}),
                   {{"If-Match", fmt::format("\"{}\"", number_of(*now, "version"))}});
  if (!put) return ctx.io.failed(put.error(), o.json);
  if (o.json)
    ctx.io.data(put->body + "\n");
  else
    ctx.io.say(fmt::format("agent {} is {}", o.name, status));
  return Exit::kDone;
}

}  // namespace

void add_list_and_show(CLI::App& app, const char* plural, Context& ctx,
                       const std::vector<std::string>& columns) {
  auto noun = std::make_shared<Noun>(Noun{"", plural, "", columns});
  auto o = std::make_shared<NounOptions>();
  auto* list_verb = app.add_subcommand("list", "By name");
  add_list_options(*list_verb, o->list);
  list_verb->callback([noun, o, &ctx] { ctx.exit = list(*noun, *o, ctx); });
  auto* show_verb = app.add_subcommand("show", "One, with all it says");
  show_verb->add_option("NAME", o->name)->required();
  show_verb->add_flag("--json", o->json, "One JSON object on stdout");
  show_verb->callback([noun, o, &ctx] { ctx.exit = show(*noun, *o, ctx); });
}

void add_inventory(CLI::App& app, Context& ctx) {
  for (const Noun& noun : nouns()) {
    auto* sub = app.add_subcommand(noun.name, noun.what);
    sub->require_subcommand(1);
    add_list_and_show(*sub, noun.plural, ctx, noun.columns);
    if (std::string_view(noun.name) != "agent") continue;
    for (const auto& [verb, status, what] :
         {std::tuple("suspend", "suspended",
                     "End its tasks and let it open none, until files say otherwise"),
          std::tuple("retire", "retired", "End its tasks, for good")}) {
      auto o = std::make_shared<NounOptions>();
      auto* v = sub->add_subcommand(verb, what);
      v->add_option("NAME", o->name)->required();
      v->add_flag("--yes", o->yes, "Do not ask");
      v->add_flag("--json", o->json, "One JSON object on stdout");
      v->callback([o, &ctx, s = std::string(status)] { ctx.exit = set_status(*o, ctx, s); });
    }
  }
}

}  // namespace stint::cli
