#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "stint/http/check.h"
#include "stint/http/hygiene.h"
#include "stint/http/parse.h"

namespace {

using namespace stint::http;

// What a lenient server would look for: a second message or field hidden in the first one's bytes.
std::size_t count_ignoring_case(std::string_view bytes, std::string_view line_start) {
  std::size_t found = 0;
  for (std::size_t i = 0; i + line_start.size() <= bytes.size(); ++i) {
    const bool at_line = i == 0 || bytes[i - 1] == '\n' || bytes[i - 1] == '\r';
    if (at_line && iequal(bytes.substr(i, line_start.size()), line_start)) ++found;
  }
  return found;
}

void check_request(std::string_view block) {
  const auto head = parse_request_head(block);
  if (!head || !check_head(*head)) return;
  // Oracle: written again it is the same head; whoever splits lines at CR or LF alone finds the
  // same framing fields; hygiene leaves nothing of ours and is idempotent.
  const auto again = parse_request_head(write_head(*head));
  if (again && (again->headers != head->headers || again->target != head->target)) std::abort();
  if (count_ignoring_case(block, "content-length:") != head->headers.count("Content-Length"))
    std::abort();
  if (count_ignoring_case(block, "transfer-encoding:") != head->headers.count("Transfer-Encoding"))
    std::abort();
  if (head->headers.count("Content-Length") + head->headers.count("Transfer-Encoding") > 1)
    std::abort();
  const Headers up = for_upstream(head->headers);
  for (const char* name : {"Authorization", "Cookie", "DPoP", "Host", "Connection", "TE"})
    if (up.has(name)) std::abort();
  if (for_upstream(up) != up) std::abort();
}

void check_answer(std::string_view block) {
  const auto head = parse_response_head(block);
  if (!head) return;
  const auto framing = check_response(*head, "GET");
  if (!framing) return;
  const auto again = parse_response_head(write_head(*head));
  if (again && (again->status != head->status || again->headers != head->headers)) std::abort();
  if (again && check_response(*again, "GET").value() != *framing) std::abort();
  if (for_agent(head->headers).has("Set-Cookie")) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto end = find_head_end(bytes);
  if (!end) return 0;
  check_request(bytes.substr(0, *end));
  check_answer(bytes.substr(0, *end));
  return 0;
}
