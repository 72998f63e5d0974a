#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cedar.h"
#include "stint/policy/policy_set.h"

// What a PolicySet holds. Private to this module.
namespace stint::policy {

// What one evaluation says: `policies` are indices, sorted.
struct Verdict {
  enum class Kind : std::uint8_t { kPermit, kDeny, kPolicyFailed, kUnreadable, kTooLarge, kBroken };
  Kind kind = Kind::kBroken;
  std::vector<std::uint32_t> policies;
};

// Remembers decisions by the bytes that they were made from. A slot holds one; a newer one with the
// same slot replaces it, so the memory is bounded and no input makes a look-up slow.
class Memo {
 public:
  std::shared_ptr<const Decision> find(std::string_view key) const;
  void keep(std::string_view key, std::shared_ptr<const Decision> decision) const;

 private:
  static constexpr std::size_t kSlots = 4096, kLocks = 64, kMaxKey = 2048;
  struct Slot {
    std::string key;
    std::shared_ptr<const Decision> decision;
  };
  mutable std::array<std::mutex, kLocks> locks_;
  mutable std::vector<Slot> slots_{kSlots};
};

struct FreeCedar {
  void operator()(StintCedarSet* set) const { stint_cedar_free(set); }
};

struct PolicySet::Impl {
  std::unique_ptr<StintCedarSet, FreeCedar> cedar;
  std::vector<PolicyInfo> infos;
  std::vector<std::uint64_t> masks;  // facts that each policy reads
  std::uint64_t mask = 0;            // that any reads
  Memo memo;

  // `check`: the facts must also conform to the schema.
  Verdict evaluate(std::string_view encoded, bool check = false) const;
  Verdict evaluate(const Facts& facts, std::uint64_t read, bool check = false) const;
  Decision judge(const Facts& facts, std::uint64_t read, const Verdict& first) const;
};

// What explain() and the tests need beside the public face.
struct Inside {
  static const PolicySet::Impl& of(const PolicySet& set) { return *set.impl_; }
};

}  // namespace stint::policy
