#include "stint/resource/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "shape.h"
#include "stint/codec/url.h"

namespace stint::resource {
namespace {

constexpr std::string_view kPrefix = "STINT_";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

// Every STINT_SECTION__KEY there is, for hints.
std::vector<std::string> variable_names() {
  std::vector<std::string> out;
  for (const Field& section : config_shape().fields) {
    if (section.shape == nullptr) continue;
    for (const Field& f : section.shape->fields) {
      std::string name = fmt::format("{}{}__{}", kPrefix, section.name, f.name);
      for (char& c : name)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
      out.push_back(std::move(name));
    }
  }
  return out;
}

yaml::Node scalar(std::string text, int column) {
  yaml::Node n;
  n.kind = yaml::Kind::kScalar;
  n.scalar = std::move(text);
  n.column = column;
  return n;
}

void put(yaml::Node& map, std::string_view key, yaml::Node value) {
  for (auto& [k, v] : map.map) {
    if (k.scalar != key) continue;
    v = std::move(value);
    return;
  }
  yaml::Node k = scalar(std::string(key), value.column);
  map.map.push_back({std::move(k), std::move(value)});
}

yaml::Node& section_of(yaml::Node& root, std::string_view name, int column) {
  for (auto& [k, v] : root.map)
    if (k.scalar == name) return v;
  yaml::Node section;
  section.kind = yaml::Kind::kMap;
  section.column = column;
  root.map.push_back({scalar(std::string(name), column), std::move(section)});
  return root.map.back().value;
}

// Lays the variables over the file's values: nodes with line 0 and the variable's number.
void overlay(yaml::Node& root, const Environment& environment, Report& report) {
  std::vector<std::string> used;
  std::vector<std::pair<std::string, std::string>> unknown;
  for (const auto& [name, value] : environment) {
    if (!name.starts_with(kPrefix)) continue;
    const std::string_view rest = std::string_view(name).substr(kPrefix.size());
    const std::size_t cut = rest.find("__");
    if (cut == std::string_view::npos) continue;
    const std::string section = lower(rest.substr(0, cut)), key = lower(rest.substr(cut + 2));
    const Field* outer = config_shape().find(section);
    if (outer == nullptr || outer->shape == nullptr || outer->shape->find(key) == nullptr) {
      const auto all = variable_names();
      const std::vector<std::string_view> views(all.begin(), all.end());
      report.at(name, 0, 0, fmt::format("unknown variable {}{}", quoted(name), hint(name, views)));
      continue;
    }
    used.push_back(name);
    const int column = static_cast<int>(used.size());
    yaml::Node& map = section_of(root, section, column);
    if (map.is_map()) put(map, key, scalar(value, column));
  }
  report.set_variables(std::move(used));
}

class ConfigReader {
 public:
  ConfigReader(const yaml::Node& root, Report& report) : root_(root), report_(report) {}

  Config read() {
    server();
    listen();
    secrets();
    tokens_and_tasks();
    limits();
    together();
    return std::move(c_);
  }

 private:
  const yaml::Node& section(std::string_view name) const {
    static const yaml::Node kEmpty;
    const yaml::Node* n = root_.find(name);
    return n == nullptr ? kEmpty : *n;
  }

  void server() {
    const auto& n = section("server");
    c_.server = {text_at(n, "issuer"), text_at(n, "gateway"), text_at(n, "trust_domain")};
    for (const char* key : {"issuer", "gateway"}) {
      const yaml::Node* v = n.find(key);
      if (v == nullptr || v->scalar.empty()) continue;
      const auto url = codec::parse_url(v->scalar);
      if (!url)
        report_.at(*v, fmt::format("not a usable URL: {}", url.error().reason.text()));
      else if (!url->path.empty() || url->has_query || url->has_fragment)
        report_.at(*v, "must be scheme, host and port alone, without a path");
      else if (!url->is_https() && !url->is_loopback())
        report_.at(*v, "plain http is only for loopback addresses: use https");
    }
  }

