#include "measure.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace stint::bench {
namespace {

double seconds_of(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

}  // namespace

double cpu_seconds() { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }

double descendants_cpu_seconds() {
  struct Process {
    int parent = 0;
    double ticks = 0;  // its own and those of its children that have ended
  };
  std::map<int, Process> all;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    std::ifstream in(entry.path() / "stat");
    std::string line;
    if (!std::getline(in, line)) continue;
    const auto end = line.rfind(')');
    int parent = 0;
    unsigned long user = 0, system = 0;
    long ended_user = 0, ended_system = 0;
    if (end == std::string::npos ||
        std::sscanf(line.c_str() + end + 1,
                    " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &parent, &user,
                    &system, &ended_user, &ended_system) != 5)
      continue;
    all[std::atoi(line.c_str())] = {parent, static_cast<double>(user + system) +
                                                static_cast<double>(ended_user + ended_system)};
  }
  double ticks = 0;
  const int self = ::getpid();
  for (const auto& [pid, process] : all)
    for (int at = process.parent; at > 1; at = all[at].parent)
      if (at == self) {
        ticks += process.ticks;
        break;
      }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double wall_seconds() { return seconds_of(CLOCK_MONOTONIC); }

double percentile(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(p * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

Spread spread(std::vector<double> values) {
  std::ranges::sort(values);
  if (values.empty()) return {};
  const std::size_t n = values.size();
  const double median = n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
  return {values.front(), median, values.back()};
}

void row(std::string_view promise, std::string_view what, const std::vector<double>& ratios,
         double goal, std::string_view note, bool better_high) {
  const Spread s = spread(ratios);
  const bool met = goal == 0 || (better_high ? s.median >= goal : s.median <= goal);
  char wanted[32] = "-";
  if (goal != 0) std::snprintf(wanted, sizeof wanted, "%s %.3g", better_high ? ">=" : "<=", goal);
  std::printf("ROW\t%.*s\t%.*s\t%zu\t%.3f\t%.3f\t%.3f\t%s\t%s\t%.*s\n",
              static_cast<int>(promise.size()), promise.data(), static_cast<int>(what.size()),
              what.data(), ratios.size(), s.min, s.median, s.max, wanted,
              goal == 0 ? "-" : (met ? "met" : "missed"), static_cast<int>(note.size()),
              note.data());
  std::fflush(stdout);
}

void no_figure(std::string_view why) {
  std::fprintf(stderr, "no figure: %.*s\n", static_cast<int>(why.size()), why.data());
  std::exit(1);
}

std::string option(int argc, char** argv, std::string_view name, std::string_view fallback) {
  const std::string flag = "--" + std::string(name);
  for (int i = 1; i + 1 < argc; ++i)
    if (argv[i] == flag) return argv[i + 1];
  return std::string(fallback);
}

Scratch::Scratch(const std::string& base) : path_(base + "/scratch-XXXXXX") {
  std::filesystem::create_directories(base);
  if (::mkdtemp(path_.data()) == nullptr) no_figure("no scratch directory");
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace stint::bench
