#include "stint/audit/event.h"

#include <algorithm>

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

// Is it the whole of the kind that was meant? Takes members out of an object; keeps its first
// error.
class Reader {
 public:
  explicit Reader(const json::Object& object) : object_(object) {}

  void operator()(std::string_view key, std::string& text, std::size_t = kMaxText) {
    if (const auto* v = find(key)) text = read<std::string_view>(*v);
  }
  void operator()(std::string_view key, std::vector<std::string>& texts) {
    const auto* v = find(key);
    if (v == nullptr) return;
    if (!v->is_array()) return refuse({Errc::kMalformed, "event member type"});
    auto got = json::strings(v->get_array());
    if (!got) return refuse({Errc::kMalformed, "event member type"});
    texts = *std::move(got);
  }
  void operator()(std::string_view key, std::int64_t& number) {
    if (const auto* v = must(key)) number = read<std::int64_t>(*v);
  }
  void operator()(std::string_view key, int& number) {
    std::int64_t wide = 0;
    (*this)(key, wide);
    number = static_cast<int>(wide);  // what does not fit is found by the comparison at the end
  }
  void operator()(std::string_view key, bool& value) {
    const auto* v = must(key);
    if (v == nullptr) return;
    if (!v->is_bool()) return refuse({Errc::kMalformed, "event member type"});
    value = v->get_bool();
  }
  void operator()(std::string_view key, WallTime& time) {
    const auto* v = must(key);
    if (v == nullptr) return;
    const auto got = parse_instant(read<std::string_view>(*v));
    if (!got) return refuse(got.error());
    time = *got;
  }
  template <class Tag>
  void operator()(std::string_view key, Id<Tag>& id) {
    const auto* v = must(key);
    if (v == nullptr) return;
    const auto got = Id<Tag>::parse(read<std::string_view>(*v));
    if (!got) return refuse({Errc::kMalformed, "event id malformed"});
    id = *got;
  }
  void operator()(std::string_view key, crypto::Digest& digest) {
    const auto* v = must(key);
    if (v == nullptr) return;
    const auto got = codec::decode_base64url(read<std::string_view>(*v));
    if (!got || got->size() != digest.size()) {
      return refuse({Errc::kMalformed, "event digest malformed"});
    }
    std::ranges::copy(*got, digest.begin());
  }
  template <class T>
  void operator()(std::string_view key, std::optional<T>& value) {
    if (!object_.contains(key)) return;
    if constexpr (std::is_constructible_v<T, Unset>) {
      value = T(unset);
    } else {
      value = T{};
    }
    (*this)(key, *value);
  }
  template <class E>
    requires std::is_enum_v<E>
  void operator()(std::string_view key, E& value) {
    const auto* v = must(key);
    if (v == nullptr) return;
    if (const auto got = read_word(read<std::string_view>(*v), value); !got) refuse(got.error());
  }
  void operator()(std::string_view key, Actor& actor) {
    const auto* v = must(key);
    if (v == nullptr) return;
    const std::string_view text = read<std::string_view>(*v);
    const std::size_t colon = text.find(':');
    if (const auto got = read_word(text.substr(0, colon), actor.kind); !got) refuse(got.error());
    actor.name = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  }
  void operator()(std::string_view key, domain::Binding& binding) {
    inner(key, [&](const json::Object& o) {
      const bool dpop = o.contains("jkt");
      binding.kind = dpop ? domain::Binding::Kind::kDpop : domain::Binding::Kind::kCertificate;
      Reader r(o);
      r(dpop ? "jkt" : "x5t#S256", binding.thumbprint);
      return r.finish();
    });
  }
  void operator()(std::string_view key, domain::Budget& budget) {
    if (!object_.contains(key)) return;
    inner(key, [&](const json::Object& o) {
      Reader r(o);
      r("requests", budget.requests);
      r("bytes_out", budget.bytes_out);
      return r.finish();
    });
  }
  void operator()(std::string_view key, domain::Spend& spend) {
    inner(key, [&](const json::Object& o) {
      Reader r(o);
      r("requests", spend.requests);
      r("bytes_out", spend.bytes_out);
      return r.finish();
    });
  }
  void operator()(std::string_view key, std::vector<domain::Grant>& grants) {
    const auto* v = find(key);
    if (v == nullptr) return;
    if (!v->is_array()) return refuse({Errc::kMalformed, "event member type"});
    for (const json::Value& each : v->get_array()) {
      auto grant = domain::grant_from_json(each);
      if (!grant) return refuse(grant.error());
      grants.push_back(*std::move(grant));
    }
  }
  void operator()(std::string_view key, Canonical& facts) {
    inner_if(key, [&](const json::Object& o) {
      facts = Canonical(o);
      return Status();
    });
  }

