#include "stint/base/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>

#include "stint/base/clock.h"

namespace stint::log {
namespace {

std::atomic<Level> threshold{Level::kInfo};

std::string_view text(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  __builtin_trap();
}

void append_escaped(std::string& out, std::string_view s) {
  for (const char c : s) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (u < 0x20 || u >= 0x7f) {
      out += fmt::format("\\u{:04x}", u);  // bytes, not code points: a label is for the eye
    } else {
      out.push_back(c);
    }
  }
}

}  // namespace

Value label(std::string_view configured_name) {
  return Value(std::string(configured_name.substr(0, 64)));
}

struct Writer {
  static void append(std::string& out, const Value& v) {
    switch (v.kind_) {
      case Value::Kind::kBool:
        out += v.number_ != 0 ? "true" : "false";
        return;
      case Value::Kind::kNumber:
        out += std::to_string(v.number_);
        return;
      case Value::Kind::kText:
        out.push_back('"');
        append_escaped(out, v.text_);
        out.push_back('"');
        return;
    }
    __builtin_trap();
  }
};

void set_threshold(Level level) { threshold.store(level, std::memory_order_relaxed); }

void write(Level level, Literal message, std::initializer_list<Field> fields) {
  if (level < threshold.load(std::memory_order_relaxed)) return;
  const WallTime now = SystemClock().wall();
  std::string line =
      fmt::format(R"({{"time":"{:%Y-%m-%dT%H:%M:%S}Z","level":"{}","message":")", now, text(level));
  append_escaped(line, message.text());
  line.push_back('"');
  for (const Field& field : fields) {
    line += ",\"";
    append_escaped(line, field.key.text());
    line += "\":";
    Writer::append(line, field.value);
  }
  line += "}\n";
  // A log that cannot be written must not stop the work; the audit log is the one that must.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace stint::log
