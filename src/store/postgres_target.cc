#include "postgres_target.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace stint::store {
namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* o) const { PQconninfoFree(o); }
};
using Parsed = std::unique_ptr<PQconninfoOption, FreeOptions>;

std::string value(const Parsed& parsed, std::string_view keyword) {
  for (const PQconninfoOption* o = parsed.get(); o != nullptr && o->keyword != nullptr; ++o)
    if (keyword == o->keyword) return o->val == nullptr ? "" : o->val;
  return {};
}

// A socket, or a name or address that never leaves this machine. Names that only look like such an
// address (127.0.0.1.example.com) are names.
bool is_local(const std::string& host) {
  if (host.empty() || host.starts_with('/') || host.starts_with('@') || host == "localhost")
    return true;
  std::array<unsigned char, 16> bytes{};
  if (::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1) return bytes[0] == 127;
  constexpr std::array<unsigned char, 16> kLoopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1 && bytes == kLoopback;
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> out;
  while (true) {
    const auto comma = list.find(',');
    out.emplace_back(list.substr(0, comma));
    if (comma == std::string_view::npos) return out;
    list.remove_prefix(comma + 1);
  }
}

// The i-th of a list that names each host's, or one of all.
std::string of_host(const std::vector<std::string>& list, std::size_t i) {
  return list.size() == 1 ? list.front() : list[i];
}

constexpr std::array<std::string_view, 5> kNotOfEveryHost{"host", "hostaddr", "port", "password",
                                                          "service"};

}  // namespace

Result<PostgresTarget> PostgresTarget::parse(const PostgresOptions& options) {
  constexpr Error kNoUrl{Errc::kMalformed,
                         "store.url is not postgres://USER@HOST/DATABASE as libpq reads it"};
  const std::string& url = options.url;
  if (!url.starts_with("postgres://") && !url.starts_with("postgresql://")) return fail(kNoUrl);
  const Parsed parsed(PQconninfoParse(url.c_str(), nullptr));
  if (!parsed) return fail(kNoUrl);
  if (!value(parsed, "password").empty() || !value(parsed, "sslpassword").empty())
    return fail(
        Errc::kMalformed,
        "store.url holds a password: put it into a file, and that into store.password_file");
  // It would say where to connect, and how, behind the checks below.
  if (!value(parsed, "service").empty())
    return fail(Errc::kMalformed, "store.url names a service: write out its host and database");
  const Parsed defaults(PQconndefaults());
  const auto effective = [&](std::string_view keyword) {
    std::string out = value(parsed, keyword);
    return out.empty() ? value(defaults, keyword) : out;
  };
  // libpq would take the environment's address for a host of the URL, and an empty word hides
  // nothing.
  if (!value(parsed, "host").empty() && value(parsed, "hostaddr").empty() &&
      !value(defaults, "hostaddr").empty())
    return fail(Errc::kMalformed, "PGHOSTADDR is set: unset it, or name the address in store.url");
  const std::string names = effective("host");
  const std::string addresses =
      value(parsed, "host").empty() ? effective("hostaddr") : value(parsed, "hostaddr");
  const auto name = split(names), address = split(addresses), port = split(effective("port"));
  const std::size_t count = std::max(name.size(), address.size());
  const auto fits = [&](const auto& list, bool absent) { return absent || list.size() == count; };
  if (!fits(name, names.empty()) || !fits(address, addresses.empty()) ||
      !fits(port, port.size() == 1))
    return fail(kNoUrl);

  PostgresTarget out;
  out.password_ = options.password;
  bool local = true;
  for (std::size_t i = 0; i < count; ++i) {
    out.hosts_.push_back({of_host(name, i), of_host(address, i), of_host(port, i)});
    local = local && is_local(out.hosts_.back().name) && is_local(out.hosts_.back().address);
  }
  const std::string mode = value(parsed, "sslmode");
  if (!local && !mode.empty() && mode != "verify-full")
    return fail(Errc::kUnsupported,
                "store.url leaves this machine without verifying the database: "
                "sslmode=verify-full");
  const auto put = [&](std::string word, std::string text) {
    out.words_.emplace_back(std::move(word), std::move(text));
  };
  for (const PQconninfoOption* o = parsed.get(); o->keyword != nullptr; ++o)
    if (o->val != nullptr &&
        std::ranges::find(kNotOfEveryHost, o->keyword) == kNotOfEveryHost.end())
      put(o->keyword, o->val);
  // Later words win.
  if (!local) put("sslmode", "verify-full");
  put("gssencmode", "disable");  // would take the place of TLS, and of its check of the name
  // Each session, and whatever the URL says: a replica that is behind would show views of the past.
  if (value(parsed, "target_session_attrs") != "read-write") put("target_session_attrs", "primary");
  if (value(parsed, "application_name").empty()) put("application_name", "stint");
  put("client_encoding", "UTF8");
  // A cut network is noticed by the side that waits, whatever lies between.
  put("tcp_user_timeout", "5000");
  put("keepalives_idle", "2");
  put("keepalives_interval", "1");
  put("keepalives_count", "3");
  return out;
}

PGconn* PostgresTarget::start(std::size_t host) const {
  std::vector<const char*> names, values;
  const auto put = [&](const char* name, const std::string& text) {
    names.push_back(name);
    values.push_back(text.c_str());
  };
  for (const auto& [name, text] : words_) put(name.c_str(), text);
  put("host", hosts_[host].name);
  put("hostaddr", hosts_[host].address);
  put("port", hosts_[host].port);
  std::string password;
  if (password_) {
    password = password_->reveal(RevealKey{});
    put("password", password);
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* const connection = PQconnectStartParams(names.data(), values.data(), 0);
  const Secret wiped(std::move(password));
  return connection;
}

}  // namespace stint::store
