// Calls that a person is asked about: held, bound to their bytes, passed exactly once.
#include <gmock/gmock.h>

#include "gateway_for_test.h"

namespace stint::gateway {
namespace {

using namespace testing;
using ::testing::HasSubstr;

class Asked : public GatewayTest {
 public:
  resource::Resources declared() const override {
    auto r = edge->declared();
    for (auto& u : r.upstreams)
      if (u.name == "desk")
        u.actions.push_back({"ticket.import", domain::ActionClass::kExport, "POST /import"});
    r.add(resource::Upstream{.name = "wiki",
                             .url = "http://127.0.0.1:1",
                             .actions = {{"page.read", domain::ActionClass::kRead, "GET /{p...}"}},
                             .unmatched = resource::Unmatched::kAsk});
    return r;
  }
};

TEST_F(Asked, AnApprovedCallPassesExactlyOnce) {
  const Ask ask{.method = "POST", .target = "/u/desk/import", .body = "rows: 3"};
  const Answer held = send(ask);
  EXPECT_EQ(held.status, 403U);
  EXPECT_EQ(held.member("type"), "urn:stint:problem:approval-required");
  EXPECT_EQ(held.header("Retry-After"), "5");
  EXPECT_THAT(held.member("detail"), HasSubstr("POST /import, with a body of 7 bytes"));
  const std::string id = approval_of(held);
  EXPECT_EQ(approval_of(send(ask)), id);  // asked once, however often it is tried
  EXPECT_EQ(upstream.calls(), 0);

  ASSERT_TRUE(answer(id, domain::Answer::kOnce).has_value());
  Ask changed = ask;
  changed.body = "rows: 9";  // as long, but another call
  EXPECT_EQ(send(changed).status, 403U);
  EXPECT_EQ(upstream.calls(), 0);
  EXPECT_EQ(send(ask).status, 200U);
  EXPECT_EQ(upstream.seen().body, "rows: 3");
  const Answer again = send(ask);
  EXPECT_EQ(again.status, 403U);
  EXPECT_NE(approval_of(again), id);
  EXPECT_EQ(upstream.calls(), 1);
  EXPECT_EQ(edge->count("approval.consumed"), 1U);
}

TEST_F(Asked, ARefusedCallIsDenied) {
  const Ask ask{.target = "/u/desk/tickets.csv"};
  ASSERT_TRUE(answer(approval_of(send(ask)), domain::Answer::kNo).has_value());
  const Answer got = send(ask);
  EXPECT_EQ(got.status, 403U);
  EXPECT_EQ(got.reason(), "an approver refused this call");
  EXPECT_EQ(upstream.calls(), 0);
}

TEST_F(Asked, PreferWaitHoldsTheCallUntilTheAnswer) {
  Ask ask{.target = "/u/desk/tickets.csv"};
  ask.extra = "Prefer: wait=30\r\n";
  Sock sock = Sock::tcp(port);
  sock.send(bytes(ask, desk->token->token));
  std::string id;
  ASSERT_TRUE(eventually([&] {
    const auto pending =
        edge->authority->approvals({.state = domain::ApprovalState::kPending, .after = {}});
    if (pending && !pending->empty()) id = pending->front().id.str();
    return !id.empty();
  }));
  EXPECT_EQ(upstream.calls(), 0);
  ASSERT_TRUE(answer(id, domain::Answer::kOnce).has_value());
  EXPECT_EQ(read_answer(sock).status, 200U);
  EXPECT_EQ(upstream.calls(), 1);
}

TEST_F(Asked, AWaitDoesNotOutliveTheToken) {
  Ask ask{.target = "/u/desk/tickets.csv"};
  ask.extra = "Prefer: wait=30\r\n";
  Sock sock = Sock::tcp(port);
  sock.send(bytes(ask, desk->token->token));
  ASSERT_TRUE(eventually([&] { return edge->count("approval.requested") == 1; }));
  const auto pending = testkit::must_have(edge->authority->approvals({.after = {}}));
  pass(6min);
  ASSERT_TRUE(answer(pending.front().id.str(), domain::Answer::kOnce).has_value());
  const Answer got = read_answer(sock);
  EXPECT_EQ(got.status, 401U);
  EXPECT_EQ(got.reason(), "token expired");
  EXPECT_EQ(upstream.calls(), 0);
  EXPECT_EQ(edge->count("approval.consumed"), 0U);
}

TEST_F(Asked, PreferWaitEndsWithTheTask) {
  Ask ask{.target = "/u/desk/tickets.csv"};
  ask.extra = "Prefer: wait=1\r\n";
  Sock sock = Sock::tcp(port);
  sock.send(bytes(ask, desk->token->token));
  ASSERT_TRUE(eventually([&] { return edge->count("approval.requested") == 1; }));
  ASSERT_TRUE(close(desk->task.id).has_value());
  const Answer got = read_answer(sock);
  EXPECT_THAT(got.status, ::testing::AnyOf(401U, 403U));
  EXPECT_EQ(upstream.calls(), 0);
}

TEST_F(Asked, WhatNoRouteMatchesIsAskedWhereTheUpstreamSaysSo) {
  const auto wiki = edge->open(
      edge->coder, {{.upstream = "wiki", .actions = {"page.read", "unmatched"}, .resources = {}}},
      audience("wiki"));
  const Answer got =
      send({.method = "POST", .target = "/u/wiki/new", .body = "text"}, wiki.token->token);
  EXPECT_EQ(got.status, 403U);
  EXPECT_EQ(got.member("type"), "urn:stint:problem:approval-required");
  EXPECT_EQ(upstream.calls(), 0);
}

}  // namespace
}  // namespace stint::gateway
