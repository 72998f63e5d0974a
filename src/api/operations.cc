#include "stint/api/operations.h"

#include <boost/json/object.hpp>
#include <charconv>
#include <cmath>
#include <map>

#include "stint/codec/json.h"
#include "stint/http/problem.h"
#include "stint/http/target.h"

namespace stint::api {
namespace {

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[64];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  return {text, end};
}

// Label values and help texts: backslash, line feed, and in labels the quote.
std::string escaped(std::string_view text, bool label) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || (label && c == '"')) out += '\\';
    out += c;
  }
  return out;
}

void write_labels(std::string& out, const Sample& s) {
  if (s.labels.empty()) return;
  char before = '{';
  for (const auto& [name, value] : s.labels) {
    out += before;
    out += name + "=\"" + escaped(value, true) + '"';
    before = ',';
  }
  out += '}';
}

http::Response text_reply(unsigned status, std::string body) {
  http::Response out{.status = status, .headers = {}, .body = std::move(body)};
  out.headers.add("Content-Type", "text/plain; charset=utf-8");
  out.headers.add("Cache-Control", "no-store");
  return out;
}

template <class N>
Sample gauge(std::string name, std::string help, N value) {
  return {.name = std::move(name),
          .help = std::move(help),
          .labels = {},
          .value = static_cast<double>(value)};
}
template <class N>
Sample counter(std::string name, std::string help, std::pair<std::string, std::string> label,
               N value) {
  return {.name = std::move(name),
          .help = std::move(help),
          .kind = Sample::Kind::kCounter,
          .labels = {std::move(label)},
          .value = static_cast<double>(value)};
}

rt::Co<void> send(net::Exchange* exchange, http::Response response) {
  [[maybe_unused]] const auto sent = co_await exchange->respond(std::move(response));
}

}  // namespace

std::string prometheus_text(std::span<const Sample> samples) {
  std::map<std::string_view, std::vector<const Sample*>> families;
  for (const Sample& s : samples) families[s.name].push_back(&s);
  std::string out;
  for (const auto& [name, members] : families) {
    const Sample& first = *members.front();
    const std::string full = "stint_" + first.name;
    out += "# HELP " + full + ' ' + escaped(first.help, false) + "\n# TYPE " + full +
           (first.kind == Sample::Kind::kGauge ? " gauge\n" : " counter\n");
    for (const Sample* s : members) {
      out += full;
      write_labels(out, *s);
      out += ' ' + number(s->value) + '\n';
    }
  }
  return out;
}

Source server_source(std::string listener, const net::Server& server) {
  return [listener = std::move(listener), &server] {
    const auto s = server.stats();
    const std::pair<std::string, std::string> label{"listener", listener};
    const auto now = [&](std::string name, std::string help, std::size_t value) {
      return Sample{.name = std::move(name),
                    .help = std::move(help),
                    .labels = {label},
                    .value = static_cast<double>(value)};
    };
    return std::vector<Sample>{
        now("connections", "Open connections.", s.connections),
        now("requests_in_progress", "Requests being handled.", s.requests),
        counter("connections_total", "Connections accepted.", label, s.accepted),
        counter("requests_total", "Requests handled.", label, s.handled),
        counter("refused_heads_total", "Request heads refused unread.", label, s.refused_heads),
        counter("overloaded_total", "Connections and requests refused for load.", label,
                s.overloaded),
        counter("timed_out_total", "Exchanges that timed out.", label, s.timed_out),
        counter("aborted_total", "Exchanges that were cut.", label, s.aborted)};
  };
}

struct Operations::Impl {
  Impl(Parts parts_in, std::vector<Source> sources_in)
      : parts(std::move(parts_in)), sources(std::move(sources_in)) {}

  http::Response ready() const;
  std::vector<Sample> samples() const;

  Parts parts;
  std::vector<Source> sources;
  std::atomic<bool> draining{false};
};

http::Response Operations::Impl::ready() const {
  const auto health = parts.authority.health();
  std::string_view reason = health.reason;
  if (draining) reason = "draining";
  const bool well = reason.empty();
  http::Response out = text_reply(
      well ? 200 : 503,
      json::write(json::Object{{"ready", well},
                               {"reason", well ? json::Value(nullptr) : json::Value(reason)},
                               {"writable", health.writable},
                               {"view_age_ms", health.view_age.count()}}) +
          "\n");
  out.headers.set("Content-Type", "application/json");
  return out;
}

std::vector<Sample> Operations::Impl::samples() const {
  const auto health = parts.authority.health();
  const auto proofs = parts.gate.stats();
  std::vector<Sample> out{
      {.name = "build_info",
       .help = "Always 1; the version is a label.",
       .labels = {{"version", parts.version}},
       .value = 1},
      gauge("ready", "Whether /readyz is green.", health.reason.empty() && !draining),
      gauge("store_writable", "Whether the store takes writes.", health.writable),
      gauge("store_queue", "Commands waiting for the writer.", health.queued),
      gauge("view_age_seconds", "Since the writer last confirmed the live view.",
            static_cast<double>(health.view_age.count()) / 1000),
      gauge("open_tasks", "Tasks that are not closed.", health.open_tasks),
      gauge("proof_replay_entries", "DPoP proofs remembered.", proofs.proofs),
      gauge("proof_replay_bytes", "Memory of remembered DPoP proofs.", proofs.proof_bytes),
      gauge("proof_keys", "Proof keys cached.", proofs.keys),
      gauge("verified_tokens", "Verified access tokens cached.", proofs.tokens),
      gauge("log_size", "Events in the log.", parts.authority.log_size())};
  if (parts.events != nullptr)
    for (const auto& [kind, n] : parts.events->counts())
      out.push_back(
          counter("events_total", "Events committed, by kind.", {"kind", std::string(kind)}, n));
  for (const Source& source : sources)
    for (Sample& s : source()) out.push_back(std::move(s));
  return out;
}

Operations::Operations(Parts parts, std::vector<Source> sources)
    : impl_(std::make_unique<Impl>(std::move(parts), std::move(sources))) {}
Operations::~Operations() = default;

void Operations::draining() { impl_->draining = true; }

http::Response Operations::answer(const http::RequestHead& head) const {
  const auto target = http::parse_target(head.target);
  if (!target) return http::to_response(http::Problem::of(target.error()));
  const bool known =
      target->path == "/healthz" || target->path == "/readyz" || target->path == "/metrics";
  if (!known) return http::to_response(http::Problem::of({Errc::kNotFound, "no such endpoint"}));
  if (head.method != "GET" && head.method != "HEAD") {
    auto out = http::to_response(
        http::Problem::of({Errc::kWrongMethod, "the endpoint has no such method"}));
    out.headers.set("Allow", "GET");
    return out;
  }
  if (target->path == "/healthz") return text_reply(200, "ok\n");
  if (target->path == "/readyz") return impl_->ready();
  auto out = text_reply(200, prometheus_text(impl_->samples()));
  out.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  return out;
}

rt::Co<void> Operations::handle(net::Exchange& exchange) {
  return send(&exchange, answer(exchange.head()));
}

}  // namespace stint::api
