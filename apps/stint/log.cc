// stint log: what happened, and the proof that it did.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "files.h"
#include "listing.h"
#include "log_export.h"
#include "stint/audit/log_check.h"
#include "stint/base/id.h"
#include "stint/rt/co.h"
#include "stint/rt/runtime.h"

namespace stint::cli {
namespace {

constexpr std::uint64_t kPage = 200;

struct LogOptions {
  std::uint64_t count = 20, seq = 0;
  std::string kind, task, directory, key, older, out;
  bool follow = false, json = false;
};

// {"seq":N,"event":{…}} as a line for people: what is in it beside its frame, in its own order.
std::string event_line(const json::Object& item) {
  const auto event = json::optional_object_at(item, "event");
  if (!event || *event == nullptr) return "";
  std::string out = fmt::format("{:>6}  {}  {:<20}", number_of(item, "seq"),
                                short_time(text_of(**event, "time")), text_of(**event, "kind"));
  for (const auto& m : **event) {
    const std::string_view key = m.key();
    if (key == "v" || key == "time" || key == "kind" || m.value().is_null()) continue;
    std::string value = m.value().is_string() ? printable(m.value().get_string())
                                              : printable(json::write(m.value()));
    std::ranges::replace(value, '\n', ' ');
    if (value.size() > 120) value = value.substr(0, 117) + "...";
    out += fmt::format(" {}={}", key, value);
  }
  return out + "\n";
}

bool wanted(const json::Object& item, const LogOptions& o) {
  const auto event = json::optional_object_at(item, "event");
  if (!event || *event == nullptr) return false;
  return (o.kind.empty() || text_of(**event, "kind") == o.kind) &&
         (o.task.empty() || text_of(**event, "task") == o.task);
}

// Events [from, from+limit).
Outcome<json::Array> events(const Remote& remote, std::uint64_t from, std::uint64_t limit) {
  const auto page =
      remote.get(with_query("/v1/events", {{"after", from == 0 ? "" : std::to_string(from - 1)},
                                           {"limit", std::to_string(limit)}}));
  // Nothing there yet: the API says so of an `after` that the log does not reach.
  if (!page && page.error().status == 412) return json::Array();
  if (!page) return std::unexpected(page.error());
  const auto items = json::array_at(*page, "items");
  if (!items) return std::unexpected(Failure::of(items.error(), "the answer cannot be read"));
  return **items;
}

// How many events there are: what the checkpoint says, and what came since.
Outcome<std::uint64_t> log_size(const Remote& remote) {
  std::uint64_t size = checkpoint_size(remote).value_or(0);
  for (;;) {
    const auto more = events(remote, size, kPage);
    if (!more) return std::unexpected(more.error());
    size += more->size();
    if (more->size() < kPage) return size;
  }
}

void print(const json::Object& item, const LogOptions& o, const Terminal& io) {
  if (o.json)
    io.json(item);  // one object a line
  else
    io.data(event_line(item));
}

Exit follow(const LogOptions& o, Context& ctx, const Remote& remote, std::uint64_t from) {
  for (;;) {
    const auto more = events(remote, from, kPage);
    if (!more) return ctx.io.failed(more.error());
    for (const json::Value& v : *more)
      if (v.is_object() && wanted(v.get_object(), o)) print(v.get_object(), o, ctx.io);
    from += more->size();
    if (more->size() < kPage) rt::block_on(rt::sleep_for(std::chrono::milliseconds(500)));
  }
}

Exit tail(const LogOptions& o, Context& ctx) {
  if (!o.task.empty() && !TaskId::parse(o.task)) return ctx.io.usage("--task: not a task id");
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.json);
  const auto size = log_size(*remote);
  if (!size) return ctx.io.failed(size.error(), o.json);
  std::vector<json::Object> found;  // newest first
  for (std::uint64_t end = *size; end > 0 && found.size() < o.count;) {
    const std::uint64_t begin = end > kPage ? end - kPage : 0;
    auto page = events(*remote, begin, end - begin);
    if (!page) return ctx.io.failed(page.error(), o.json);
    for (std::size_t i = page->size(); i-- > 0 && found.size() < o.count;)
      if ((*page)[i].is_object() && wanted((*page)[i].get_object(), o))
        found.push_back((*page)[i].get_object());
    end = begin;
  }
  for (std::size_t i = found.size(); i-- > 0;) print(found[i], o, ctx.io);
  return o.follow ? follow(o, ctx, *remote, *size) : Exit::kDone;
}

Exit show(const LogOptions& o, Context& ctx) {
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.json);
  const auto found = events(*remote, o.seq, 1);
  if (!found) return ctx.io.failed(found.error(), o.json);
  if (found->empty() || !found->front().is_object())
    return ctx.io.failed(Failure::local("the log has no entry of that number"), o.json);
  const json::Object& item = found->front().get_object();
  if (o.json) {
    ctx.io.json(item);
    return Exit::kDone;
  }
  const auto event = json::optional_object_at(item, "event");
  if (event && *event) ctx.io.data(as_lines(**event));
  return Exit::kDone;
}

