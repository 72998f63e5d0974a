#include "stint/testkit/postgres_server.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace stint::testkit {
namespace {

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "PostgreSQL for a test: %s\n", what);
  std::abort();
}

// Debian's place for a server's programs; the newest version's.
std::string program(const char* name) {
  std::string found;
  std::error_code error;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", error)) {
    const auto path = version.path() / "bin" / name;
    if (std::filesystem::exists(path) && path.string() > found) found = path.string();
  }
  if (found.empty()) give_up("the server is not installed (package postgresql)");
  return found;
}

// Root may not run a server: its processes are the package's own user's.
const passwd* other_user() {
  if (::geteuid() != 0) return nullptr;
  const passwd* user = ::getpwnam("postgres");
  if (user == nullptr) give_up("root needs the user postgres to run the server");
  return user;
}

pid_t run(const std::vector<std::string>& command, const std::string& log) {
  const passwd* const user = other_user();
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) give_up("no process");
  if (pid > 0) return pid;
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  ::dup2(out, 1);
  ::dup2(out, 2);
  ::setpgid(0, 0);
  if (user != nullptr &&
      (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0))
    ::_exit(126);
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);  // immediate shutdown
  if (::getppid() != parent) ::_exit(126);
  std::vector<char*> argv;
  for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

struct Finish {
  void operator()(PGconn* c) const { PQfinish(c); }
};
using Connection = std::unique_ptr<PGconn, Finish>;

}  // namespace

PostgresServer::PostgresServer()
    : PostgresServer({"initdb", "-U", "stint", "-A", "trust", "-E", "UTF8", "--no-locale",
                      "--no-sync", "--no-instructions"}) {}

std::unique_ptr<PostgresServer> PostgresServer::standby_of(const PostgresServer& primary) {
  std::vector<std::string> copy{
      "pg_basebackup", "-U", "stint", "-h",       primary.directory(), "-R", "-X",
      "stream",        "-c", "fast",  "--no-sync"};
  return std::unique_ptr<PostgresServer>(new PostgresServer(std::move(copy)));
}

PostgresServer::PostgresServer(std::vector<std::string> made_by) {
  if (const passwd* user = other_user();
      user != nullptr && ::chown(dir_.path().c_str(), user->pw_uid, user->pw_gid) != 0)
    give_up("its directory cannot be given away");
  made_by.front() = program(made_by.front().c_str());
  made_by.insert(made_by.end(), {"-D", dir_.file("data")});
  const pid_t made = run(made_by, dir_.file("log"));
  int status = 0;
  if (::waitpid(made, &status, 0) != made || status != 0) give_up("its data cannot be made");
  start();
}

PostgresServer::~PostgresServer() { kill(); }

PostgresServer& PostgresServer::shared() {
  static PostgresServer server;
  return server;
}

void PostgresServer::start() {
  std::vector<std::string> command{
      program("postgres"),          "-D", dir_.file("data"), "-k", dir_.path(), "-h",
      port_ == 0 ? "" : "127.0.0.1"};
  if (port_ != 0) command.insert(command.end(), {"-p", std::to_string(port_)});
  for (const std::string& setting :
       {std::string("max_connections=200"), std::string("shared_buffers=32MB")})
    command.insert(command.end(), {"-c", setting});
  for (const std::string& setting : settings_) command.insert(command.end(), {"-c", setting});
  pid_ = run(command, dir_.file("log"));
  const std::string reach = url("postgres");
  for (int tries = 0; tries < 3000; ++tries) {
    if (PQping(reach.c_str()) == PQPING_OK) return;
    ::poll(nullptr, 0, 10);
  }
  give_up("the server does not answer");
}

namespace {

struct ProcessState {
  char state = 0;
  int parent = 0;
};
std::optional<ProcessState> state_of(const std::string& pid) {
  std::ifstream stat("/proc/" + pid + "/stat");
  std::string line;
  if (!std::getline(stat, line)) return std::nullopt;
  ProcessState out;
  const auto end = line.rfind(')');
  if (end == std::string::npos ||
      std::sscanf(line.c_str() + end + 1, " %c %d", &out.state, &out.parent) != 2)
    return std::nullopt;
  return out;
}

}  // namespace

void PostgresServer::signal_all(int signal) const {
  // The postmaster's children are sessions and workers in groups of their own: by their parent.
  // It is stopped first, and has stopped, or it makes another one while they are counted.
  ::kill(pid_, SIGSTOP);
  for (auto s = state_of(std::to_string(pid_)); s && s->state != 'T' && s->state != 'Z';
       s = state_of(std::to_string(pid_)))
    std::this_thread::yield();
  std::vector<pid_t> all{pid_};
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), &::closedir);
  while (const dirent* entry = proc ? ::readdir(proc.get()) : nullptr) {
    const auto state = state_of(entry->d_name);
    if (state && state->parent == pid_) all.push_back(static_cast<pid_t>(std::atoi(entry->d_name)));
  }
  for (const pid_t pid : all) ::kill(pid, signal);
}

void PostgresServer::kill() {
  if (pid_ < 0) return;
  signal_all(SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
}

void PostgresServer::freeze() { signal_all(SIGSTOP); }
void PostgresServer::thaw() { signal_all(SIGCONT); }

std::string PostgresServer::url(const std::string& database) const {
  std::string host;
  for (const char c : dir_.path()) host += c == '/' ? std::string("%2F") : std::string(1, c);
  if (port_ != 0) host += ":" + std::to_string(port_);
  return "postgres://stint@" + host + "/" + database;
}

std::string PostgresServer::ask(const std::string& database, const std::string& text) const {
  const Connection connection(PQconnectdb(url(database).c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK) give_up(PQerrorMessage(connection.get()));
  PGresult* const result = PQexec(connection.get(), text.c_str());
  const auto status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    give_up(PQerrorMessage(connection.get()));
  std::string out = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
  PQclear(result);
  return out;
}

void PostgresServer::sql(const std::string& database, const std::string& text) const {
  (void)ask(database, text);
}

std::string PostgresServer::database() {
  const std::string name = "test" + std::to_string(++databases_);
  sql("postgres", "CREATE DATABASE " + name);
  return url(name);
}

}  // namespace stint::testkit
