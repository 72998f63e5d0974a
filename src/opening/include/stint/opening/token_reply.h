#pragma once

#include <boost/json/fwd.hpp>
#include <string_view>

#include "stint/base/secret.h"
#include "stint/http/message.h"

// In this module and not in oauth, so that the API can answer with it too; the name is the one that
// Secret knows.
namespace stint::oauth {

// The one place where a fresh handle becomes text: in the response to whoever opened the task,
// once. Takes the Secret, so that nobody can show it again.
class TokenReply {
 public:
  // `body` as application/json, with `handle` as member `member` ("refresh_token" from the token
  // endpoint, "handle" from the API), never to be stored by anyone on the way (Cache-Control:
  // no-store).
  static http::Response with_handle(unsigned status, const boost::json::object& body,
                                    std::string_view member, Secret&& handle);
};

}  // namespace stint::oauth
