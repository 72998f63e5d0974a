#include "remote.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "address.h"
#include "files.h"
#include "stint/codec/percent.h"
#include "stint/net/client.h"

namespace stint::cli {
namespace {

bool is_socket(const std::string& path) {
  struct stat s{};
  return ::stat(path.c_str(), &s) == 0 && S_ISSOCK(s.st_mode);
}

Outcome<std::string> read_id_token(const Context& ctx) {
  auto token = read_file(ctx.id_token_file, 64 * 1024);
  if (!token)
    return std::unexpected(Failure::of(token.error(), "cannot read " + ctx.id_token_file));
  while (token->ends_with('\n')) token->pop_back();
  return *std::move(token);
}

}  // namespace

Outcome<Remote> Remote::connect(const Context& ctx, Speaker as) {
  auto tls = tls_of(ctx);
  if (!tls) return std::unexpected(tls.error());
  Remote out(ctx, *std::move(tls));
  const std::string socket = join_path(ctx.home, "operator.sock");
  const bool local = is_socket(socket) && (ctx.addr.empty() || ctx.addr == running(ctx, "issuer"));
  const bool human = as == Speaker::kHuman;
  if (local) out.socket_ = socket;
  out.base_ = local ? "http://localhost" : control_address(ctx);
  out.where_ = local ? socket : out.base_;
  // Without an ID token the server says what an operator may not; it knows best.
  if (local && (!human || ctx.id_token_file.empty())) return out;
  if (ctx.id_token_file.empty())
    return std::unexpected(Failure::usage(
        human ? "this is for a person: say who you are with --id-token-file FILE"
              : "no server in " + ctx.home + ", and " + out.base_ + " wants to know who you are",
        human ? ""
              : "run it where the server's STINT_HOME is, or give --addr and --id-token-file"));
  auto token = read_id_token(ctx);
  if (!token) return std::unexpected(token.error());
  out.id_token_ = *std::move(token);
  return out;
}

Outcome<http::Response> Remote::send(std::string method, const std::string& path, std::string body,
                                     http::Headers headers) const {
  if (!id_token_.empty()) headers.set("Authorization", "Bearer " + id_token_);
  if (!body.empty() && !headers.has("Content-Type"))
    headers.set("Content-Type", "application/json");
  auto got = net::simple_request(
      ctx_->clock,
      {.method = std::move(method),
       .url = base_ + path,
       .unix_socket = socket_,
       .headers = std::move(headers),
       .body = std::move(body)},
      tls_, {.total = std::chrono::seconds(90), .response_bytes = 32 * 1024 * 1024});
  if (!got) {
    Failure f = Failure::of(got.error(), "cannot reach the server at " + where_);
    f.next_steps = {"start it with `stint serve` or `stint dev`, or see `stint doctor`"};
    return std::unexpected(f);
  }
  if (got->status >= 300) return std::unexpected(Failure::of_response(*got));
  return *std::move(got);
}

Outcome<json::Object> Remote::get(const std::string& path) const {
  auto got = send("GET", path);
  if (!got) return std::unexpected(got.error());
  auto body = json::parse_object(got->body, {.bytes = 32 * 1024 * 1024});
  if (!body) return std::unexpected(Failure::of(body.error(), "the answer cannot be read"));
  return *std::move(body);
}

Outcome<json::Object> Remote::post(const std::string& path, const json::Object& body) const {
  auto got = send("POST", path, json::write(body));
  if (!got) return std::unexpected(got.error());
  if (got->body.empty()) return json::Object();
  auto reply = json::parse_object(got->body, {.bytes = 4 * 1024 * 1024});
  if (!reply) return std::unexpected(Failure::of(reply.error(), "the answer cannot be read"));
  return *std::move(reply);
}

Outcome<std::string> Remote::bytes(const std::string& path) const {
  auto got = send("GET", path);
  if (!got) return std::unexpected(got.error());
  return std::move(got->body);
}

std::string with_query(std::string path,
                       const std::vector<std::pair<std::string, std::string>>& query) {
  char mark = '?';
  for (const auto& [name, value] : query) {
    if (value.empty()) continue;
    path += mark + name + "=" + codec::percent_encode(value);
    mark = '&';
  }
  return path;
}

std::string text_of(const json::Object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v != nullptr && v->is_string() ? printable(v->get_string()) : "";
}

std::int64_t number_of(const json::Object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v != nullptr && v->is_int64() ? v->get_int64() : 0;
}

std::string table(const std::vector<std::string>& heading,
                  const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> width;
  for (const std::string& h : heading) width.push_back(h.size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size() && i < width.size(); ++i)
      width[i] = std::max(width[i], row[i].size());
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i)
      out += i + 1 == cells.size() ? cells[i] : fmt::format("{:<{}}  ", cells[i], width[i]);
    out += '\n';
  };
  line(heading);
  for (const auto& row : rows) line(row);
  return out;
}

}  // namespace stint::cli
