// stint plan, stint apply: what operators declare, from files.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "context.h"
#include "files.h"
#include "remote.h"
#include "resource_files.h"
#include "stint/resource/resource.h"

namespace stint::cli {
namespace {

struct ApplyOptions {
  std::string directory;
  std::vector<std::string> renew;  // credentials whose value is asked for again
  bool yes = false, json = false;
};

// Values on their way to the vault. Wiped when done with.
struct Values {
  std::map<std::string, std::string> by_name;
  ~Values() {
    for (auto& [name, value] : by_name) wipe(value);
  }
};

Exit say_problems(const Problems& problems, const Terminal& io, bool as_json) {
  if (as_json) {
    json::Array list;
    for (const auto& p : problems.all)
      list.push_back(json::Object{{"file", printable(p.file)},
                                  {"line", p.line},
                                  {"column", p.column},
                                  {"message", printable(p.message)}});
    io.json(json::Object{{"ok", false}, {"problems", std::move(list)}});
  }
  for (const auto& p : problems.all) io.say(printable(p.str()));
  return Exit::kRefused;
}

json::Array encoded(const resource::Resources& resources) {
  json::Array out;
  for (const resource::Resource& r : resources.all()) {
    auto body = json::parse_object(resource::encode(r), {.bytes = 64 * 1024 * 1024});
    if (body)
      out.push_back(
          json::Object{{"kind", resource::text(resource::kind_of(r))}, {"body", *std::move(body)}});
  }
  return out;
}

Outcome<json::Object> ask_plan(const Remote& remote, const json::Array& resources) {
  return remote.post("/v1/resources/plan", {{"resources", resources}});
}

bool listed(const json::Object& plan, std::string_view member, std::string_view name) {
  const auto list = json::optional_array_at(plan, member);
  if (!list || *list == nullptr) return false;
  return std::ranges::any_of(**list, [&](const json::Value& v) {
    return v.is_string() && std::string_view(v.get_string()) == name;
  });
}

Outcome<std::string> ask_value(const resource::Credential& c, const std::string& path,
                               const Terminal& io, bool& stdin_used) {
  using enum resource::Credential::Source;
  Result<std::string> read = fail(Errc::kInternal, "no source");
  switch (c.source) {
    case kPrompt:
      return io.ask_secret("Value of credential " + c.name);
    case kStdin:
      if (std::exchange(stdin_used, true))
        return std::unexpected(Failure::usage("two credentials want stdin: give one a file"));
      read = read_file("-", 64 * 1024);
      break;
    case kFile:
      read = read_file(path, 64 * 1024);
      break;
  }
  if (!read)
    return std::unexpected(Failure::local(fmt::format("credential {}: {}", c.name, path),
                                          std::string(read.error().reason.text())));
  // A file that an editor wrote ends in a line feed; a secret does not.
  if (read->ends_with('\n')) read->pop_back();
  if (read->ends_with('\r')) read->pop_back();
  return *std::move(read);
}

// A file's value is sent each time, since the file is the truth; the server seals it only when it
// is another. What would have to be asked for is asked once, and again when --renew says so.
Outcome<void> collect(const ResourceFiles& files, const json::Object& plan, const ApplyOptions& o,
                      const Terminal& io, Values& out) {
  bool stdin_used = false;
  for (const std::string& name : o.renew)
    if (files.resources.credential(name) == nullptr)
      return std::unexpected(
          Failure::usage("--renew " + name + ": no such credential is declared"));
  for (const resource::Credential& c : files.resources.credentials) {
    const bool missing = listed(plan, "without_value", c.name);
    const bool again = std::ranges::find(o.renew, c.name) != o.renew.end();
    const bool file = c.source == resource::Credential::Source::kFile;
    if (!missing && !again && !file) continue;
    const auto path = files.value_paths.find(c.name);
    auto value = ask_value(c, path == files.value_paths.end() ? "" : path->second, io, stdin_used);
    if (!value && file && !missing && !again) {
      io.say(fmt::format("credential {}: no file, its sealed value stays", c.name));
      continue;
    }
    if (!value) return std::unexpected(value.error());
    if (value->empty())
      return std::unexpected(Failure::local("credential " + c.name + " is empty"));
    out.by_name[c.name] = *std::move(value);
  }
  return {};
}

Exit plan(const ApplyOptions& o, Context& ctx) {
  const auto files = read_resources(o.directory);
  if (!files) return say_problems(files.error(), ctx.io, o.json);
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.json);
  const auto plan = ask_plan(*remote, encoded(files->resources));
  if (!plan) return ctx.io.failed(plan.error(), o.json);
  if (o.json) {
    ctx.io.json(*plan);
    return Exit::kDone;
  }
  ctx.io.data(text_of(*plan, "text"));
  if (const auto list = json::optional_array_at(*plan, "without_value"); list && *list)
    for (const json::Value& v : **list)
      if (v.is_string())
        ctx.io.say(fmt::format("credential {} has no value yet: apply will read it",
                               printable(v.get_string())));
  return Exit::kDone;
}

Outcome<json::Object> put(const Remote& remote, const json::Array& resources, Values& values,
                          std::int64_t version) {
  json::Object object;
  for (const auto& [name, value] : values.by_name) object[name] = value;
  json::Object whole{{"resources", resources}, {"values", std::move(object)}};
  std::string body = json::write(whole);
  const WipeAtEnd wiped(body);
  for (auto& member : whole["values"].as_object()) {
    auto& s = member.value().as_string();
    ::explicit_bzero(s.data(), s.size());
  }
  auto got =
      remote.send("PUT", "/v1/resources", body, {{"If-Match", fmt::format("\"{}\"", version)}});
  if (!got) return std::unexpected(got.error());
  auto reply = json::parse_object(got->body);
  if (!reply) return std::unexpected(Failure::of(reply.error(), "the answer cannot be read"));
  return *std::move(reply);
}

Exit apply(const ApplyOptions& o, Context& ctx) {
  const auto files = read_resources(o.directory);
  if (!files) return say_problems(files.error(), ctx.io, o.json);
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.json);
  const json::Array resources = encoded(files->resources);
  const auto plan = ask_plan(*remote, resources);
  if (!plan) return ctx.io.failed(plan.error(), o.json);
  const bool changes = json::bool_at(*plan, "changes").value_or(false);
  Values values;
  if (const auto ok = collect(*files, *plan, o, ctx.io, values); !ok)
    return ctx.io.failed(ok.error(), o.json);
  if (!o.json) ctx.io.say(text_of(*plan, "text"));
  if (!changes && values.by_name.empty()) {
    if (o.json)
      ctx.io.json(json::Object{{"version", number_of(*plan, "version")}, {"changed", false}});
    return Exit::kDone;
  }
  if (changes && !o.yes && !ctx.io.confirm("Apply this?")) return Exit::kRefused;
  const auto done = put(*remote, resources, values, number_of(*plan, "version"));
  if (!done) return ctx.io.failed(done.error(), o.json);
  if (o.json)
    ctx.io.json(*done);
  else
    ctx.io.say(fmt::format("applied as version {}: {} created, {} updated, {} retired, {} sealed",
                           number_of(*done, "version"), number_of(*done, "created"),
                           number_of(*done, "updated"), number_of(*done, "retired"),
                           number_of(*done, "sealed")));
  return Exit::kDone;
}

}  // namespace

void add_resources(CLI::App& app, Context& ctx) {
  auto o = std::make_shared<ApplyOptions>();
  const auto common = [&](CLI::App* verb) {
    verb->add_option("-f,--from", o->directory, "Directory or file of resources and policies")
        ->required();
    verb->add_flag("--json", o->json, "One JSON object on stdout");
  };
  auto* plan_verb = app.add_subcommand("plan", "Show what apply would change");
  common(plan_verb);
  plan_verb->callback([o, &ctx] { ctx.exit = plan(*o, ctx); });

  auto* apply_verb = app.add_subcommand("apply", "Make the server's resources what the files say");
  common(apply_verb);
  apply_verb->add_flag("--yes", o->yes, "Do not ask");
  apply_verb->add_option("--renew", o->renew, "Read this credential's value again; repeat")
      ->allow_extra_args(false);
  apply_verb->callback([o, &ctx] { ctx.exit = apply(*o, ctx); });
}

}  // namespace stint::cli
