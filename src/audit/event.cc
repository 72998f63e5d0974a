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

// Adds members to an object; keeps its first error.
class Writer {
 public:
  void operator()(std::string_view key, const std::string& text, std::size_t limit = kMaxText) {
    if (text.empty()) return;
    if (check(text, limit)) out_.add(key, text);
  }
  void operator()(std::string_view key, const std::optional<std::string>& text) {
    if (!text) return;
    if (text->empty()) return refuse({Errc::kMalformed, "event text empty"});
    (*this)(key, *text);
  }
  void operator()(std::string_view key, const std::vector<std::string>& texts) {
    if (texts.empty()) return;
    if (texts.size() > kMaxList) return refuse({Errc::kTooLarge, "event list too long"});
    for (const std::string& text : texts) {
      if (!check(text, kMaxText)) return;
    }
    out_.add(key, std::span(texts));
  }
  void operator()(std::string_view key, std::int64_t number) {
    if (number > kMaxNumber || number < -kMaxNumber) {
      return refuse({Errc::kMalformed, "event number range"});
    }
    out_.add(key, number);
  }
  void operator()(std::string_view key, int number) { out_.add(key, number); }
  void operator()(std::string_view key, bool value) { out_.add(key, value); }
  void operator()(std::string_view key, WallTime time) {
    const auto text = instant(time);
    if (!text) return refuse(text.error());
    out_.add(key, *text);
  }
  template <class Tag>
  void operator()(std::string_view key, const Id<Tag>& id) {
    if (id == Id<Tag>(unset)) return refuse({Errc::kMissing, "event id missing"});
    out_.add(key, id.str());
  }
  void operator()(std::string_view key, const crypto::Digest& digest) {
    out_.add(key, codec::encode_base64url(crypto::view(digest)));
  }
  template <class T>
  void operator()(std::string_view key, const std::optional<T>& value) {
    if (value) (*this)(key, *value);
  }
  template <class E>
    requires std::is_enum_v<E>
  void operator()(std::string_view key, E value) {
    out_.add(key, word(value));
  }
  void operator()(std::string_view key, const Actor& actor) {
    if (actor.name.empty() != (actor.kind == Actor::Kind::kServer)) {
      return refuse({Errc::kMalformed, "event actor without name"});
    }
    if (!check(actor.name, kMaxText)) return;
    std::string text(word(actor.kind));
    if (!actor.name.empty()) text += ':' + actor.name;
    out_.add(key, text);
  }
  void operator()(std::string_view key, const domain::Binding& binding) {
    if (!check(binding.thumbprint, kMaxText)) return;
    const bool dpop = binding.kind == domain::Binding::Kind::kDpop;
    ObjectWriter inner;
    inner.add(dpop ? "jkt" : "x5t#S256", binding.thumbprint);
    out_.add_raw(key, inner.finish_text());
  }
  void operator()(std::string_view key, const domain::Budget& budget) {
    if (!budget.requests && !budget.bytes_out) return;
    Writer inner;
    inner("requests", budget.requests);
    inner("bytes_out", budget.bytes_out);
    add_inner(key, inner);
  }
  void operator()(std::string_view key, const domain::Spend& spend) {
    Writer inner;
    inner("requests", spend.requests);
    inner("bytes_out", spend.bytes_out);
    add_inner(key, inner);
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
    out_.add_raw(key, json::canonical(domain::to_json(std::span(grants))));
  }
  void operator()(std::string_view key, const Canonical& facts) {
    if (facts.empty()) return;
    if (facts.text().size() > kMaxFacts) return refuse({Errc::kTooLarge, "event facts too long"});
    out_.add_raw(key, facts.text());
  }

  Result<std::string> finish() {
    if (error_) return std::unexpected(*error_);
    return out_.finish_text();
  }

 private:
  bool check(std::string_view text, std::size_t limit) {
    if (text.size() > limit) {
      refuse({Errc::kTooLarge, "event text too long"});
    } else if (!codec::is_utf8(text)) {
      refuse({Errc::kMalformed, "event text not utf-8"});
    }
    return !error_;
  }
  void add_inner(std::string_view key, Writer& inner) {
    const auto text = inner.finish();
    if (!text) return refuse(text.error());
    out_.add_raw(key, *text);
  }
  void refuse(Error error) {
    if (!error_) error_ = error;
  }
  ObjectWriter out_;
  std::optional<Error> error_;
};

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
  Writer writer;
  writer("v", kSchemaVersion);
  writer("time", time);
  std::visit(
      [&]<class E>(const E& e) {
        static const std::string kKind(E::kKind);
        writer("kind", kKind);
        fields(writer, e);
      },
      event);
  std::string bytes = STINT_TRY(writer.finish());
  if (bytes.size() > kMaxEventBytes) return fail(Errc::kTooLarge, "event over 65535 bytes");
  return bytes;
}

std::string_view cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace stint::audit
