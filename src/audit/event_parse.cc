#include <algorithm>

#include "fields.h"
#include "instant.h"
#include "stint/audit/event.h"
#include "stint/codec/base64url.h"
#include "stint/codec/json.h"
#include "stint/domain/json.h"
#include "words.h"

namespace stint::audit {
namespace {

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

}  // namespace stint::audit
