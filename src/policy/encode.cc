#include "encode.h"

#include <fmt/format.h>

#include <array>
#include <concepts>
#include <cstring>
#include <map>
#include <optional>
#include <utility>
#include <variant>

namespace stint::policy {
namespace {

constexpr std::size_t kMaxBytes = 64 * 1024;
constexpr std::size_t kMaxEntries = 256;

// Writes little-endian, as every machine is that Stint runs on.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  bool ok() const { return ok_ && out_.size() <= kMaxBytes; }

  template <std::integral T>
  void number(T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out_.append(bytes, sizeof value);
  }
  void put(bool value) { out_.push_back(value ? '\1' : '\0'); }
  void put(std::int64_t value) { number(value); }
  void put(const std::string& text) { put(std::string_view(text)); }
  void put(std::string_view text) {
    if (text.size() > kMaxBytes || !ok()) return fail();
    number(static_cast<std::uint32_t>(text.size()));
    out_.append(text);
  }
  void put(const std::vector<std::string>& texts) {
    if (texts.size() > kMaxEntries) return fail();
    number(static_cast<std::uint32_t>(texts.size()));
    for (const std::string& text : texts) put(text);
  }
  void put(const std::map<std::string, std::string>& tags) {
    if (tags.size() > kMaxEntries) return fail();
    number(static_cast<std::uint32_t>(tags.size()));
    for (const auto& [name, value] : tags) {
      put(name);
      put(value);
    }
  }
  template <class T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }

 private:
  void fail() { ok_ = false; }
  std::string& out_;
  bool ok_ = true;
};

// The same values as words.
class Shower {
 public:
  explicit Shower(std::string& out) : out_(out) {}
  void put(bool value) { out_ = value ? "true" : "false"; }
  void put(std::int64_t value) { out_ = fmt::format("{}", value); }
  void put(const std::string& text) { put(std::string_view(text)); }
  void put(std::string_view text) { out_ = fmt::format("\"{}\"", text); }
  void put(const std::vector<std::string>& texts) {
    out_ = "[";
    for (const std::string& text : texts) {
      out_ += fmt::format("{}\"{}\"", out_.size() == 1 ? "" : ", ", text);
    }
    out_ += "]";
  }
  // Arguments may be long and belong to the request: only their names.
  void put(const std::map<std::string, std::string>& tags) {
    out_ = "{";
    for (const auto& [name, value] : tags) out_ += (out_.size() == 1 ? "" : ", ") + name;
    out_ += "}";
  }
  template <class T>
  void put(const std::optional<T>& value) {
    if (value) put(*value);
  }

 private:
  std::string& out_;
};

std::optional<std::string_view> present(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text;
}

// Writes one fact. A member of an absent record is not written at all.
template <class W>
using Put = void (*)(W&, const Facts&);
template <class W>
struct Leaf {
  std::string_view path;
  Put<W> put;
};

#define STINT_FACT(path, expression)                                       \
  Leaf<W> {                                                                \
    path, [](W& w, [[maybe_unused]] const Facts& f) { w.put(expression); } \
  }
#define STINT_MEMBER(path, record, expression)    \
  Leaf<W> {                                       \
    path, [](W& w, const Facts& f) {              \
      if (!f.record) return;                      \
      [[maybe_unused]] const auto& r = *f.record; \
      w.put(expression);                          \
    }                                             \
  }

bool is_call(const Facts& f) { return f.operation == Operation::kCall; }
std::string_view action(const Facts& f) {
  return is_call(f) ? std::string_view(f.action) : text(f.operation);
}
std::string_view action_class(const Facts& f) {
  return is_call(f) ? std::string_view(f.action_class) : std::string_view();
}

