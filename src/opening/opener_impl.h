#pragma once

#include <memory>

#include "stint/jose/client_assertion.h"
#include "stint/jose/replay.h"
#include "stint/opening/opener.h"

namespace stint::opening {

struct Opener::Impl {
  Impl(authority::Authority& authority_in, trust::IssuerKeys& keys_in, Entropy& entropy)
      : authority(authority_in),
        keys(keys_in),
        assertions(kAssertionWindow, kAssertions, entropy) {}

  // From the earliest to the latest moment at which one assertion can be good.
  static constexpr auto kAssertionWindow = jose::kAssertionMaxLife + 2 * jose::kAssertionLeeway;
  static constexpr std::size_t kAssertions = 2'000'000;

  using KeySet = std::shared_ptr<const jose::JwkSet>;
  rt::Co<Result<KeySet>> keys_of(std::shared_ptr<const authority::Directory> directory,
                                 std::string issuer_url, trust::Want want);

  authority::Authority& authority;
  trust::IssuerKeys& keys;
  // The store knows what the commands spent; this also covers requests that run no command, and
  // commands that failed.
  jose::ReplayCache assertions;
};

// A client assertion that was good; the key that it names, if it names one.
struct Opener::Asserted {
  Client client;
  std::string jti;
  std::optional<domain::Binding> key;
};

inline std::unexpected<Refusal> refuse(Error error, Part part) {
  return std::unexpected(Refusal{error, part});
}

// What is wanted, for whoever will do it; and as `client` asks for it.
domain::OpenOrder order_of(Wanted&& wanted, std::string agent, domain::Binding&& binding);
authority::OpenRequest request_of(domain::OpenOrder&& order, const Client& client,
                                  std::optional<std::string>&& audience, const Where& where);

// What an error of a command is about.
Part part_of(Errc code);

}  // namespace stint::opening
