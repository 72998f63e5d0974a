#include "stint/audit/event.h"

#include "fields.h"
#include "instant.h"
#include "stint/codec/base64url.h"
#include "stint/codec/json.h"
#include "stint/codec/utf8.h"
#include "stint/domain/json.h"
#include "words.h"

namespace stint::audit {
namespace {

constexpr std::size_t kMaxList = 256;
constexpr std::int64_t kMaxNumber = (std::int64_t{1} << 53) - 1;  // RFC 7493 section 2.2

// Appends an event; keeps its first error. Beside its own members, which come in the order of their
// keys, each event has a kind, a time and a version.
class Writer {
 public:
  Writer(std::string& out, WallTime time, std::string_view kind)
      : out_(out), kind_(kind), time_(instant_text(time)) {
    if (!time_) refuse(time_.error());
  }

  void operator()(std::string_view key, std::string_view text, std::size_t limit = kMaxText) {
    if (!text.empty() && check(text, limit)) at(key).add(key, text);
  }
  template <class T>
    requires std::constructible_from<std::string_view, const T&>
  void operator()(std::string_view key, const std::optional<T>& text) {
    if (!text) return;
    if (text->empty()) return refuse({Errc::kMalformed, "event text empty"});
    (*this)(key, std::string_view(*text));
  }
  void operator()(std::string_view key, std::span<const std::string> texts) {
    if (texts.empty()) return;
    if (texts.size() > kMaxList) return refuse({Errc::kTooLarge, "event list too long"});
    for (const std::string& text : texts) {
      if (!check(text, kMaxText)) return;
    }
    at(key).add(key, texts);
  }
  void operator()(std::string_view key, std::int64_t number) {
    if (number > kMaxNumber || number < -kMaxNumber) {
      return refuse({Errc::kMalformed, "event number range"});
    }
    at(key).add(key, number);
  }
  void operator()(std::string_view key, int number) { at(key).add(key, std::int64_t{number}); }
  void operator()(std::string_view key, bool value) { at(key).add(key, value); }
  void operator()(std::string_view key, WallTime time) {
    const auto text = instant_text(time);
    if (!text) return refuse(text.error());
    at(key).add(key, view(*text));
  }
  template <class Tag>
  void operator()(std::string_view key, const Id<Tag>& id) {
    if (id == Id<Tag>(unset)) return refuse({Errc::kMissing, "event id missing"});
    at(key).add(key, std::string_view(id.text()));
  }
  void operator()(std::string_view key, const crypto::Digest& digest) {
    at(key).add(key, codec::encode_base64url(crypto::view(digest)));
  }
  template <class T>
  void operator()(std::string_view key, const std::optional<T>& value) {
    if (value) (*this)(key, *value);
  }
  template <class E>
    requires std::is_enum_v<E>
  void operator()(std::string_view key, E value) {
    at(key).add(key, word(value));
  }
  void operator()(std::string_view key, const Actor& actor) {
    if (actor.name.empty() != (actor.kind == Actor::Kind::kServer)) {
      return refuse({Errc::kMalformed, "event actor without name"});
    }
    if (!check(actor.name, kMaxText)) return;
    std::string text(word(actor.kind));
    if (!actor.name.empty()) text += ':' + actor.name;
    at(key).add(key, text);
  }
  void operator()(std::string_view key, const domain::Binding& binding) {
    if (!check(binding.thumbprint, kMaxText)) return;
    const bool dpop = binding.kind == domain::Binding::Kind::kDpop;
    at(key).begin(key);
    out_.add(dpop ? "jkt" : "x5t#S256", binding.thumbprint);
    out_.end();
  }
  void operator()(std::string_view key, const domain::Budget& budget) {
    if (budget.requests || budget.bytes_out) counts(key, budget.bytes_out, budget.requests);
  }
  void operator()(std::string_view key, const domain::Spend& spend) {
    counts(key, spend.bytes_out, spend.requests);
  }
  void operator()(std::string_view key, const std::vector<domain::Grant>& grants) {
    if (grants.empty()) return;
    if (grants.size() > kMaxList) return refuse({Errc::kTooLarge, "event list too long"});
    for (const domain::Grant& g : grants) {
      if (!check(g.upstream, kMaxText)) return;
      for (const auto* texts : {&g.actions, &g.resources}) {
        for (const std::string& text : *texts) {
          if (!check(text, kMaxText)) return;
        }
      }
    }
    at(key).add_raw(key, json::canonical(domain::to_json(std::span(grants))));
  }
  void operator()(std::string_view key, const CanonicalView& facts) {
    if (facts.text() == "{}") return;
    if (facts.text().size() > kMaxFacts) return refuse({Errc::kTooLarge, "event facts too long"});
    at(key).add_raw(key, facts.text());
  }