  void listen() {
    const auto& n = section("listen");
    auto& l = c_.listen;
    l = {text_at(n, "control", l.control), text_at(n, "gateway", l.gateway),
         text_at(n, "decision", l.decision), text_at(n, "operations", l.operations)};
    const auto& t = section("tls");
    c_.tls = {text_at(t, "cert_file"), text_at(t, "key_file"),
              bool_at(t, "client_certificates", true)};
    if (c_.tls.cert_file.empty() != c_.tls.key_file.empty())
      report_.at(t, "tls needs both \"cert_file\" and \"key_file\"");
    std::map<std::string, std::string> taken;
    for (const char* key : {"control", "gateway", "decision", "operations"}) {
      const yaml::Node* v = n.find(key);
      if (v == nullptr || v->scalar.empty()) continue;
      const auto address = parse_listen(v->scalar);
      if (!address)
        report_.at(*v, fmt::format("{} must be HOST:PORT with an IP address or localhost, or "
                                   "unix:/path",
                                   quoted(key)));
      else if (!address->loopback() && c_.tls.cert_file.empty())
        report_.at(*v,
                   fmt::format("{} is not a loopback address: that needs tls", quoted(v->scalar)));
      if (address && address->port == 0 && address->unix_path.empty()) continue;
      const auto [it, fresh] = taken.try_emplace(v->scalar, key);
      if (!fresh) report_.at(*v, fmt::format("{} listens there too", quoted(it->second)));
    }
  }

  void secrets() {
    const auto& s = section("store");
    c_.store = {text_at(s, "path"), text_at(s, "url"), text_at(s, "password_file")};
    if (!c_.store.url.empty() && !c_.store.path.empty())
      report_.at(s, "\"path\" is a SQLite file and \"url\" a PostgreSQL database: one of them");
    if (c_.store.url.empty() && !c_.store.password_file.empty())
      report_.at(s, "\"password_file\" is for \"url\"");
    const auto& n = section("root_key");
    auto& r = c_.root_key;
    const std::string source = text_at(n, "source", "file");
    if (source == "systemd") r.source = RootKeySource::kSystemd;
    if (source == "passphrase") r.source = RootKeySource::kPassphrase;
    if (source == "pkcs11") r.source = RootKeySource::kPkcs11;
    r.path = text_at(n, "path");
    r.create = bool_at(n, "create", r.create);
    r.uri = text_at(n, "uri");
    r.module = text_at(n, "module");
    r.pin_file = text_at(n, "pin_file");
    const bool file = r.source == RootKeySource::kFile;
    const bool token = r.source == RootKeySource::kPkcs11;
    only_for(n, {"path"}, file, "file");
    only_for(n, {"create"}, file || token, "file");
    only_for(n, {"uri", "module", "pin_file"}, token, "pkcs11");
    if (token && (r.uri.empty() || r.module.empty()))
      report_.at(n, "source pkcs11 needs \"uri\" and \"module\"");
  }

  void only_for(const yaml::Node& n, std::initializer_list<const char*> keys, bool fits,
                std::string_view source) {
    if (fits) return;
    for (const char* key : keys)
      if (n.find(key) != nullptr)
        report_.at(*n.find(key), fmt::format("{} is only for source {}", quoted(key), source));
  }

  void tokens_and_tasks() {
    const auto& k = section("tokens");
    auto& t = c_.tokens;
    t.ttl = duration_at(k, "ttl", t.ttl);
    t.alg = text_at(k, "alg", t.alg);
    t.dpop_max_age = duration_at(k, "dpop_max_age", t.dpop_max_age);
    t.dpop_nonce = bool_at(k, "dpop_nonce", t.dpop_nonce);
    if (!t.dpop_nonce && !c_.store.url.empty())
      report_.at(k,
                 "\"dpop_nonce\" is what binds a proof to one node of several: it stays on with "
                 "store.url");
    const auto& y = section("keys");
    c_.keys.rotate_every = duration_at(y, "rotate_every", c_.keys.rotate_every);
    c_.keys.publish_ahead = duration_at(y, "publish_ahead", c_.keys.publish_ahead);
    if (c_.keys.rotate_every.count() > 0 && c_.keys.rotate_every <= c_.keys.publish_ahead)
      report_.at(y, "\"rotate_every\" must be longer than \"publish_ahead\"");
    const auto& n = section("tasks");
    c_.tasks.default_life = duration_at(n, "default_life", c_.tasks.default_life);
    c_.tasks.max_life = duration_at(n, "max_life", c_.tasks.max_life);
    c_.tasks.max_depth = int_at(n, "max_depth", c_.tasks.max_depth);
    c_.tasks.max_children = int_at(n, "max_children", c_.tasks.max_children);
    c_.approvals.ttl = duration_at(section("approvals"), "ttl", c_.approvals.ttl);
    if (c_.tasks.default_life > c_.tasks.max_life)
      report_.at(n, "\"default_life\" is longer than \"max_life\"");
  }

