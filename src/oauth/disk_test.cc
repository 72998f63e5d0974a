// A disk that is full, read-only or broken: the endpoints deny and say so, give nothing out, and
// what was acknowledged before is there afterwards.
#include <thread>

#include "oauth_for_test.h"
#include "stint/testkit/faulty_vfs.h"

namespace stint::oauth {
namespace {

using Disk = testkit::FaultyVfs;

struct HasDisk {  // made before the store, and there until it is closed
  Disk disk{"oauth-test"};
};
class DiskTest : public HasDisk, public OAuthTest {
 protected:
  DiskTest() : OAuthTest(disk.name()) {}
};

struct Fault {
  const char* name;
  Disk::Op op;
  Disk::Fault fault;
  std::string_view reason;
};
constexpr Fault kFaults[] = {
    {"full", Disk::Op::kWrite, Disk::Fault::kDiskFull, "disk full"},
    {"read_only", Disk::Op::kWrite, Disk::Fault::kReadOnly, "database is read-only"},
    {"log_not_synced", Disk::Op::kSync, Disk::Fault::kInputOutput, "database input/output"},
};

TEST_F(DiskTest, WhatCannotBeRecordedIsNotGivenOut) {
  const Told first = send(exchange(edge.coder));
  ASSERT_EQ(first.status, 200) << first.body;
  const std::string handle = first.text("refresh_token"), token = first.text("access_token");
  const auto refresh = [&] {
    Ask a = refreshing(edge.coder, handle);
    a.set("resource", std::string(kGitAudience));
    return a;
  };
  const std::size_t recorded = edge.log().size();
  for (const Fault& fault : kFaults) {
    SCOPED_TRACE(fault.name);
    disk.fail(fault.op, fault.fault);
    for (const Ask& a : {credentials(edge.coder), exchange(edge.helper),
                         delegation(edge.coder, token, edge.helper), refresh(),
                         about(edge.coder, "revoke", handle), about(edge.coder, "revoke", token)}) {
      const Told told = send(a);
      expect_refused(told, 503, "temporarily_unavailable", fault.reason);
      EXPECT_EQ(told.headers.one("Retry-After"), "1");
      EXPECT_FALSE(told.json.contains("refresh_token"));
    }
    EXPECT_GT(disk.injected(), 0U);
    // Reading goes on, and nothing of it has happened.
    EXPECT_EQ(send(about(edge.coder, "introspect", token)).json.at("active"), true);
    EXPECT_EQ(testkit::must_have(edge.store->events(0, 10'000)).size(), recorded);
    disk.clear();
    while (!edge.store->health().writable) std::this_thread::yield();
  }
  const Told again = send(refresh());
  EXPECT_EQ(again.status, 200) << again.body;
  EXPECT_EQ(edge.count("task.opened"), 1U);
  EXPECT_EQ(edge.count("task.closed"), 0U);
  EXPECT_EQ(edge.count("token.revoked"), 0U);
}

}  // namespace
}  // namespace stint::oauth