  Status finish() {
    if (error_) return std::unexpected(*error_);
    at("~");  // behind every key
    out_.finish();
    return {};
  }

 private:
  static std::string_view view(const InstantText& text) { return {text.data(), text.size()}; }
  bool check(std::string_view text, std::size_t limit) {
    if (text.size() > limit) {
      refuse({Errc::kTooLarge, "event text too long"});
    } else if (!codec::is_utf8(text)) {
      refuse({Errc::kMalformed, "event text not utf-8"});
    }
    return !error_;
  }
  // In the place of `key`: behind those of the members that every event has which come before it.
  SortedWriter& at(std::string_view key) {
    if (common_ == 0 && key > "kind") {
      out_.add("kind", kind_);
      ++common_;
    }
    if (common_ == 1 && key > "time") {
      if (time_) out_.add("time", view(*time_));
      ++common_;
    }
    if (common_ == 2 && key > "v") {
      out_.add("v", std::int64_t{kSchemaVersion});
      ++common_;
    }
    return out_;
  }
  void counts(std::string_view key, std::optional<std::int64_t> bytes_out,
              std::optional<std::int64_t> requests) {
    for (const auto& n : {bytes_out, requests}) {
      if (n && (*n > kMaxNumber || *n < -kMaxNumber))
        return refuse({Errc::kMalformed, "event number range"});
    }
    at(key).begin(key);
    if (bytes_out) out_.add("bytes_out", *bytes_out);
    if (requests) out_.add("requests", *requests);
    out_.end();
  }
  void refuse(Error error) {
    if (!error_) error_ = error;
  }
  SortedWriter out_;
  std::string_view kind_;
  Result<InstantText> time_;
  int common_ = 0;  // of kind, time and version: written so far
  std::optional<Error> error_;
};

template <class E>
Status write(std::string& out, WallTime time, const E& event) {
  const std::size_t before = out.size();
  Writer writer(out, time, E::kKind);
  fields(writer, event);
  Status done = writer.finish();
  if (done && out.size() - before > kMaxEventBytes)
    done = fail(Errc::kTooLarge, "event over 65535 bytes");
  if (!done) out.resize(before);
  return done;
}

}  // namespace

std::string_view kind(const AnyEvent& event) {
  return std::visit([]<class E>(const E&) { return E::kKind; }, event);
}

std::optional<TaskId> task_of(const AnyEvent& event) {
  return std::visit(
      []<class E>(const E& e) -> std::optional<TaskId> {
        if constexpr (requires { e.task; }) {
          return e.task;
        } else {
          return std::nullopt;
        }
      },
      event);
}

TaskOpened task_opened(const domain::Task& task, Actor actor) {
  return {.task = task.id,
          .actor = std::move(actor),
          .agent = task.agent,
          .binding = task.binding,
          .human = task.human,
          .consent = task.consent,
          .acr = task.acr,
          .auth_time = task.auth_time,
          .purpose = task.purpose,
          .reference = task.reference,
          .grants = task.grants,
          .environment = task.environment,
          .ceiling = task.ceiling,
          .opened = task.opened,
          .deadline = task.deadline,
          .idle_limit = task.idle_limit.count(),
          .attended = task.attended,
          .presence_limit = task.presence_limit.count(),
          .budget = task.budget,
          .parent = task.parent,
          .depth = task.depth};
}

Result<std::string> encode(WallTime time, const AnyEvent& event) {
  std::string out;
  STINT_TRY(std::visit([&]<class E>(const E& e) { return write(out, time, e); }, event));
  return out;
}

Status encode_to(std::string& out, WallTime time, const DecidedView& event) {
  return write(out, time, event);
}
Status encode_to(std::string& out, WallTime time, const CredentialReleased& event) {
  return write(out, time, event);
}
Status encode_to(std::string& out, WallTime time, const Outcome& event) {
  return write(out, time, event);
}

std::string_view cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace stint::audit
