#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace stint {

namespace crypto {
class RootKey;
class Sealer;
}  // namespace crypto
namespace gateway {
class Injector;
}
namespace provider {
class AdminLogin;
}
namespace oauth {
class TokenReply;
}
namespace store {
class PostgresTarget;
}
struct RevealKeyForTest;

// Permission to read a Secret: `git grep RevealKey` finds every place that sees plaintext.
// A new friend needs a decision record.
class RevealKey {
  RevealKey() = default;
  friend class crypto::Sealer;         // seals it at rest
  friend class crypto::RootKey;        // derives the root key from a passphrase
  friend class gateway::Injector;      // into the request, masked in the response
  friend class provider::AdminLogin;   // mints and revokes leases
  friend class oauth::TokenReply;      // a fresh handle, shown once
  friend class store::PostgresTarget;  // the database's own login
  friend struct RevealKeyForTest;      // testkit/ only
};

// Owns secret bytes. Move-only; wiped on destruction and move-from; no ==, no <<, no implicit
// view. Build it in a buffer of its final size: growth leaves copies behind.
class Secret {
 public:
  explicit Secret(std::string&& plain) : s_(std::move(plain)) { wipe(plain); }
  Secret(Secret&& o) noexcept : s_(std::move(o.s_)) { wipe(o.s_); }
  Secret& operator=(Secret&& o) noexcept {
    if (this != &o) {
      wipe(s_);
      s_ = std::move(o.s_);
      wipe(o.s_);
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { wipe(s_); }

  std::string_view reveal(RevealKey) const& { return s_; }  // dies with *this
  std::string_view reveal(RevealKey) && = delete;
  std::size_t size() const { return s_.size(); }
  bool matches(std::string_view guess) const;  // constant time in content, not in length

 private:
  static void wipe(std::string& s) noexcept;  // whole capacity: moving copies a short string
  std::string s_;
};

}  // namespace stint
