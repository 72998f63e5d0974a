#include "rewrap.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/object.hpp>

#include "config_file.h"
#include "process.h"
#include "root_key.h"
#include "stint/authority/rewrap.h"
#include "stint/base/log.h"
#include "store_place.h"

namespace stint::cli {
namespace {

Outcome<authority::Rewrapped> seal_anew(const resource::Config& before,
                                        const resource::Config& after, Context& ctx) {
  auto place = store_place(before, ctx.home);
  if (!place) return std::unexpected(place.error());
  place->where.alone = true;
  auto store = store::Store::open(std::move(place->where), ctx.clock);
  if (!store) return std::unexpected(Failure::of(store.error(), "cannot open " + place->name));
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
  const auto before = load_config(ctx, o.config, Variables::kAll, o.json);
  if (!before) return before.error();
  // Variables of the service would name the old root key again.
  const auto after = load_config(ctx, o.new_config, Variables::kNotOfTheRootKey, o.json);
  if (!after) return after.error();
  if (!same_store(*before, *after, ctx.home))
    return ctx.io.failed(
        Failure::local("the two configurations name different stores",
                       "what is sealed anew is the store of both: give them the same store.path "
                       "or store.url"),
        o.json);
  if (!o.yes &&
      !ctx.io.confirm("Seal everything under the new root key? Every node must be stopped, and "
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
        "start every node with {}; backups made before still need the old root key",
        done->keys, done->credentials, done->to, done->from, o.new_config));
  return Exit::kDone;
}

}  // namespace stint::cli
