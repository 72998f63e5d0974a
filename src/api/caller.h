#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "stint/authority/types.h"
#include "stint/opening/opener.h"
#include "stint/proof/gate.h"

namespace stint::api {

// Who a request comes from, after the checks of docs/adr/0006-people-at-the-api.md.
class Caller {
 public:
  static Caller local_operator(std::uint32_t uid) { return Caller(uid); }
  static Caller human(opening::Person person) { return Caller(std::move(person)); }
  static Caller agent(proof::Checked token) { return Caller(std::move(token)); }

  bool is_operator() const { return uid_.has_value(); }
  const opening::Person* person() const { return person_ ? &*person_ : nullptr; }
  const proof::Checked* token() const { return token_ ? &*token_ : nullptr; }

  // Operators, and humans of the admin group.
  bool administers(std::string_view admin_group) const {
    return uid_ || (person_ && person_->in_group(admin_group));
  }
  authority::Actor actor() const {
    if (uid_) return authority::Actor::local_operator(*uid_);
    if (person_) return authority::Actor::human(person_->name());
    return authority::Actor::agent(token_->claims().client_id);
  }
  // One text a caller, for what is kept per caller. An agent's is its task's.
  std::string principal() const {
    if (uid_) return "operator:" + std::to_string(*uid_);
    if (person_) return "human:" + person_->name();
    return "task:" + token_->task().str();
  }

 private:
  explicit Caller(std::uint32_t uid) : uid_(uid) {}
  explicit Caller(opening::Person person) : person_(std::move(person)) {}
  explicit Caller(proof::Checked token) : token_(std::move(token)) {}

  std::optional<std::uint32_t> uid_;  // exactly one of the three
  std::optional<opening::Person> person_;
  std::optional<proof::Checked> token_;
};

}  // namespace stint::api
