#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "stint/http/git.h"
#include "stint/http/pktline.h"

namespace {

using namespace stint::http;

struct Outcome {
  std::string reason;
  std::size_t consumed = 0;
  bool done = false;
  ReceivePackRequest request;
};

Outcome run(std::string_view bytes, std::size_t step) {
  ReceivePackParser parser;
  Outcome out;
  while (!bytes.empty() && !parser.done()) {
    const auto part = bytes.substr(0, step);
    const auto got = parser.feed(part);
    if (!got) {
      out.reason = got.error().reason.text();
      return out;
    }
    bytes.remove_prefix(part.size());
  }
  const auto end = parser.finish();
  if (!end) out.reason = end.error().reason.text();
  out.consumed = parser.consumed();
  out.done = parser.done();
  out.request = parser.request();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  // Oracle 1: a whole line is what write_pkt writes for its payload (but for the case of its hex).
  if (const auto pkt = read_pkt(bytes); pkt && pkt->kind == Pkt::Kind::kData) {
    std::string again;
    write_pkt(again, pkt->payload);
    if (again.size() != pkt->consumed || std::string_view(again).substr(4) != pkt->payload)
      std::abort();
  }
  // Oracle 2: how the stream is cut changes nothing.
  const Outcome whole = run(bytes, bytes.size() + 1);
  const std::size_t step = size == 0 ? 1 : data[size - 1] % 16 + 1U;
  const Outcome cut = run(bytes, step);
  if (whole.reason != cut.reason || whole.done != cut.done) std::abort();
  if (!whole.done) return 0;
  if (whole.consumed != cut.consumed || whole.request.commands != cut.request.commands ||
      whole.request.capabilities != cut.request.capabilities)
    std::abort();
  // Oracle 3: the commands, written plainly, are the same request; every ref is a ref; the answer
  // names each.
  std::string plain;
  for (const RefCommand& c : whole.request.commands) {
    if (!is_ref_name(c.ref)) std::abort();
    write_pkt(plain, c.old_id + ' ' + c.new_id + ' ' + c.ref);
  }
  write_flush(plain);
  if (run(plain, plain.size()).request.commands != whole.request.commands) std::abort();
  const Response answer = git_refusal(whole.request, "no", "no");
  if (whole.request.has_capability("report-status") &&
      !whole.request.has_capability("side-band-64k"))
    for (const RefCommand& c : whole.request.commands)
      if (answer.body.find("ng " + c.ref + " no\n") == std::string::npos) std::abort();
  return 0;
}