  Status finish() const {
    if (error_) return std::unexpected(*error_);
    if (taken_ != object_.size()) return fail(Errc::kUnknownKey, "event member unknown");
    return {};
  }

 private:
  const json::Value* find(std::string_view key) {
    const auto* v = object_.if_contains(key);
    if (v != nullptr) ++taken_;
    return v;
  }
  const json::Value* must(std::string_view key) {
    const auto* v = find(key);
    if (v == nullptr) refuse({Errc::kMissing, "event member missing"});
    return v;
  }
  template <class T>
  T read(const json::Value& v) {
    if constexpr (std::is_same_v<T, std::string_view>) {
      if (v.is_string()) return v.get_string();
    } else {
      if (v.is_int64()) return v.get_int64();
    }
    refuse({Errc::kMalformed, "event member type"});
    return T{};
  }
  template <class F>
  void inner_if(std::string_view key, F take_members) {
    const auto* v = find(key);
    if (v == nullptr) return;
    if (!v->is_object()) return refuse({Errc::kMalformed, "event member type"});
    if (const Status got = take_members(v->get_object()); !got) refuse(got.error());
  }
  template <class F>
  void inner(std::string_view key, F take_members) {
    if (!object_.contains(key)) return refuse({Errc::kMissing, "event member missing"});
    inner_if(key, take_members);
  }
  void refuse(Error error) {
    if (!error_) error_ = error;
  }
  const json::Object& object_;
  std::size_t taken_ = 0;
  std::optional<Error> error_;
};

// Makes an empty event of the named kind.
template <std::size_t I = 0>
std::optional<AnyEvent> blank(std::string_view kind) {
  if constexpr (I == std::variant_size_v<AnyEvent>) {
    return std::nullopt;
  } else {
    using E = std::variant_alternative_t<I, AnyEvent>;
    if (E::kKind == kind) return AnyEvent(std::in_place_index<I>);
    return blank<I + 1>(kind);
  }
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

Result<Entry> parse(std::string_view bytes) {
  const json::Object object =
      STINT_TRY(json::parse_object(bytes, {.bytes = kMaxEventBytes, .depth = 40}));
  if (STINT_TRY(json::int_at(object, "v")) != kSchemaVersion) {
    return fail(Errc::kUnsupported, "event version");
  }
  auto event = blank(STINT_TRY(json::string_at(object, "kind")));
  if (!event) return fail(Errc::kUnsupported, "event kind");

  Entry entry{.time = {}, .event = *std::move(event)};
  Reader reader(object);
  int version = 0;
  std::string kind_text;
  reader("v", version);
  reader("time", entry.time);
  reader("kind", kind_text);
  std::visit([&](auto& e) { fields(reader, e); }, entry.event);
  STINT_TRY(reader.finish());
  // One value, one encoding: limits, order, spelling and omitted members are all compared here.
  if (STINT_TRY(encode(entry.time, entry.event)) != bytes) {
    return fail(Errc::kMalformed, "event not canonical");
  }
  return entry;
}

std::optional<std::string> kind_of_bytes(std::string_view bytes) {
  constexpr std::string_view kMember = "\"kind\":\"";
  for (std::size_t at = bytes.find(kMember); at != std::string_view::npos;
       at = bytes.find(kMember, at + 1)) {
    const std::string_view rest = bytes.substr(at + kMember.size());
    const std::string_view word = rest.substr(0, rest.find('"'));
    if (blank(word)) return std::string(word);
  }
  return std::nullopt;
}

std::string_view cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace stint::audit
