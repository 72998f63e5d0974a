#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "stint/policy/pack.h"
#include "stint/policy/policy_set.h"

namespace stint::policy {

inline PolicySet compiled(const std::string& text, const Vocabulary& known = {}) {
  auto set = PolicySet::compile({{"own.cedar", text}}, known);
  if (!set) {
    ADD_FAILURE() << set.error().front().message;
    std::abort();
  }
  return *set;
}

inline PolicySet pack() {
  auto set = PolicySet::compile(shipped_pack());
  if (!set) {
    for (const auto& p : set.error()) ADD_FAILURE() << p.file << ":" << p.line << " " << p.message;
    std::abort();
  }
  return *set;
}

inline Facts granted_read() {
  Facts f;
  f.action = "git.fetch";
  f.action_class = "read";
  f.granted = true;
  f.agent.name = "coder";
  f.upstream.name = "forge";
  return f;
}

}  // namespace stint::policy
