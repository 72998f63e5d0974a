#pragma once

#include <memory>
#include <string>

#include "exit.h"
#include "stint/base/clock.h"
#include "stint/crypto/system_entropy.h"
#include "terminal.h"

namespace CLI {
class App;
}

namespace stint::cli {

inline constexpr std::string_view kVersion = STINT_VERSION;

// What every verb has: where it speaks, the edges, and the options that all of them take.
struct Context {
  Terminal io;
  SystemClock clock;
  crypto::SystemEntropy entropy;
  std::string home;           // $STINT_HOME, or ~/.stint
  std::string addr;           // $STINT_ADDR: the control listener's URL; "": the operator's socket
  std::string ca_file;        // $STINT_CACERT
  std::string id_token_file;  // $STINT_ID_TOKEN_FILE: who the person is
  Exit exit = Exit::kDone;
  int status = -1;  // of `stint run`'s child; -1: use `exit`
};

// One file a noun. Each adds its verbs; a verb's callback sets ctx.exit.
void add_serve(CLI::App& app, Context& ctx);
void add_dev(CLI::App& app, Context& ctx);
void add_resources(CLI::App& app, Context& ctx);
void add_task(CLI::App& app, Context& ctx);
void add_approval(CLI::App& app, Context& ctx);
void add_inventory(CLI::App& app, Context& ctx);
void add_policy(CLI::App& app, Context& ctx);
void add_log(CLI::App& app, Context& ctx);
void add_keys(CLI::App& app, Context& ctx);
void add_backup(CLI::App& app, Context& ctx);
void add_about(CLI::App& app, Context& ctx);
void add_doctor(CLI::App& app, Context& ctx);
void add_run(CLI::App& app, Context& ctx);
void add_documents(CLI::App& app, Context& ctx);  // completion, man: of everything added before

}  // namespace stint::cli
