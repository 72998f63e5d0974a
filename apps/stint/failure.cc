#include "failure.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "stint/codec/json.h"

namespace stint::cli {
namespace {

std::string text_of(const json::Object& o, std::string_view key) {
  const auto s = json::optional_string_at(o, key);
  return s && *s ? printable(**s) : "";
}

bool passing(Errc code) {
  return code == Errc::kUnavailable || code == Errc::kTimeout || code == Errc::kIo ||
         code == Errc::kCancelled || code == Errc::kLimit || code == Errc::kStale;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out(text);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto u = static_cast<unsigned char>(out[i]);
    // C1 controls are two bytes in UTF-8: 0xc2 0x80-0x9f.
    const bool c1 = u == 0xc2 && i + 1 < out.size() &&
                    static_cast<unsigned char>(out[i + 1]) >= 0x80 &&
                    static_cast<unsigned char>(out[i + 1]) < 0xa0;
    if (c1) out[i] = out[i + 1] = '?';
    if ((u < 0x20 && u != '\n' && u != '\t') || u == 0x7f) out[i] = '?';
  }
  return out;
}

Failure Failure::of(const Error& error, std::string what) {
  Failure f;
  f.exit = passing(error.code) ? Exit::kTryAgain : Exit::kRefused;
  f.title = std::move(what);
  f.reason = std::string(error.reason.text());
  return f;
}

Failure Failure::local(std::string title, std::string detail) {
  Failure f;
  f.title = std::move(title);
  f.detail = std::move(detail);
  return f;
}

Failure Failure::usage(std::string title, std::string detail) {
  Failure f = local(std::move(title), std::move(detail));
  f.exit = Exit::kUsage;
  return f;
}

Failure Failure::of_response(const http::Response& response) {
  Failure f;
  f.status = response.status;
  f.exit = response.status == 503 || response.status == 429 || response.status == 502 ||
                   response.status == 504
               ? Exit::kTryAgain
               : Exit::kRefused;
  const auto body = json::parse_object(response.body, {.bytes = 4 * 1024 * 1024});
  if (!body) {
    f.title = "the server answered " + std::to_string(response.status);
    return f;
  }
  if (const std::string code = text_of(*body, "error"); !code.empty()) {  // OAuth
    f.title = code;
    f.type = code;
    f.detail = text_of(*body, "error_description");
    return f;
  }
  f.title = text_of(*body, "title");
  f.type = text_of(*body, "type");
  f.detail = text_of(*body, "detail");
  f.reason = text_of(*body, "reason");
  f.task = text_of(*body, "task");
  f.decision = text_of(*body, "decision");
  if (const auto steps = json::optional_array_at(*body, "next_steps"); steps && *steps)
    for (const json::Value& v : **steps)
      if (v.is_string()) f.next_steps.push_back(printable(v.get_string()));
  if (const auto a = json::optional_object_at(*body, "approval"); a && *a)
    f.approval = text_of(**a, "id");
  if (f.title.empty()) f.title = "the server answered " + std::to_string(response.status);
  return f;
}

}  // namespace stint::cli
