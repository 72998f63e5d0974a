// stint keys list|rotate|revoke|rewrap: the server's own keys.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "listing.h"
#include "rewrap.h"
#include "stint/codec/percent.h"

namespace stint::cli {
namespace {

struct KeyOptions {
  std::string kid, alg, state;
  ListOptions list;
  RewrapOptions rewrap;
  bool now = false, dry_run = false, yes = false, json = false;
};

// What comes next for a key, or came last.
std::string when(const json::Object& key) {
  for (const auto& [member, words] :
       {std::pair("revoked", "revoked "), std::pair("retired", "retired "),
        std::pair("retires", "retires "), std::pair("activates", "signs from "),
        std::pair("activated", "signs since "), std::pair("created", "made ")}) {
    const std::string time = text_of(key, member);
    if (!time.empty()) return words + short_time(time);
  }
  return "";
}

Exit list(const KeyOptions& o, Context& ctx) {
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.list.json);
  return list_items(ctx, *remote, "/v1/keys", {{"state", o.state}}, o.list,
                    {"USE", "ALG", "STATE", "KEY", "WHEN"}, [](const json::Object& k) {
                      return std::vector<std::string>{text_of(k, "use"), text_of(k, "alg"),
                                                      text_of(k, "state"), text_of(k, "kid"),
                                                      when(k)};
                    });
}

constexpr std::string_view kCostOfNow =
    "The new key signs at once, before verifiers could fetch it: those that keep a copy of\n"
    "/oauth/jwks refuse new tokens until they fetch it again. Without --now nothing is refused.\n"
    "A key that may be known to others is not rotated but revoked: stint keys revoke KID.";

void say_rotated(const json::Object& body, Context& ctx) {
  const auto next = json::optional_array_at(body, "next");
  if (next && *next)
    for (const json::Value& v : **next)
      if (v.is_object())
        ctx.io.say(fmt::format("{} {} is published and signs from {}",
                               text_of(v.get_object(), "alg"), text_of(v.get_object(), "kid"),
                               short_time(text_of(v.get_object(), "activates"))));
  const auto live = json::optional_array_at(body, "live");
  if (live && *live)
    for (const json::Value& v : **live)
      if (v.is_object())
        ctx.io.say(fmt::format("{} {} signs now", text_of(v.get_object(), "alg"),
                               text_of(v.get_object(), "kid")));
  if (!json::bool_at(body, "changed").value_or(true))
    ctx.io.say("nothing changed: the next keys were there already");
}

Exit rotate(const KeyOptions& o, Context& ctx) {
  if (o.now && !o.yes) {
    ctx.io.say(kCostOfNow);
    if (!ctx.io.confirm("Rotate now?")) return Exit::kRefused;
  }
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.json);
  json::Object wanted;
  if (!o.alg.empty()) wanted["alg"] = o.alg;
  if (o.now) wanted["now"] = true;
  const auto body = remote->post("/v1/keys/rotate", wanted);
  if (!body) return ctx.io.failed(body.error(), o.json);
  if (o.json)
    ctx.io.json(*body);
  else
    say_rotated(*body, ctx);
  return Exit::kDone;
}