template <class W>
const auto& leaves() {
  static constexpr std::array table = {
      STINT_FACT("action", action(f)),
      STINT_FACT("class", action_class(f)),
      STINT_FACT("granted", f.granted),
      STINT_FACT("resource", f.resource),
      STINT_FACT("task.id", f.task.id),
      STINT_FACT("task.purpose", f.task.purpose),
      STINT_FACT("task.reference", f.task.reference),
      STINT_FACT("task.has_reference", !f.task.reference.empty()),
      STINT_FACT("task.environment", f.task.environment),
      STINT_FACT("task.ceiling", f.task.ceiling),
      STINT_FACT("task.ceiling_level", sensitivity_level(f.task.ceiling, 0)),
      STINT_FACT("task.age", f.task.age_seconds),
      STINT_FACT("task.life", f.task.life_seconds),
      STINT_FACT("task.depth", f.task.depth),
      STINT_FACT("task.attended", f.task.attended),
      STINT_FACT("task.autonomous", f.task.autonomous),
      STINT_FACT("task.inherits_human_read", f.task.inherits_human_read),
      STINT_FACT("task.requests_left", f.task.requests_left),
      STINT_FACT("task.bytes_left", f.task.bytes_left),
      STINT_FACT("task.grants", f.task.grants),
      STINT_FACT("human", f.human.has_value()),
      STINT_MEMBER("human.id", human, r.id),
      STINT_MEMBER("human.groups", human, r.groups),
      STINT_MEMBER("human.present", human, r.present),
      STINT_FACT("request.ip", present(f.request.ip)),
      STINT_FACT("request.method", f.request.method),
      STINT_FACT("request.path", f.request.path),
      STINT_FACT("request.weekday", f.request.weekday),
      STINT_FACT("request.hour", f.request.hour),
      STINT_FACT("request.minute", f.request.minute),
      STINT_FACT("request.fresh_proof", f.request.fresh_proof),
      STINT_FACT("request.arguments", f.request.arguments),
      STINT_FACT("risk.score", f.risk.score),
      STINT_FACT("approval", f.approval.has_value()),
      STINT_MEMBER("approval.granted", approval, r.granted),
      STINT_MEMBER("approval.by", approval, present(r.by)),
      STINT_MEMBER("approval.age", approval, r.age_seconds),
      STINT_MEMBER("approval.four_eyes", approval, r.four_eyes),
      STINT_FACT("principal.owner", f.agent.owner),
      STINT_FACT("principal.status", f.agent.status),
      STINT_FACT("principal.labels", f.agent.labels),
      STINT_FACT("upstream.kind", f.upstream.kind),
      STINT_FACT("upstream.sensitivity", f.upstream.sensitivity),
      STINT_FACT("upstream.sensitivity_level", sensitivity_level(f.upstream.sensitivity, 3)),
      STINT_FACT("upstream.labels", f.upstream.labels),
  };
  static_assert(table.size() < 64);
  return table;
}

#undef STINT_FACT
#undef STINT_MEMBER

}  // namespace

std::string_view text(Operation operation) {
  switch (operation) {
    case Operation::kCall:
      return "call";
    case Operation::kOpen:
      return "task.open";
    case Operation::kDelegate:
      return "task.delegate";
    case Operation::kMint:
      return "token.mint";
  }
  __builtin_trap();
}

std::int64_t sensitivity_level(std::string_view sensitivity, std::int64_t otherwise) {
  constexpr std::array<std::string_view, 4> kLevels = {"public", "internal", "confidential",
                                                       "restricted"};
  for (std::size_t i = 0; i < kLevels.size(); ++i) {
    if (kLevels[i] == sensitivity) return static_cast<std::int64_t>(i);
  }
  return otherwise;
}

const std::vector<std::string_view>& fact_paths() {
  static const std::vector<std::string_view> paths = [] {
    std::vector<std::string_view> all;
    for (const auto& leaf : leaves<Writer>()) all.push_back(leaf.path);
    return all;
  }();
  return paths;
}

std::uint64_t fact_bit(std::string_view path) {
  for (std::size_t i = 0; i < fact_paths().size(); ++i) {
    if (fact_paths()[i] == path) return std::uint64_t{1} << i;
  }
  return 0;
}

Result<std::string> encode(const Facts& facts, std::uint64_t mask) {
  const auto& table = leaves<Writer>();
  mask &= (std::uint64_t{1} << table.size()) - 1;
  std::string out;
  out.reserve(512);
  Writer w(out);
  w.number(std::to_underlying(facts.operation));
  w.number(mask);
  w.put(facts.agent.name);
  w.put(is_call(facts) ? facts.upstream.name : facts.task.id);
  for (std::size_t i = 0; i < table.size(); ++i) {
    if ((mask >> i & 1) != 0) table[i].put(w, facts);
  }
  if (!w.ok()) return fail(Errc::kTooLarge, "the facts are over a limit");
  return out;
}

std::string show(const Facts& facts, std::string_view path) {
  std::string out;
  Shower shower(out);
  for (const auto& leaf : leaves<Shower>()) {
    if (leaf.path == path) leaf.put(shower, facts);
  }
  return out;
}

}  // namespace stint::policy