Exit prove(const LogOptions& o, Context& ctx) {
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.json);
  const auto proof = remote->get(fmt::format("/v1/log/proof/{}", o.seq));
  if (!proof) return ctx.io.failed(proof.error(), o.json);
  if (!o.out.empty()) {
    // Not text_of(): these very bytes were hashed.
    const auto entry = json::string_at(*proof, "entry"), text = json::string_at(*proof, "proof");
    if (!entry || !text) return ctx.io.failed(Failure::local("the answer cannot be read"), o.json);
    for (const auto& [name, bytes] : {std::pair("entry", *entry), std::pair("proof", *text)})
      if (const auto ok = write_export(o.out, name, bytes); !ok) return ctx.io.failed(ok.error());
    ctx.io.say(fmt::format("stint-verify proof {0}/proof --entry {0}/entry --key VKEY", o.out));
  }
  if (o.json) {
    ctx.io.json(*proof);
  } else if (o.out.empty()) {
    ctx.io.data(text_of(*proof, "proof"));
  }
  return Exit::kDone;
}

Exit say_report(const audit::LogReport& r, bool as_json, const Terminal& io) {
  for (const audit::Problem& p : r.problems) io.say(audit::text(p));
  if (as_json) {
    json::Array problems;
    for (const audit::Problem& p : r.problems) problems.emplace_back(audit::text(p));
    io.json(json::Object{{"ok", r.ok()},
                         {"origin", r.head.origin},
                         {"size", r.head.size},
                         {"entries_read", r.entries},
                         {"problems", std::move(problems)}});
  } else if (r.ok()) {
    io.data(fmt::format("log {}: {} entries, verified\n", r.head.origin, r.entries));
  } else {
    io.data(fmt::format("NOT VERIFIED: {} of {} entries read\n", r.entries, r.head.size));
  }
  return r.ok() ? Exit::kDone : Exit::kRefused;
}

Exit verify(const LogOptions& o, Context& ctx) {
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.json);
  std::string vkey = o.key;
  if (vkey.empty()) {
    auto asked = remote->bytes("/log/vkey");
    if (!asked) return ctx.io.failed(asked.error(), o.json);
    vkey = *std::move(asked);
    ctx.io.say(
        "note: with the key that the server itself names; --key VKEY uses one kept elsewhere");
  }
  while (vkey.ends_with('\n')) vkey.pop_back();
  const auto key = merkle::NoteKey::parse(vkey);
  if (!key) return ctx.io.usage("--key: " + std::string(key.error().reason.text()));
  audit::LogCheck check;
  const std::vector<merkle::NoteKey> keys{*key};
  check.keys = keys;
  check.read = [&](const std::string& path) { return read_log_file(*remote, path); };
  if (!o.older.empty()) {
    auto older = read_file(o.older, 1024 * 1024);
    if (!older) return ctx.io.failed(Failure::of(older.error(), "cannot read " + o.older), o.json);
    check.older_checkpoint = *std::move(older);
  }
  return say_report(audit::check_log(check), o.json, ctx.io);
}

Exit export_log(const LogOptions& o, Context& ctx) {
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.json);
  const auto done = export_to(*remote, o.directory);
  if (!done) return ctx.io.failed(done.error(), o.json);
  if (o.json)
    ctx.io.json(
        json::Object{{"directory", o.directory}, {"size", done->size}, {"files", done->files}});
  else
    ctx.io.say(fmt::format("{} entries in {} files; stint-verify log {} --key VKEY", done->size,
                           done->files, o.directory));
  return Exit::kDone;
}

Exit key(const LogOptions& o, Context& ctx) {
  const auto remote = Remote::connect(ctx);
  if (!remote) return ctx.io.failed(remote.error(), o.json);
  auto vkey = remote->bytes("/log/vkey");
  if (!vkey) return ctx.io.failed(vkey.error(), o.json);
  while (vkey->ends_with('\n')) vkey->pop_back();
  if (o.json)
    ctx.io.json(json::Object{{"vkey", *vkey}});
  else
    ctx.io.data(*vkey + "\n");
  return Exit::kDone;
}

}  // namespace

void add_log(CLI::App& app, Context& ctx) {
  auto o = std::make_shared<LogOptions>();
  auto* log = app.add_subcommand("log", "What happened: tail, show, prove, verify, export, key");
  log->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, auto f) {
    auto* verb = log->add_subcommand(name, what);
    verb->add_flag("--json", o->json, "JSON on stdout");
    verb->callback([o, &ctx, f] { ctx.exit = f(*o, ctx); });
    return verb;
  };
  auto* tail_verb = add("tail", "The newest entries, oldest of them first", tail);
  tail_verb->add_option("-n,--count,--limit", o->count, "So many")->capture_default_str();
  tail_verb->add_option("--kind", o->kind, "Of this kind, as task.closed or signal");
  tail_verb->add_option("--task", o->task, "Of this task");
  tail_verb->add_flag("-f,--follow", o->follow, "And what comes");
  add("show", "One entry", show)->add_option("SEQ", o->seq)->required();
  auto* prove_verb = add("prove", "That one entry is in the signed log (C2SP tlog-proof)", prove);
  prove_verb->add_option("SEQ", o->seq)->required();
  prove_verb->add_option("--out", o->out, "Directory for the files `entry` and `proof`");
  auto* verify_verb = add("verify", "Every entry, tile and signature of the server's log", verify);
  verify_verb->add_option("--key", o->key, "The log's verifier key, kept from before");
  verify_verb->add_option("--old-checkpoint", o->older, "One kept from before: finds forks");
  add("export", "checkpoint and tile/…, as stint-verify reads them", export_log)
      ->add_option("DIR", o->directory)
      ->required();
  add("key", "The log's verifier key", key);
}

}  // namespace stint::cli
