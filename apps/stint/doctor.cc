// stint doctor: what is set up, what is not, and what to do about it.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "address.h"
#include "context.h"
#include "files.h"
#include "remote.h"
#include "stint/net/client.h"

namespace stint::cli {
namespace {

struct Finding {
  enum class Level : std::uint8_t { kGood, kNote, kBad } level;
  std::string what, advice;
};
using enum Finding::Level;

void look_at_home(const Context& ctx, std::vector<Finding>& out) {
  struct stat s{};
  if (::stat(ctx.home.c_str(), &s) != 0) {
    out.push_back({kNote, "no state directory " + ctx.home, "it is made by the first stint serve"});
    return;
  }
  const bool open = (s.st_mode & 077) != 0;
  out.push_back({open ? kBad : kGood,
                 fmt::format("state directory {} of mode {:o}", ctx.home, s.st_mode & 0777),
                 open ? "chmod 700 " + ctx.home : ""});
  const std::string key = join_path(ctx.home, "root.key");
  if (::stat(key.c_str(), &s) == 0) {
    const bool readable = (s.st_mode & 077) != 0;
    out.push_back({readable ? kBad : kGood,
                   fmt::format("root key file of mode {:o}", s.st_mode & 0777),
                   readable ? "chmod 600 " + key : ""});
  }
  struct statvfs v{};
  if (::statvfs(ctx.home.c_str(), &v) == 0) {
    const std::uint64_t mib = v.f_bavail * v.f_frsize / (1024 * 1024);
    out.push_back({mib < 512 ? kBad : kGood, fmt::format("{} MiB free for store and log", mib),
                   mib < 512 ? "a full disk stops every decision: make room" : ""});
  }
}

void look_at_server(const Context& ctx, std::vector<Finding>& out) {
  const std::string operations = running(ctx, "operations");
  if (operations.empty()) {
    out.push_back({kNote, "no server runs from " + ctx.home, "stint serve, or stint dev"});
    return;
  }
  const auto tls = tls_of(ctx);
  if (!tls) {
    out.push_back({kBad, tls.error().title, ""});
    return;
  }
  for (const std::string path : {"/healthz", "/readyz"}) {
    const auto got = net::simple_request(ctx.clock, {.url = operations + path}, *tls);
    const bool good = got && got->status == 200;
    std::string what = path + ": ";
    what += got ? fmt::format("{} {}", got->status, printable(got->body)) : "no answer";
    while (what.ends_with('\n')) what.pop_back();
    out.push_back({good ? kGood : kBad, what, good ? "" : "see the server's log"});
  }
  if (const auto remote = Remote::connect(ctx)) {
    const auto me = remote->get("/v1/whoami");
    out.push_back({me ? kGood : kBad,
                   me ? fmt::format("at {} you are {} {}", remote->where(), text_of(*me, "kind"),
                                    text_of(*me, "name"))
                      : "the server does not take you: " + me.error().title,
                   ""});
    const auto upstreams = remote->get("/v1/credentials?limit=200");
    if (const auto items = upstreams ? json::optional_array_at(*upstreams, "items")
                                     : Result<const json::Array*>(nullptr);
        items && *items)
      for (const json::Value& v : **items)
        if (v.is_object() && !json::bool_at(v.get_object(), "has_value").value_or(false))
          out.push_back({kBad, "credential " + text_of(v.get_object(), "name") + " has no value",
                         "stint apply reads it"});
  }
}

void look_at_machine(std::vector<Finding>& out) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const bool few = limit.rlim_cur < 4096;
  out.push_back({few ? kNote : kGood, fmt::format("{} open files", limit.rlim_cur),
                 few ? "ulimit -n 65536 for a busy server: two files a connection" : ""});
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  const bool small = ::geteuid() != 0 && limit.rlim_cur < 256UL * 1024 * 1024;
  out.push_back({small ? kNote : kGood,
                 small ? "RLIMIT_MEMLOCK is small: stint run cannot keep its key out of swap"
                       : "stint run can keep its key out of swap",
                 small ? "raise it, or encrypt the swap" : ""});
  const bool proc = ::access("/proc/net/tcp", R_OK) == 0;
  out.push_back({proc ? kGood : kBad,
                 proc ? "/proc tells whose a connection is: stint run can guard its relay"
                      : "/proc/net/tcp cannot be read: stint run will refuse its own child",
                 ""});
}

Exit doctor(Context& ctx, bool as_json) {
  std::vector<Finding> found;
  look_at_machine(found);
  look_at_home(ctx, found);
  look_at_server(ctx, found);
  const bool bad = std::ranges::any_of(found, [](const Finding& f) { return f.level == kBad; });
  const auto word = [](const Finding& f) {
    return f.level == kGood ? "ok" : f.level == kNote ? "note" : "BAD";
  };
  if (as_json) {
    json::Array list;
    for (const Finding& f : found)
      list.push_back(json::Object{{"level", word(f)}, {"what", f.what}, {"advice", f.advice}});
    ctx.io.json(json::Object{{"ok", !bad}, {"findings", std::move(list)}});
  } else {
    for (const Finding& f : found)
      ctx.io.data(
          fmt::format("{:<5} {}{}{}\n", word(f), f.what, f.advice.empty() ? "" : ": ", f.advice));
  }
  return bad ? Exit::kRefused : Exit::kDone;
}

}  // namespace

void add_doctor(CLI::App& app, Context& ctx) {
  auto as_json = std::make_shared<bool>(false);
  auto* verb = app.add_subcommand("doctor", "What is set up, and what to do about the rest");
  verb->add_flag("--json", *as_json, "One JSON object on stdout");
  verb->callback([as_json, &ctx] { ctx.exit = doctor(ctx, *as_json); });
}

}  // namespace stint::cli
