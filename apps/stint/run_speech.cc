#include "run_speech.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "stint/codec/json.h"

namespace stint::cli {
namespace {

std::string line(std::string_view event, boost::json::object members) {
  members["event"] = event;
  return json::write(members);
}

}  // namespace

void RunSpeech::opened(std::string_view task, std::string_view deadline,
                       std::chrono::seconds idle) const {
  if (quiet_) return;
  const auto killed = idle.count() + 2;
  if (json())
    return io_.say(
        line("opened", {{"task", task}, {"deadline", deadline}, {"killed_ends_in", killed}}));
  io_.say(
      fmt::format("stint: task {} until {}; killed, it ends within {} s", task, deadline, killed));
}

void RunSpeech::environment(const std::vector<std::string>& secrets, bool kept) const {
  if (quiet_ || secrets.empty()) return;
  if (json())
    return io_.say(
        line("environment", {{"secrets", boost::json::array(secrets.begin(), secrets.end())},
                             {"kept_from_command", kept}}));
  const std::string names = fmt::format("{}", fmt::join(secrets, " "));
  io_.say(kept ? "stint: kept from the command: " + names
               : "stint: the command inherits what looks like secrets: " + names +
                     " (--clean-env keeps them from it)");
}

void RunSpeech::note(std::string_view text) const {
  if (!quiet_) warning(text);
}

void RunSpeech::warning(std::string_view text) const {
  if (json()) return io_.say(line("note", {{"text", text}}));
  io_.say(fmt::format("stint: {}", text));
}

void RunSpeech::ended(std::string_view task, std::string_view how) const {
  if (quiet_) return;
  if (json()) return io_.say(line("ended", {{"task", task}, {"how", how}}));
  io_.say(fmt::format("stint: task {} ended ({})", task, how));
}

void RunSpeech::over(const Failure& why) const {
  if (json()) return io_.say(line("over", to_json(why)));
  io_.say("stint: the task is over, the command has no access any more");
  io_.failed(why);
}

Exit RunSpeech::failed(const Failure& why) const {
  if (!json()) return io_.failed(why);
  io_.say(line("failed", to_json(why)));
  return why.exit;
}

}  // namespace stint::cli
