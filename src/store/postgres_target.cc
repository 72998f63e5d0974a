#include "postgres_target.h"

#include <algorithm>
#include <string_view>

namespace stint::store {
namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* o) const { PQconninfoFree(o); }
};
using Parsed = std::unique_ptr<PQconninfoOption, FreeOptions>;

std::string_view value(const Parsed& parsed, std::string_view keyword) {
  for (const PQconninfoOption* o = parsed.get(); o->keyword != nullptr; ++o)
    if (keyword == o->keyword) return o->val == nullptr ? "" : o->val;
  return {};
}

// A socket, or a name or address that never leaves this machine.
bool is_local(std::string_view host) {
  return host.empty() || host.starts_with('/') || host.starts_with('@') || host == "localhost" ||
         host.starts_with("127.") || host == "::1";
}

bool all_local(std::string_view hosts) {
  while (true) {
    const auto comma = hosts.find(',');
    if (!is_local(hosts.substr(0, comma))) return false;
    if (comma == std::string_view::npos) return true;
    hosts.remove_prefix(comma + 1);
  }
}

}  // namespace

Result<PostgresTarget> PostgresTarget::parse(const PostgresOptions& options) {
  constexpr Error kNoUrl{Errc::kMalformed,
                         "store.url is not postgres://USER@HOST/DATABASE as libpq reads it"};
  const std::string& url = options.url;
  if (!url.starts_with("postgres://") && !url.starts_with("postgresql://")) return fail(kNoUrl);
  const Parsed parsed(PQconninfoParse(url.c_str(), nullptr));
  if (!parsed) return fail(kNoUrl);
  if (!value(parsed, "password").empty())
    return fail(
        Errc::kMalformed,
        "store.url holds a password: put it into a file, and that into store.password_file");
  const std::string_view hosts = value(parsed, "host"), addresses = value(parsed, "hostaddr");
  const std::string_view mode = value(parsed, "sslmode");
  const bool local = all_local(hosts) && all_local(addresses);
  if (!local && !mode.empty() && mode != "verify-full")
    return fail(Errc::kUnsupported,
                "store.url leaves this machine without verifying the database: "
                "sslmode=verify-full");

  PostgresTarget out;
  out.password_ = options.password;
  const auto put = [&](std::string word, std::string text) {
    out.words_.emplace_back(std::move(word), std::move(text));
  };
  put("dbname", url);
  if (!local) put("sslmode", "verify-full");
  if (hosts.contains(',') && value(parsed, "target_session_attrs").empty())
    put("target_session_attrs", "read-write");
  if (value(parsed, "application_name").empty()) put("application_name", "stint");
  put("client_encoding", "UTF8");
  // A cut network is noticed by the side that waits, whatever lies between.
  put("connect_timeout", "5");
  put("tcp_user_timeout", "5000");
  put("keepalives_idle", "2");
  put("keepalives_interval", "1");
  put("keepalives_count", "3");
  return out;
}

PGconn* PostgresTarget::start() const {
  std::vector<const char*> names, values;
  for (const auto& [name, text] : words_) {
    names.push_back(name.c_str());
    values.push_back(text.c_str());
  }
  std::string password;
  if (password_) {
    password = password_->reveal(RevealKey{});
    names.push_back("password");
    values.push_back(password.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* const connection = PQconnectStartParams(names.data(), values.data(), 1);
  const Secret wiped(std::move(password));
  return connection;
}

}  // namespace stint::store
