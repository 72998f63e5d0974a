#pragma once

#include <cstdint>
#include <string>

#include "fields.h"
#include "stint/domain/grant.h"

namespace stint::audit {

// Fills every member of an event with something valid, from a stream of numbers. For tests.
template <class Next>
class Arbitrary {
 public:
  explicit Arbitrary(Next next) : next_(std::move(next)) {}

  AnyEvent event() { return pick(below(std::variant_size_v<AnyEvent>)); }
  AnyEvent pick(std::size_t kind) { return make<0>(kind); }
  WallTime time() { return from_unix_millis(static_cast<std::int64_t>(below(4'000'000'000'000))); }

  void operator()(std::string_view, std::string& text, std::size_t = 0) { text = words(); }
  void operator()(std::string_view, std::vector<std::string>& texts) {
    for (std::uint64_t i = below(4); i > 0; --i) texts.push_back(words());
  }
  void operator()(std::string_view, std::int64_t& n) {
    n = static_cast<std::int64_t>(below(1ULL << 53));
  }
  void operator()(std::string_view, int& n) { n = static_cast<int>(below(1000)); }
  void operator()(std::string_view, bool& b) { b = below(2) == 1; }
  void operator()(std::string_view, WallTime& t) { t = time(); }
  template <class Tag>
  void operator()(std::string_view, Id<Tag>& id) {
    std::array<std::uint8_t, 16> bytes{};
    for (auto& b : bytes) b = static_cast<std::uint8_t>(1 + below(255));
    id = Id<Tag>(bytes);
  }
  void operator()(std::string_view, crypto::Digest& d) {
    for (auto& b : d) b = static_cast<std::uint8_t>(below(256));
  }
  template <class T>
  void operator()(std::string_view key, std::optional<T>& value) {
    if (below(2) == 0) return;
    if constexpr (std::is_same_v<T, std::string>) {
      value = "h" + words();
    } else if constexpr (std::is_constructible_v<T, Unset>) {
      value = T(unset);
      (*this)(key, *value);
    } else {
      value = T{};
      (*this)(key, *value);
    }
  }
  void operator()(std::string_view, KeyUse& v) { one_of(v, 2); }
  void operator()(std::string_view, crypto::Alg& v) { one_of(v, 4); }
  void operator()(std::string_view, ResourceType& v) { one_of(v, 7); }
  void operator()(std::string_view, Operation& v) { one_of(v, 3); }
  void operator()(std::string_view, MintedBy& v) { one_of(v, 3); }
  void operator()(std::string_view, Verdict& v) { one_of(v, 3); }
  void operator()(std::string_view, Ending& v) { one_of(v, 6); }
  void operator()(std::string_view, Strength& v) { one_of(v, 2); }
  void operator()(std::string_view, domain::Consent& v) { one_of(v, 3); }
  void operator()(std::string_view, domain::Sensitivity& v) { one_of(v, 4); }
  void operator()(std::string_view, domain::Why& v) { one_of(v, 5); }
  void operator()(std::string_view, domain::How& v) { one_of(v, 10); }
  void operator()(std::string_view, domain::ActionClass& v) { one_of(v, 9); }
  void operator()(std::string_view, domain::Answer& v) { one_of(v, 4); }
  void operator()(std::string_view, Actor& a) {
    one_of(a.kind, 4);
    if (a.kind != Actor::Kind::kServer) a.name = "n" + words();
  }
  void operator()(std::string_view, domain::Binding& b) {
    b.kind = below(2) == 0 ? domain::Binding::Kind::kDpop : domain::Binding::Kind::kCertificate;
    b.thumbprint = words();
  }
  void operator()(std::string_view key, domain::Budget& b) {
    (*this)(key, b.requests);
    (*this)(key, b.bytes_out);
  }
  void operator()(std::string_view key, domain::Spend& s) {
    (*this)(key, s.requests);
    (*this)(key, s.bytes_out);
  }
  void operator()(std::string_view, std::vector<domain::Grant>& grants) {
    for (std::uint64_t i = below(3); i > 0; --i) {
      domain::Grant g{.upstream = "up" + std::to_string(i), .actions = {"a.read", "b.write"}};
      if (below(2) == 1) g.resources = {"team/*", "x/y.git"};
      g.exclusive = below(2) == 1;
      grants.push_back(std::move(g));
    }
  }
  void operator()(std::string_view, Canonical& c) {
    if (below(2) == 0) return;
    ObjectWriter w;
    w.add("z", words());
    w.add("a", static_cast<std::int64_t>(below(1000)));
    w.add("m", below(2) == 1);
    c = w.finish();
  }

 private:
  template <std::size_t I>
  AnyEvent make(std::size_t kind) {
    if constexpr (I + 1 < std::variant_size_v<AnyEvent>) {
      if (kind != I) return make<I + 1>(kind);
    }
    std::variant_alternative_t<I, AnyEvent> event;
    fields(*this, event);
    return event;
  }
  std::uint64_t below(std::uint64_t n) { return next_() % n; }
  template <class E>
  void one_of(E& value, std::uint64_t count) {
    value = static_cast<E>(below(count));
  }
  std::string words() {
    static constexpr std::string_view kParts[] = {"",   "x",        "two words", "\"",    "\\",
                                                  "\n", "\t",       "\x01",      "\x7f",  "é",
                                                  "😀", "<script>", "task_",     "/a?b=c"};
    std::string out;
    for (std::uint64_t i = below(5); i > 0; --i) out += kParts[below(std::size(kParts))];
    return out;
  }
  Next next_;
};

// xorshift: for fuzz targets and benchmarks; properties take their numbers from rapidcheck.
struct Numbers {
  std::uint64_t state;
  std::uint64_t operator()() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }
};

}  // namespace stint::audit
