// A request head as it comes from a stranger. Oracles:
//   1. a head that is accepted, written out and read again is the same head;
//   2. no CR, LF or NUL is inside what was accepted, and its framing is one of the three;
//   3. a second parser (Beast's), given the same bytes, accepts them too and reads the same method,
//      target, fields and framing: where the two disagree, something could be smuggled.
#undef BOOST_BEAST_SEPARATE_COMPILATION  // header-only here: production code has no Beast parser
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "stint/http/check.h"
#include "stint/http/parse.h"

namespace {
namespace beast = boost::beast;
namespace http = stint::http;
using beast::error_code;
using beast::string_view;

[[noreturn]] void disagree(const char* what) {
  std::fprintf(stderr, "oracle: %s\n", what);
  std::abort();
}

std::string_view sv(string_view s) { return {s.data(), s.size()}; }

struct Second final : beast::http::basic_parser<true> {
  http::RequestHead head;

  void on_request_impl(beast::http::verb, string_view method, string_view target, int version,
                       error_code&) override {
    head.method = sv(method);
    head.target = sv(target);
    head.version = version == 11 ? http::Version::k11 : http::Version::k10;
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(beast::http::field, string_view name, string_view value,
                     error_code&) override {
    head.headers.add(std::string(sv(name)), std::string(sv(value)));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
    return body.size();
  }
  void on_finish_impl(error_code&) override {}
};

bool same(const http::RequestHead& a, const http::RequestHead& b) {
  return a.method == b.method && a.target == b.target && a.version == b.version &&
         a.headers == b.headers;
}

void check_second(std::string_view block, const http::RequestHead& head) {
  // Beast reads this obsolete field as if it were Connection; nobody here reads it at all.
  if (head.headers.has("Proxy-Connection")) return;
  Second second;
  second.header_limit(1U << 20);
  second.body_limit(boost::none);
  error_code ec;
  second.put(boost::asio::buffer(block.data(), block.size()), ec);
  if (ec && ec != beast::http::error::need_more) disagree("the second parser refuses it");
  if (!second.is_header_done()) disagree("the second parser wants more");
  if (!same(head, second.head)) disagree("the second parser reads another head");
  const auto framing = http::request_framing(head);
  using Kind = http::Framing::Kind;
  const auto length = second.content_length();
  switch (framing.kind) {
    case Kind::kNone:
      if (second.chunked() || (length && *length > 0)) disagree("the second parser sees a body");
      break;
    case Kind::kLength:
      if (second.chunked() || !length || *length != framing.length)
        disagree("the second parser reads another length");
      break;
    case Kind::kChunked:
      if (!second.chunked()) disagree("the second parser sees no chunks");
      break;
    case Kind::kUntilClose:
      disagree("a request until close");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto end = http::find_head_end(bytes);
  if (!end) return 0;
  const std::string_view block = bytes.substr(0, *end);
  const auto head = http::parse_request_head(block);
  if (!head || !http::check_head(*head)) return 0;
  const auto clean = [](std::string_view s) {
    return s.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
  };
  if (!clean(head->method) || !clean(head->target)) disagree("control bytes in the first line");
  for (const auto& field : head->headers)
    if (!clean(field.name) || !clean(field.value)) disagree("control bytes in a field");
  const auto again = http::parse_request_head(http::write_head(*head));
  if (!again || !same(*head, *again)) disagree("written out, it is another head");
  check_second(block, *head);
  return 0;
}
