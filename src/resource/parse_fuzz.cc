#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "stint/resource/config.h"
#include "stint/resource/diff.h"
#include "stint/resource/parse.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stint::resource;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::vector<File> files{{"a.yaml", text}};
  const auto lookup = [](std::string_view, std::string_view) -> stint::Result<std::string> {
    return stint::fail(stint::Errc::kNotFound, "no such file");
  };
  // Oracle: every resource survives being stored, and a refusal says where.
  const auto got = parse(files, lookup);
  if (!got) {
    if (got.error().empty()) std::abort();
    for (const Problem& p : got.error())
      if (p.message.empty() || p.line < 0) std::abort();
  } else {
    for (const Resource& r : got->all()) {
      const auto again = decode(kind_of(r), encode(r));
      if (!again || *again != r) std::abort();
    }
    if (changes(diff(*got, *got))) std::abort();
  }
  const auto config = parse_config(File{"stint.yaml", text}, {});
  // Oracle: no file makes the service listen in public without TLS.
  if (config && config->tls.cert_file.empty())
    for (const auto& at : {config->listen.control, config->listen.gateway})
      if (const auto a = parse_listen(at); !at.empty() && (!a || !a->loopback())) std::abort();
  return 0;
}
