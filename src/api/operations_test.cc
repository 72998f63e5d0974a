#include "stint/api/operations.h"

#include "edge_for_test.h"

namespace stint::api {
namespace {

class OperationsTest : public ApiTest {
 protected:
  http::Response get(std::string path, std::string method = "GET") {
    return operations.answer(
        {.method = std::move(method), .target = std::move(path), .headers = {}});
  }
  EventCounts counts;
  Operations operations{{*edge.authority, edge.gate, edge.clock, &counts, "1.2.3"}, {[] {
                          return std::vector<Sample>{{.name = "decisions_total",
                                                      .help = "Decisions.",
                                                      .kind = Sample::Kind::kCounter,
                                                      .labels = {{"outcome", "permit"}},
                                                      .value = 7}};
                        }}};
};

TEST_F(OperationsTest, SaysWhetherItCanServe) {
  EXPECT_EQ(get("/healthz").status, 200U);
  EXPECT_EQ(get("/readyz").status, 200U);
  edge.clock.advance(std::chrono::hours(1));  // nobody confirmed the view
  const auto stale = get("/readyz");
  EXPECT_EQ(stale.status, 503U);
  EXPECT_NE(stale.body.find("the view of live tasks is stale"), std::string::npos);
  EXPECT_EQ(get("/healthz").status, 200U);
}

TEST_F(OperationsTest, IsNotReadyWhileItDrains) {
  operations.draining();
  EXPECT_EQ(get("/readyz").status, 503U);
  EXPECT_NE(get("/readyz").body.find("draining"), std::string::npos);
}

TEST_F(OperationsTest, CountsWhatHappens) {
  own_task();
  const auto log = edge.log();
  std::vector<store::EventView> events;
  for (const auto& e : log) events.push_back({e.seq, e.time, e.kind, e.task, e.bytes, e.leaf});
  counts.add(events);
  const std::string text = get("/metrics").body;
  for (const char* line :
       {"# TYPE stint_open_tasks gauge\nstint_open_tasks 1\n", "stint_store_writable 1\n",
        "stint_events_total{kind=\"task.opened\"} 1\n",
        "stint_events_total{kind=\"token.minted\"} 1\n",
        "stint_decisions_total{outcome=\"permit\"} 7\n", "stint_build_info{version=\"1.2.3\"} 1\n",
        "# TYPE stint_events_total counter\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line;
}

TEST_F(OperationsTest, KnowsItsThreePathsAlone) {
  EXPECT_EQ(get("/").status, 404U);
  EXPECT_EQ(get("/v1/tasks").status, 404U);
  EXPECT_EQ(get("/metrics", "POST").status, 405U);
}

TEST(PrometheusText, EscapesAndGroups) {
  const Sample samples[] = {
      {.name = "b", .help = "one\\two\nthree", .labels = {{"l", "q\"\\\n"}}, .value = 0.5},
      {.name = "a", .help = "x", .kind = Sample::Kind::kCounter, .labels = {}, .value = 3},
      {.name = "b", .help = "", .labels = {{"l", "z"}, {"m", "y"}}, .value = 1e18}};
  EXPECT_EQ(prometheus_text(samples),
            "# HELP stint_a x\n# TYPE stint_a counter\nstint_a 3\n"
            "# HELP stint_b one\\\\two\\nthree\n# TYPE stint_b gauge\n"
            "stint_b{l=\"q\\\"\\\\\\n\"} 0.5\nstint_b{l=\"z\",m=\"y\"} 1e+18\n");
}

}  // namespace
}  // namespace stint::api
