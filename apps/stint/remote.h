#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "context.h"
#include "failure.h"
#include "stint/codec/json.h"
#include "stint/http/message.h"
#include "stint/net/tls.h"

namespace stint::cli {

// Who speaks: whoever the operating system says (the operator's socket), or a person by ID token.
enum class Speaker : std::uint8_t { kWhoever, kHuman };

// The API of a running server, for one verb. Over the operator's socket when there is one in
// $STINT_HOME and nothing else was asked for; else over the network, where only an ID token opens.
//
// Threads:  one. Blocking: yes, up to its time limit.
// Errors:   Failure with the server's words; what cannot be reached is kTryAgain.
class Remote {
 public:
  static Outcome<Remote> connect(const Context& ctx, Speaker as = Speaker::kWhoever);

  Outcome<http::Response> send(std::string method, const std::string& path, std::string body = "",
                               http::Headers headers = {}) const;
  Outcome<json::Object> get(const std::string& path) const;
  Outcome<json::Object> post(const std::string& path, const json::Object& body) const;
  // Bytes as they are: log files, receipts.
  Outcome<std::string> bytes(const std::string& path) const;

  const std::string& where() const { return where_; }  // for people

 private:
  Remote(const Context& ctx, net::TlsClient tls) : ctx_(&ctx), tls_(std::move(tls)) {}
  const Context* ctx_;
  net::TlsClient tls_;
  std::string base_, socket_, where_, id_token_;
};

// "/v1/tasks?state=active&limit=10": leaves out what is empty.
std::string with_query(std::string path,
                       const std::vector<std::pair<std::string, std::string>>& query);

std::string text_of(const json::Object& o, std::string_view key);  // "" when absent; printable
std::int64_t number_of(const json::Object& o, std::string_view key);

// Columns of text, as wide as they need; the last one is not padded.
std::string table(const std::vector<std::string>& heading,
                  const std::vector<std::vector<std::string>>& rows);

}  // namespace stint::cli
