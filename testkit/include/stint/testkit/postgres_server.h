#pragma once

#include <sys/types.h>

#include <string>

#include "stint/testkit/temp_dir.h"

namespace stint::testkit {

// A PostgreSQL server of the test's own, in a directory of its own, reached by a socket there and
// by nothing else; gone with the test, however that ends. Run by root, it runs as the user
// `postgres`.
//
// Threads: one. What cannot be done aborts the test's process: without a server it shows nothing.
class PostgresServer {
 public:
  PostgresServer();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;

  // The one that the tests of this process share.
  static PostgresServer& shared();

  // A new, empty database; its URL.
  std::string database();
  std::string url(const std::string& database) const;
  std::string directory() const { return dir_.path(); }

  void sql(const std::string& database, const std::string& text) const;  // aborts when refused
  std::string ask(const std::string& database, const std::string& text) const;  // first value

  void start();   // returns once it accepts
  void kill();    // every process of it, at once: as power loss to the server
  void freeze();  // SIGSTOP to every process
  void thaw();
  void restart() {
    kill();
    start();
  }

 private:
  void signal_all(int signal) const;
  TempDir dir_;
  pid_t pid_ = -1;
  int databases_ = 0;
};

}  // namespace stint::testkit
