#include "fleet.h"

#include <filesystem>
#include <future>

#include "measure.h"
#include "stint/testkit/postgres_server.h"

namespace stint::bench {

Fleet::Fleet(const std::string& directory, testkit::PostgresServer* server, std::size_t nodes) {
  std::filesystem::create_directories(directory);
  std::string url;
  if (server != nullptr) {
    url = server->database();
    database_ = url.substr(url.rfind('/') + 1);
  } else if (nodes != 1) {
    no_figure("a SQLite file has one node");
  }
  for (std::size_t i = 0; i < nodes; ++i)
    nodes_.push_back(std::make_unique<World>(
        World::Options{.directory = directory, .postgres = url, .apply = i == 0}));
}

void Fleet::settle() {
  for (const auto& node : nodes_) node->flush();
  for (const auto& node : nodes_) {
    std::promise<void> delivered;
    node->store->sync([&](const Status& s) {
      if (!s) no_figure("a node does not follow");
      delivered.set_value();
    });
    delivered.get_future().wait();
  }
}

authority::CallRequest call_of(World& world, TaskId task, bool write, std::size_t i) {
  const std::string ticket = std::to_string(1000 + i % 977);
  const std::string path = "/tickets/" + ticket + (write ? "/replies" : "");
  const auto live = must(world.authority->live(task), "live task");
  return {.task = task,
          .token = TokenId::random(world.entropy),  // no row says that it is revoked
          .kid = world.authority->token_keys()->find("", crypto::Alg::kES256)->kid,
          .token_grants = std::make_shared<const std::vector<domain::Grant>>(live->task()->grants),
          .call = {.task = task,
                   .upstream = "plain",
                   .action = write ? "ticket.reply" : "ticket.read",
                   .action_class = write ? domain::ActionClass::kWrite : domain::ActionClass::kRead,
                   .resource = path.substr(1),
                   .method = write ? "POST" : "GET",
                   .target = path,
                   .arguments = "{}"},
          .request = {.ip = "127.0.0.1"},
          .path = path,
          .directory_version = world.authority->directory()->version()};
}

}  // namespace stint::bench
