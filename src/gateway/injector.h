#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/authority/types.h"
#include "stint/http/message.h"
#include "stint/resource/resource.h"

namespace stint::gateway {

// Hides an injected credential in what comes back, by stars of the same length, so that framing
// stays as it was. Works on a stream: a value cut over two reads is found too; at most its length
// less one is held back, and only while it may still be the value.
//
// Holds what it looks for for the life of the response, wiped at its end.
class Masker {
 public:
  Masker() = default;  // hides nothing
  Masker(Masker&&) noexcept = default;
  Masker& operator=(Masker&&) noexcept = default;
  ~Masker();

  // What may be sent of everything fed so far; the view lives until the next call.
  std::string_view feed(std::string_view bytes);
  std::string_view finish();  // the rest, at the end
  std::string mask(std::string_view whole) const;  // for header values

 private:
  friend class Injector;
  // Stars over every whole needle in `text`; returns where an unfinished one may begin.
  std::size_t cover(std::string& text) const;
  std::vector<std::string> needles_;
  std::string held_, out_;
};

// Puts an upstream's credential into a request. The only place of the gateway that sees one.
class Injector {
 public:
  // Adds the header; returns what hides the value (and its Basic form) in the response.
  // Errors: kMalformed when the value cannot stand in a header.
  static Result<Masker> apply(const resource::Injection& how, const authority::Released& released,
                              http::Headers& headers);
};

}  // namespace stint::gateway