// `done`: what happened, else what would.
std::string drill(const json::Object& r, bool done) {
  const auto key = json::object_at(r, "key");
  std::string out =
      fmt::format("key {} ({}, {})\n", key ? text_of(**key, "kid") : "",
                  key ? text_of(**key, "alg") : "", key ? text_of(**key, "state") : "");
  out += fmt::format("  {} {} tokens of {} open tasks, whose next call must renew\n",
                     done ? "killed" : "kills", number_of(r, "tokens"), number_of(r, "tasks"));
  if (const auto unknown = number_of(r, "tokens_of_unknown_key"); unknown > 0)
    out += fmt::format("    of these {} of before an upgrade, whose key is not known\n", unknown);
  const auto audiences = json::optional_array_at(r, "audiences");
  if (audiences && *audiences)
    for (const json::Value& v : **audiences)
      if (v.is_object())
        out += fmt::format("    {} for {}\n", number_of(v.get_object(), "tokens"),
                           text_of(v.get_object(), "audience"));
  out += done ? "  refused: at this gateway, API and token endpoint since the answer; at other "
                "nodes within feed.max_age\n"
              : "  refuses: this gateway, API and token endpoint at once; other nodes within "
                "feed.max_age\n";
  out +=
      "  verifiers elsewhere that keep a copy of /oauth/jwks go on believing it until they fetch "
      "it again\n"
      "  not touched: tasks, handles, credentials, calls under way (stint task end cuts those)";
  const std::string fresh = text_of(r, "replaced_by");
  if (!fresh.empty()) out += "\n  signs now: " + fresh;
  return out;
}

Exit revoke(const KeyOptions& o, Context& ctx) {
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.json);
  const std::string path = "/v1/keys/" + codec::percent_encode(o.kid) + "/revoke";
  if (o.dry_run || !o.yes) {
    const auto plan = remote->post(path, {{"dry_run", true}});
    if (!plan) return ctx.io.failed(plan.error(), o.json);
    if (o.json && o.dry_run)
      ctx.io.json(*plan);
    else
      ctx.io.say(drill(*plan, false));
    if (o.dry_run) return Exit::kDone;
    if (!ctx.io.confirm("Revoke it?")) return Exit::kRefused;
  }
  const auto done = remote->post(path, {});
  if (!done) return ctx.io.failed(done.error(), o.json);
  if (o.json)
    ctx.io.json(*done);
  else
    ctx.io.say(drill(*done, true));
  return Exit::kDone;
}

}  // namespace

void add_keys(CLI::App& app, Context& ctx) {
  auto o = std::make_shared<KeyOptions>();
  auto* keys = app.add_subcommand("keys", "The server's own keys: list, rotate, revoke, rewrap");
  keys->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, auto f) {
    auto* verb = keys->add_subcommand(name, what);
    verb->callback([o, &ctx, f] { ctx.exit = f(*o, ctx); });
    return verb;
  };
  const auto add_common = [&](CLI::App& verb, const char* yes) {
    verb.add_flag("--yes", o->yes, yes);
    verb.add_flag("--json", o->json, "One JSON object on stdout");
  };
  auto* list_verb = add("list", "Those that sign tokens, will, or did; and the log's", list);
  list_verb->add_option("--state", o->state, "next, live, former, retired or revoked");
  add_list_options(*list_verb, o->list);

  auto* rotate_verb =
      add("rotate", "Publish new keys, which sign once verifiers had time to fetch them", rotate);
  rotate_verb->add_option("--alg", o->alg, "ES256, RS256 or EdDSA alone");
  rotate_verb->add_flag("--now", o->now, "Sign with them at once, which verifiers may refuse");
  add_common(*rotate_verb, "With --now: do not ask");

  auto* revoke_verb = add("revoke", "Believe a key no more: for one that others may know", revoke);
  revoke_verb->add_option("KID", o->kid)->required();
  revoke_verb->add_flag("--dry-run", o->dry_run, "Say what it would kill, and change nothing");
  add_common(*revoke_verb, "Do not ask");

  auto* rewrap_verb = add("rewrap", "Seal everything under another root key; the service is down",
                          [](const KeyOptions& all, Context& c) {
                            RewrapOptions given = all.rewrap;
                            given.yes = all.yes;
                            given.json = all.json;
                            return rewrap(given, c);
                          });
  rewrap_verb->add_option("--config", o->rewrap.config, "stint.yaml as it is [STINT_CONFIG]")
      ->envname("STINT_CONFIG");
  rewrap_verb->add_option("--new-config", o->rewrap.new_config, "stint.yaml with the new root_key")
      ->required();
  add_common(*rewrap_verb, "Do not ask");
}

}  // namespace stint::cli
