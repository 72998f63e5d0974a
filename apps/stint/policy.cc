// stint policy list|show|check|test, stint why.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <filesystem>

#include "files.h"
#include "inventory.h"
#include "resource_files.h"
#include "stint/base/id.h"
#include "stint/policy/pack.h"
#include "stint/policy/policy_set.h"
#include "stint/policy/table.h"

namespace stint::cli {
namespace {

struct PolicyOptions {
  std::string path, decision;
  bool json = false;
};

std::string at(const policy::PolicyProblem& p) {
  return fmt::format("{}:{}:{}: {}", p.file, p.line, p.column, p.message);
}

json::Object to_json(const policy::PolicyProblem& p) {
  return {{"file", printable(p.file)},
          {"line", p.line},
          {"column", p.column},
          {"message", printable(p.message)}};
}

Exit say_problems(const std::vector<policy::PolicyProblem>& problems, bool as_json,
                  const Terminal& io) {
  json::Array list;
  for (const auto& p : problems) {
    list.push_back(to_json(p));
    io.say(printable(at(p)));
  }
  if (as_json) io.json(json::Object{{"ok", false}, {"problems", std::move(list)}});
  return Exit::kRefused;
}

// The policies below a path: of the directory, or those beside one file.
std::expected<std::vector<policy::PolicyFile>, Problems> policies_at(const std::string& path) {
  std::error_code ec;
  const std::string folder = std::filesystem::is_directory(path, ec) || path.ends_with(".cedar")
                                 ? path
                                 : std::filesystem::path(path).parent_path().string();
  auto files = resource_files(folder.empty() ? "." : folder);
  if (!files) return std::unexpected(files.error());
  std::vector<policy::PolicyFile> out;
  for (resource::File& f : *files)
    if (f.path.ends_with(".cedar")) out.push_back({std::move(f.path), std::move(f.bytes)});
  return out;
}

Exit check(const PolicyOptions& o, Context& ctx) {
  auto files = policies_at(o.path);
  if (!files) return ctx.io.failed(Failure::local(files.error().all.front().str()), o.json);
  const auto set = policy::PolicySet::compile(*files);
  if (!set) return say_problems(set.error(), o.json, ctx.io);
  if (o.json)
    ctx.io.json(json::Object{{"ok", true}, {"policies", set->policies().size()}});
  else
    ctx.io.say(fmt::format("{} policies in {} files: as the schema says", set->policies().size(),
                           files->size()));
  return Exit::kDone;
}

// Test tables are *_test.yaml below the path, or the path itself.
std::vector<std::string> tables_at(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ec;
  std::vector<std::string> out;
  if (fs::is_regular_file(path, ec)) return {path};
  for (fs::recursive_directory_iterator it(path, ec), end; !ec && it != end; it.increment(ec)) {
    const std::string name = it->path().string();
    if (name.ends_with("_test.yaml") || name.ends_with("_test.yml")) out.push_back(name);
  }
  std::ranges::sort(out);
  return out;
}

Exit test(const PolicyOptions& o, Context& ctx) {
  auto files = policies_at(o.path);
  if (!files) return ctx.io.failed(Failure::local(files.error().all.front().str()), o.json);
  if (files->empty()) *files = policy::shipped_pack();  // tables beside resources without policies
  const auto set = policy::PolicySet::compile(*files);
  if (!set) return say_problems(set.error(), o.json, ctx.io);
  std::size_t passed = 0;
  json::Array failures;
  const auto tables = tables_at(o.path);
  for (const std::string& path : tables) {
    const auto text = read_file(path, 1024 * 1024);
    if (!text) return ctx.io.failed(Failure::of(text.error(), "cannot read " + path), o.json);
    const auto rows = policy::parse_table(path, *text);
    if (!rows) return say_problems(rows.error(), o.json, ctx.io);
    for (const policy::RowResult& r : policy::run_table(*set, *rows)) {
      if (r.passed) {
        ++passed;
        continue;
      }
      ctx.io.say(printable(fmt::format("{}:{}: {}: {}", path, r.line, r.name, r.difference)));
      failures.push_back(json::Object{{"file", path},
                                      {"line", r.line},
                                      {"row", printable(r.name)},
                                      {"difference", printable(r.difference)}});
    }
  }
  if (tables.empty()) return ctx.io.failed(Failure::local("no *_test.yaml at " + o.path), o.json);
  const bool good = failures.empty();
  ctx.io.say(fmt::format("{} rows passed, {} failed", passed, failures.size()));
  if (o.json)
    ctx.io.json(json::Object{{"ok", good}, {"passed", passed}, {"failures", std::move(failures)}});
  return good ? Exit::kDone : Exit::kRefused;
}

Exit why(const PolicyOptions& o, Context& ctx) {
  if (!DecisionId::parse(o.decision))
    return ctx.io.usage("not a decision id; it is dec_… in a refusal, or in `stint log tail`");
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.json);
  const auto body = remote->get("/v1/decisions/" + o.decision);
  if (!body) return ctx.io.failed(body.error(), o.json);
  if (o.json)
    ctx.io.json(*body);
  else
    ctx.io.data(text_of(*body, "words"));
  return Exit::kDone;
}

}  // namespace

void add_policy(CLI::App& app, Context& ctx) {
  auto o = std::make_shared<PolicyOptions>();
  auto* policy = app.add_subcommand("policy", "Cedar policies: list, show, check, test");
  policy->require_subcommand(1);
  add_list_and_show(*policy, "policies", ctx, {});
  const auto offline = [&](const char* name, const char* what, auto f) {
    auto* verb = policy->add_subcommand(name, what);
    verb->add_option("PATH", o->path, "File or directory")->required();
    verb->add_flag("--json", o->json, "One JSON object on stdout");
    verb->callback([o, &ctx, f] { ctx.exit = f(*o, ctx); });
  };
  offline("check", "Against the schema, without a server", check);
  offline("test", "Run the tables *_test.yaml, without a server", test);

  auto* why_verb = app.add_subcommand("why", "A decision in plain words: which policy, which fact");
  why_verb->add_option("DECISION", o->decision)->required();
  why_verb->add_flag("--json", o->json, "One JSON object on stdout");
  why_verb->callback([o, &ctx] { ctx.exit = why(*o, ctx); });
}

}  // namespace stint::cli
