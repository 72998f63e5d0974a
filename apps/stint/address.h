#pragma once

#include <string>

#include "context.h"
#include "stint/net/tls.h"

namespace stint::cli {

// The control listener's URL: --addr, or what the server wrote to $STINT_HOME/ports.json, or the
// default. Never with a final '/'.
std::string control_address(const Context& ctx);
// Member of ports.json; "" when there is none.
std::string running(const Context& ctx, std::string_view member);
Outcome<net::TlsClient> tls_of(const Context& ctx);

}  // namespace stint::cli
