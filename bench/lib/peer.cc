#include "peer.h"

#include "measure.h"

namespace stint::bench {

PgPeer connect_peer(const std::string& url) {
  PgPeer session(PQconnectdb(url.c_str()));
  if (PQstatus(session.get()) != CONNECTION_OK) no_figure("no session for the bare peer");
  return session;
}

void exec(PGconn* session, const char* sql) {
  const std::unique_ptr<PGresult, PgFinish> done(PQexec(session, sql));
  const auto status = PQresultStatus(done.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) no_figure("the bare peer failed");
}

}  // namespace stint::bench
