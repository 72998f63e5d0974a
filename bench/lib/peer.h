#pragma once

#include <libpq-fe.h>

#include <memory>
#include <string>

namespace stint::bench {

struct PgFinish {
  void operator()(PGconn* c) const { PQfinish(c); }
  void operator()(PGresult* r) const { PQclear(r); }
};
// A plain session: what a bare peer has.
using PgPeer = std::unique_ptr<PGconn, PgFinish>;

PgPeer connect_peer(const std::string& url);
void exec(PGconn* session, const char* sql);  // a failure gives no figure

}  // namespace stint::bench
