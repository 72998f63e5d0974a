#include "facts_json.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace stint::authority {
namespace {

// Quotes, controls and other letters than ASCII's, but UTF-8.
rc::Gen<std::string> texts() {
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
                          "a", "Z", "\"", "\\", "\n", "\x01", "é", "日", "/", " ", "read")),
                      [](const std::vector<std::string>& parts) {
                        std::string out;
                        for (const auto& p : parts) out += p;
                        return out;
                      });
}
std::int64_t number() { return *rc::gen::inRange<std::int64_t>(0, 1'000'000'000); }
std::vector<std::string> list() { return *rc::gen::container<std::vector<std::string>>(texts()); }

policy::Facts facts() {
  policy::Facts f;
  f.operation = *rc::gen::element(policy::Operation::kCall, policy::Operation::kOpen,
                                  policy::Operation::kDelegate, policy::Operation::kMint);
  f.action = *texts();
  f.action_class = *texts();
  f.granted = *rc::gen::arbitrary<bool>();
  f.resource = *texts();
  f.upstream = {.name = *texts(), .kind = *texts(), .sensitivity = *texts(), .labels = list()};
  f.task.id = *texts();
  f.task.purpose = *texts();
  f.task.age_seconds = number();
  f.task.attended = *rc::gen::arbitrary<bool>();
  f.task.grants = list();
  if (*rc::gen::arbitrary<bool>()) f.task.requests_left = number();
  if (*rc::gen::arbitrary<bool>()) f.task.bytes_left = number();
  if (*rc::gen::arbitrary<bool>())
    f.human = policy::HumanFacts{.id = *texts(), .groups = list(), .present = true};
  f.agent.name = *texts();
  f.agent.labels = list();
  f.request.ip = *texts();
  f.request.path = *texts();
  f.request.hour = number() % 24;
  f.request.arguments = *rc::gen::container<std::map<std::string, std::string>>(texts(), texts());
  f.risk.score = number() % 101;
  if (*rc::gen::arbitrary<bool>())
    f.approval = policy::ApprovalFacts{
        .granted = true, .by = *texts(), .age_seconds = number(), .four_eyes = true};
  return f;
}

RC_GTEST_PROP(FactsJson, IsCanonicalAndReadsBack, ()) {
  const policy::Facts f = facts();
  const audit::Canonical text = facts_to_json(f);
  const auto same = audit::Canonical::parse(text.text());
  RC_ASSERT(same.has_value());
  const auto read = facts_from_json(text.text());
  RC_ASSERT(read.has_value());
  RC_ASSERT(*read == f);
}

}  // namespace
}  // namespace stint::authority