  void limits() {
    const auto& n = section("limits");
    auto& l = c_.limits;
    l.contexts = int_at(n, "contexts", l.contexts);
    l.connections = int_at(n, "connections", l.connections);
    l.connections_per_ip = int_at(n, "connections_per_ip", l.connections_per_ip);
    l.header_bytes = size_at(n, "header_bytes", l.header_bytes);
    l.api_body_bytes = size_at(n, "api_body_bytes", l.api_body_bytes);
    l.header_timeout = duration_at(n, "header_timeout", l.header_timeout);
    l.idle_timeout = duration_at(n, "idle_timeout", l.idle_timeout);
    l.drain_timeout = duration_at(n, "drain_timeout", l.drain_timeout);
    c_.feed.max_age = duration_at(section("feed"), "max_age", c_.feed.max_age);
  }

  void together() {
    const auto& a = section("audit");
    if (text_at(a, "durability", "batched") == "strict") c_.audit.durability = Durability::kStrict;
    c_.audit.checkpoint_every = duration_at(a, "checkpoint_every", c_.audit.checkpoint_every);
    const std::string level = text_at(section("log"), "level", "info");
    if (level == "debug") c_.log.level = log::Level::kDebug;
    if (level == "warning") c_.log.level = log::Level::kWarning;
    if (level == "error") c_.log.level = log::Level::kError;
  }

  const yaml::Node& root_;
  Report& report_;
  Config c_;
};

bool is_ip(std::string_view host) {
  const auto url = codec::parse_url(fmt::format("http://{}/", host));
  if (!url) return false;
  return url->ipv6 || url->host.find_first_not_of("0123456789.") == std::string::npos;
}

}  // namespace

bool ListenAddress::loopback() const {
  if (!unix_path.empty() || host == "localhost" || host == "::1") return true;
  return host.starts_with("127.");
}

std::optional<ListenAddress> parse_listen(std::string_view text) {
  ListenAddress out;
  if (text.starts_with("unix:/")) {
    out.unix_path = text.substr(5);
    // sockaddr_un has 108 bytes, its NUL included.
    if (out.unix_path.size() < 2 || out.unix_path.size() > 107) return std::nullopt;
    return out;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host != "localhost" && !is_ip(host)) return std::nullopt;
  if (port.empty() || port.size() > 5 ||
      port.find_first_not_of("0123456789") != std::string_view::npos)
    return std::nullopt;
  unsigned number = 0;
  std::from_chars(port.data(), port.data() + port.size(), number);
  if (number > 65535) return std::nullopt;
  out.port = static_cast<std::uint16_t>(number);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  out.host = host;
  return out;
}

std::expected<Config, std::vector<Problem>> parse_config(const std::optional<File>& file,
                                                         const Environment& environment) {
  Report report(100);
  yaml::Node root;
  root.kind = yaml::Kind::kMap;
  if (file) {
    report.set_file(file->path);
    auto docs = yaml::parse_documents(file->bytes, {.bytes = 256 * 1024});
    if (!docs) {
      const auto& e = docs.error();
      report.at(file->path, e.line, e.column, std::string(e.error.reason.text()));
      return std::unexpected(report.take());
    }
    if (docs->size() > 1) report.at((*docs)[1], "a configuration is one document");
    if (!docs->empty()) root = std::move((*docs)[0]);
    if (!root.is_map()) {
      report.at(root, "config must be a map");
      return std::unexpected(report.take());
    }
  }
  overlay(root, environment, report);
  const bool good = conforms(root, config_shape(), report);
  if (!good) return std::unexpected(report.take());
  Config config = ConfigReader(root, report).read();
  if (!report.clean()) return std::unexpected(report.take());
  return config;
}

}  // namespace stint::resource
