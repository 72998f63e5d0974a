#pragma once

#include "masker.h"
#include "stint/authority/types.h"
#include "stint/http/message.h"
#include "stint/resource/resource.h"

namespace stint::gateway {

// Puts an upstream's credential into a request. The only place of the gateway that sees one.
class Injector {
 public:
  // Sets the header, whatever the agent had put there; returns what hides the value (and its Basic
  // form) in the response.
  // Errors: kMalformed when the value cannot stand in a header.
  static Result<Masker> apply(const resource::Injection& how, const authority::Released& released,
                              http::Headers& headers);
};

}  // namespace stint::gateway
