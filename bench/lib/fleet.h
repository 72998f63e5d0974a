#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "world.h"

namespace stint::testkit {
class PostgresServer;
}

namespace stint::bench {

// Batches of statements that were sent to PostgreSQL by this process so far, each ended by a wait
// for its answers but for the few that end a read.
std::uint64_t round_trips();

// Nodes in this process, each with its store, its view and its reaper, as `stint serve` has them:
// one on a SQLite file, or several on one database of the server.
//
// Threads: the nodes' own rules.
class Fleet {
 public:
  // `server` null: SQLite, one node.
  Fleet(const std::string& directory, testkit::PostgresServer* server, std::size_t nodes);

  World& node(std::size_t i) { return *nodes_[i]; }
  std::size_t size() const { return nodes_.size(); }
  const std::string& database() const { return database_; }  // its name; "" of SQLite
  // Until every node has seen what every node has committed.
  void settle();

 private:
  std::string database_;
  std::vector<std::unique_ptr<World>> nodes_;
};

// A call of the action that reads, or of the one that writes, as the gateway would have it decided.
authority::CallRequest call_of(World& world, TaskId task, bool write, std::size_t i);

}  // namespace stint::bench
