#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

// How benchmarks measure and speak. See bench/README.md for the rules.
namespace stint::bench {

// Seconds of CPU that this process has used, all threads, in nanosecond steps.
double cpu_seconds();
// The same of every process below this one, those that have ended included, in steps of 10 ms.
double descendants_cpu_seconds();
// Seconds of the monotonic clock.
double wall_seconds();

struct Spread {
  double min = 0, median = 0, max = 0;
};
Spread spread(std::vector<double> values);
double percentile(std::vector<double> values, double p);

// One row of the table, on stdout: "ROW" and the fields, with tabs. `better_high`: of the ratios
// the best is the largest.
void row(std::string_view promise, std::string_view what, const std::vector<double>& ratios,
         double goal, std::string_view note, bool better_high = true);

// Work that was not done as counted: no figure. Ends the program with 1.
[[noreturn]] void no_figure(std::string_view why);
template <class R>
auto must(R r, std::string_view what) {
  if (!r) no_figure(std::string(what) + ": " + std::string(r.error().reason.text()));
  return *std::move(r);
}

// "--name value" of the command line, else `fallback`.
std::string option(int argc, char** argv, std::string_view name, std::string_view fallback);

// A directory of its own below `base` (a real disk), removed at the end.
class Scratch {
 public:
  explicit Scratch(const std::string& base);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace stint::bench
