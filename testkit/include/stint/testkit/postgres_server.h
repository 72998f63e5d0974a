#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

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
  // A hot standby that follows another server.
  static std::unique_ptr<PostgresServer> standby_of(const PostgresServer& primary);
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

  // Returns once it accepts. Settings as "name=value", from now on; with a `port` it listens at
  // 127.0.0.1 too.
  void start();
  void start(std::vector<std::string> settings, int port = 0) {
    settings_ = std::move(settings);
    port_ = port;
    start();
  }
  void kill();    // every process of it, at once: as power loss to the server
  void freeze();  // SIGSTOP to every process
  void thaw();
  void restart() {
    kill();
    start();
  }

 private:
  explicit PostgresServer(std::vector<std::string> made_by);
  void signal_all(int signal) const;
  TempDir dir_;
  pid_t pid_ = -1;
  int databases_ = 0, port_ = 0;
  std::vector<std::string> settings_;
};

}  // namespace stint::testkit
