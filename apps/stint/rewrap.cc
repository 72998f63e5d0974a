#include "rewrap.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/object.hpp>

#include "config_file.h"
#include "files.h"
#include "process.h"
#include "root_key.h"
#include "stint/authority/rewrap.h"
#include "stint/base/log.h"

namespace stint::cli {
namespace {

Outcome<authority::Rewrapped> seal_anew(const resource::Config& before,
                                        const resource::Config& after, Context& ctx) {
  const std::string path =
      before.store.path.empty() ? join_path(ctx.home, "stint.db") : before.store.path;
  // Opening would make one; there is nothing to seal anew in it.
  if (::access(path.c_str(), F_OK) != 0)
    return std::unexpected(Failure::local("there is no store " + path));
  auto store = store::Store::open({.path = path}, ctx.clock);
  if (!store) return std::unexpected(Failure::of(store.error(), "cannot open the store " + path));
  // Made nowhere: a file that is missing is not the key that the store is sealed under.
  resource::Config::RootKey old_source = before.root_key;
  old_source.create = false;
  const auto from = take_root_key(old_source, ctx.home, **store, ctx.entropy);
  if (!from) return std::unexpected(from.error());
  const auto to = take_new_root_key(after.root_key, ctx.home, ctx.entropy);
  if (!to) return std::unexpected(to.error());
  auto done = authority::rewrap(**store, *from, *to, ctx.entropy,
                                authority::Actor::local_operator(::geteuid()), ctx.clock.wall());
  if (!done) return std::unexpected(Failure::of(done.error(), "nothing was sealed anew"));
  return *std::move(done);
}

}  // namespace

Exit rewrap(const RewrapOptions& o, Context& ctx) {
  if (const auto ok = keep_memory_private(); !ok)
    log::warning("memory is not private", {{"reason", ok.error().reason}});
  const auto before = load_config(ctx, o.config, true, o.json);
  if (!before) return before.error();
  // Variables of the service would name the old root key again.
  const auto after = load_config(ctx, o.new_config, false, o.json);
  if (!after) return after.error();
  if (!o.yes &&
      !ctx.io.confirm("Seal everything under the new root key? The service must be stopped, and "
                      "start with the new configuration afterwards."))
    return Exit::kRefused;
  const auto done = seal_anew(*before, *after, ctx);
  if (!done) return ctx.io.failed(done.error(), o.json);
  if (o.json)
    ctx.io.json(json::Object{{"keys", done->keys},
                             {"credentials", done->credentials},
                             {"from", done->from},
                             {"to", done->to}});
  else
    ctx.io.say(fmt::format(
        "{} signing keys and {} credentials are sealed under root key {} now, none under {}\n"
        "start the service with {}; backups made before still need the old root key",
        done->keys, done->credentials, done->to, done->from, o.new_config));
  return Exit::kDone;
}

}  // namespace stint::cli
