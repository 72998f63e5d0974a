#include "stint/opening/token_reply.h"

#include <boost/json/object.hpp>

#include "stint/codec/json.h"

namespace stint::oauth {

http::Response TokenReply::with_handle(unsigned status, const json::Object& body,
                                       std::string_view member, Secret&& handle) {
  const Secret shown = std::move(handle);
  json::Object with = body;
  with[member] = shown.reveal(RevealKey{});
  http::Response out{.status = status, .headers = {}, .body = json::write(with)};
  out.headers.add("Content-Type", "application/json");
  out.headers.add("Cache-Control", "no-store");
  out.headers.add("Pragma", "no-cache");
  return out;
}

}  // namespace stint::oauth
