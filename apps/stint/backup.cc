// stint backup, stint restore: the store as one file, and back into a new place.
#include "stint/store/backup.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <filesystem>

#include "config_file.h"
#include "files.h"
#include "process.h"
#include "root_key.h"
#include "stint/authority/restored.h"
#include "stint/base/log.h"
#include "stint/codec/hex.h"
#include "stint/opening/wanted.h"
#include "store_place.h"

namespace stint::cli {
namespace {

struct BackupOptions {
  std::string config, to, verify;
  bool json = false;
};
struct RestoreOptions {
  std::string config, from;
  bool json = false;
};

json::Object to_json(const store::BackupInfo& info) {
  json::Object out{{"taken", opening::rfc3339(info.taken)},
                   {"version", info.version},
                   {"schema", info.schema},
                   {"database", info.database},
                   {"rows", info.rows},
                   {"log_size", info.size},
                   {"log_root", codec::encode_hex(crypto::view(info.root))}};
  if (!info.issuer.empty()) out["issuer"] = info.issuer;
  if (!info.log_key.empty()) out["log_key"] = info.log_key;
  if (info.checkpoint) {
    out["checkpoint_size"] = info.checkpoint->size;
    out["checkpoint"] = info.checkpoint->note;
  }
  return out;
}

std::string words_of(const store::BackupInfo& info) {
  std::string out = fmt::format("taken {} from {} by version {}, {} rows, log of {} events",
                                opening::rfc3339(info.taken), info.database,
                                printable(info.version), info.rows, info.size);
  if (info.checkpoint) out += fmt::format(", signed to {}", info.checkpoint->size);
  return out;
}

Exit done(const store::BackupInfo& info, const std::string& path, bool as_json, Context& ctx) {
  if (as_json) {
    json::Object out = to_json(info);
    out["file"] = path;
    ctx.io.json(out);
  } else {
    ctx.io.say(path + ": " + words_of(info));
  }
  return Exit::kDone;
}

Exit verify(const BackupOptions& o, Context& ctx) {
  const auto archive = store::Archive::open(o.verify);
  if (!archive)
    return ctx.io.failed(Failure::of(archive.error(), o.verify + " cannot be relied on"), o.json);
  return done(archive->info(), o.verify, o.json, ctx);
}

Exit backup(const BackupOptions& o, Context& ctx) {
  if (!o.verify.empty()) return verify(o, ctx);
  const auto config = load_config(ctx, o.config, Variables::kAll, o.json);
  if (!config) return config.error();
  const auto place = store_place(*config, ctx.home);
  if (!place) return ctx.io.failed(place.error(), o.json);
  const auto info =
      store::backup(place->where, o.to,
                    {.version = std::string(kVersion), .issuer = config->server.issuer}, ctx.clock);
  if (!info)
    return ctx.io.failed(Failure::of(info.error(), "cannot back up " + place->name), o.json);
  return done(*info, o.to, o.json, ctx);
}

Outcome<authority::AfterRestore::Done> restore_to(const resource::Config& config,
                                                  store::Archive& archive, Context& ctx) {
  auto place = store_place(config, ctx.home);
  if (!place) return std::unexpected(place.error());
  const auto kept = archive.read([](store::Reader& r) { return keys::kept_root(r); });
  if (!kept) return std::unexpected(Failure::of(kept.error(), "cannot read the backup"));
  const auto root = take_kept_root_key(config.root_key, ctx.home, *kept);
  if (!root) return std::unexpected(root.error());
  auto forget = authority::AfterRestore::make(*root, archive.info(), ctx.entropy,
                                              authority::Actor::local_operator(::geteuid()),
                                              std::string(kVersion), ctx.clock.wall());
  if (!forget) return std::unexpected(Failure::of(forget.error(), "cannot make new keys"));
  std::error_code ec;  // what is not made shows when the file is
  std::filesystem::create_directories(ctx.home, ec);
  ::chmod(ctx.home.c_str(), 0700);
  const auto restored = store::restore(archive, place->where, ctx.clock,
                                       [&](store::Tx& tx) { return forget->step(tx); });
  if (!restored)
    return std::unexpected(Failure::of(restored.error(), "nothing was restored to " + place->name));
  return forget->done();
}

constexpr std::string_view kAfter =
    "before you start it:\n"
    "  stop every node of the store that this replaces: it believes its tokens, this one does not\n"
    "  what was done after the backup is not known here: suspend agents and people, rotate\n"
    "  credentials and apply configuration again as they were (stint agent suspend, stint apply)\n"
    "  edge verifiers must begin the feed anew: restart them";

Exit restore(const RestoreOptions& o, Context& ctx) {
  if (const auto ok = keep_memory_private(); !ok)
    log::warning("memory is not private", {{"reason", ok.error().reason}});
  const auto config = load_config(ctx, o.config, Variables::kAll, o.json);
  if (!config) return config.error();
  auto archive = store::Archive::open(o.from);
  if (!archive)
    return ctx.io.failed(Failure::of(archive.error(), o.from + " cannot be relied on"), o.json);
  const auto restored = restore_to(*config, *archive, ctx);
  if (!restored) return ctx.io.failed(restored.error(), o.json);
  if (o.json) {
    ctx.io.json(json::Object{{"backup", to_json(archive->info())},
                             {"closed_tasks", restored->closed},
                             {"revoked_keys", restored->revoked},
                             {"sealed_keys", restored->keys},
                             {"sealed_credentials", restored->credentials}});
    return Exit::kDone;
  }
  ctx.io.say(fmt::format("{}: {}", o.from, words_of(archive->info())));
  ctx.io.say(fmt::format(
      "restored: {} keys and {} credentials open; {} tasks that were open are closed, {} signing "
      "keys are revoked, so that no token of before counts",
      restored->keys, restored->credentials, restored->closed, restored->revoked));
  ctx.io.say(kAfter);
  return Exit::kDone;
}

}  // namespace

void add_backup(CLI::App& app, Context& ctx) {
  auto b = std::make_shared<BackupOptions>();
  auto* backup_verb = app.add_subcommand("backup", "One file of the whole store, while it serves");
  auto* to = backup_verb->add_option("--to", b->to, "The new file; never written over");
  auto* checked = backup_verb->add_option("--verify", b->verify,
                                          "Check this backup instead: every row, and its log");
  to->excludes(checked);
  backup_verb->add_option("--config", b->config, "The service's configuration [STINT_CONFIG]")
      ->envname("STINT_CONFIG");
  backup_verb->add_flag("--json", b->json, "One JSON object on stdout");
  backup_verb->callback([b, &ctx] {
    if (b->to.empty() && b->verify.empty()) throw CLI::RequiredError("--to or --verify");
    ctx.exit = backup(*b, ctx);
  });

  auto r = std::make_shared<RestoreOptions>();
  auto* restore_verb =
      app.add_subcommand("restore", "A backup into a new, empty place; old tokens count no more");
  restore_verb->add_option("--from", r->from, "The backup")->required();
  restore_verb->add_option("--config", r->config, "The configuration of the new place")->required();
  restore_verb->add_flag("--json", r->json, "One JSON object on stdout");
  restore_verb->callback([r, &ctx] { ctx.exit = restore(*r, ctx); });
}

}  // namespace stint::cli
