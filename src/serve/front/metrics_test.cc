#include "serve/front/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "serve/front/exposition.h"

namespace corolla::front {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

MetricsInput some_input(Statistics& s) {
  auto& flower = s.model("flower", "1");
  s.model("idle \"model\"\\\n", "3");
  for (const char* slice : {"petal0", "petal1"}) {
    auto& row = s.row(flower, slice);
    for (int i = 0; i < 10; ++i)
      s.succeeded(row,
                  {.total = i * 1ms,
                   .queue = i * 100us,
                   .compute_input = 10us,
                   .compute_infer = 700us,
                   .compute_output = 20us},
                  2);
    s.executed(row, 4, 10us, 700us, 20us);
    s.executed(row, 16, 10us, 700us, 20us);
  }
  s.failed(flower, Code::kOverloaded, 1ms);
  s.failed(flower, Code::kCancelled, 1ms);
  s.retried(s.row(flower, "petal1"));
  s.wasted(s.row(flower, "petal1"), 5ms);
  MetricsInput in;
  in.statistics = s.snapshot();
  in.models = {{.model = "flower", .version = "1", .pending = 4, .load_seconds = 0.25}};
  in.slices = {{.slice = "petal0", .kind = "cores:1", .up = true, .restarts = 3},
               {.slice = "petal1", .kind = "cores:1", .up = false}};
  in.transport.accepted = 12;
  in.transport.client_gone = 2;
  in.arena = {.total_bytes = 1 << 20, .used_bytes = 4096};
  in.version = "0.1.0";
  return in;
}

// "name{labels}" -> value
std::map<std::string, double> samples(const std::string& page) {
  std::map<std::string, double> all;
  std::istringstream in(page);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t space = line.rfind(' ');
    EXPECT_TRUE(all.emplace(line.substr(0, space), std::stod(line.substr(space + 1))).second)
        << line;
  }
  return all;
}

TEST(Metrics, HasTritonsFamilies) {
  Statistics s(2);
  Metrics metrics;
  const auto got = samples(metrics.page(TimePoint(1h), some_input(s)));
  const auto at = [&](const std::string& name) {
    const auto it = got.find(name);
    EXPECT_TRUE(it != got.end()) << name;
    return it == got.end() ? -1 : it->second;
  };
  const std::string flower = R"(model="flower",version="1")",
                    petal1 = flower + R"(,slice="petal1")";
  EXPECT_EQ(at("nv_inference_request_success{" + petal1 + "}"), 10);
  EXPECT_EQ(at("nv_inference_count{" + petal1 + "}"), 20);
  EXPECT_EQ(at("nv_inference_exec_count{" + petal1 + "}"), 2);
  EXPECT_EQ(at("nv_inference_request_duration_us{" + petal1 + "}"), 45'000);
  EXPECT_EQ(at("nv_inference_queue_duration_us{" + petal1 + "}"), 4'500);
  EXPECT_EQ(at("nv_inference_compute_input_duration_us{" + petal1 + "}"), 100);
  EXPECT_EQ(at("nv_inference_compute_infer_duration_us{" + petal1 + "}"), 7'000);
  EXPECT_EQ(at("nv_inference_compute_output_duration_us{" + petal1 + "}"), 200);
  EXPECT_EQ(at("nv_inference_request_failure{" + flower + R"(,reason="REJECTED"})"), 1);
  EXPECT_EQ(at("nv_inference_request_failure{" + flower + R"(,reason="CANCELED"})"), 1);
  EXPECT_EQ(at("nv_inference_request_failure{" + flower + R"(,reason="BACKEND"})"), 0);
  EXPECT_EQ(at("nv_inference_request_failure{" + flower + R"(,reason="OTHER"})"), 0);
  EXPECT_EQ(at("nv_inference_pending_request_count{" + flower + "}"), 4);
  EXPECT_EQ(at("nv_model_load_duration_secs{" + flower + "}"), 0.25);
  EXPECT_EQ(at("corolla_request_errors_total{" + flower + R"(,code="OVERLOADED"})"), 1);
  EXPECT_EQ(at("corolla_request_retries_total{" + petal1 + "}"), 1);
  EXPECT_EQ(at("corolla_wasted_compute_seconds_total{" + petal1 + "}"), 0.005);
  EXPECT_EQ(at(R"(corolla_slice_restarts_total{slice="petal0"})"), 3);
  EXPECT_EQ(at(R"(corolla_slice_up{slice="petal1",kind="cores:1"})"), 0);
  EXPECT_EQ(at("corolla_connections_accepted_total"), 12);
  EXPECT_EQ(at("corolla_arena_used_bytes"), 4096);
  EXPECT_GT(at("process_resident_memory_bytes"), 1 << 20);
  EXPECT_GT(at("nv_cpu_memory_total_bytes"), at("nv_cpu_memory_used_bytes"));
  EXPECT_LE(at("nv_cpu_utilization"), 1);
}

TEST(Metrics, HistogramsAreCumulativeAndAddUp) {
  Statistics s(2);
  Metrics metrics;
  const auto got = samples(metrics.page(TimePoint(1h), some_input(s)));
  const std::string labels = R"(model="flower",version="1",slice="petal0")";
  const std::string name = "nv_inference_request_duration_histogram_us";
  double before = 0;
  for (const uint32_t bound : kHistogramBoundsUs) {
    const auto it = got.find(name + "_bucket{" + labels + ",le=\"" + std::to_string(bound) + "\"}");
    ASSERT_TRUE(it != got.end()) << bound;
    EXPECT_GE(it->second, before);
    before = it->second;
  }
  EXPECT_EQ(got.at(name + "_bucket{" + labels + ",le=\"50\"}"), 1);
  EXPECT_EQ(got.at(name + "_bucket{" + labels + ",le=\"5000\"}"), 6);
  EXPECT_EQ(got.at(name + "_bucket{" + labels + ",le=\"+Inf\"}"), 10);
  EXPECT_EQ(got.at(name + "_count{" + labels + "}"), 10);
  EXPECT_EQ(got.at(name + "_sum{" + labels + "}"), 45'000);
  EXPECT_EQ(got.at("corolla_batch_rows_bucket{" + labels + ",le=\"4\"}"), 1);
  EXPECT_EQ(got.at("corolla_batch_rows_bucket{" + labels + ",le=\"16\"}"), 2);
  EXPECT_EQ(got.at("corolla_batch_rows_sum{" + labels + "}"), 20);
}

TEST(Metrics, BusyShareIsThatOfTheLastSecondOrMore) {
  Statistics s(1);
  Metrics metrics;
  MetricsInput in = some_input(s);
  const std::string share = R"(corolla_slice_busy_ratio{slice="petal0"})";
  EXPECT_EQ(samples(metrics.page(TimePoint(1h), in)).at(share), 0);
  s.executed(s.row(s.model("flower", "1"), "petal0"), 4, 100ms, 800ms, 100ms);
  in.statistics = s.snapshot();
  EXPECT_NEAR(samples(metrics.page(TimePoint(1h) + 2s, in)).at(share), 0.5, 1e-9);
  EXPECT_NEAR(samples(metrics.page(TimePoint(1h) + 2500ms, in)).at(share), 0.5, 1e-9) << "too soon";
  EXPECT_EQ(samples(metrics.page(TimePoint(1h) + 4s, in)).at(share), 0);
}

TEST(Metrics, EscapesLabelValues) {
  Exposition out;
  out.family("x", "gauge", "a\\b\nc \"quoted\"");
  out.sample({{"model", "a\"b\\c\nd"}, {"empty", ""}}, uint64_t{1});
  out.sample({}, 0.1);
  EXPECT_EQ(out.text(),
            "# HELP x a\\\\b\\nc \"quoted\"\n# TYPE x gauge\n"
            "x{model=\"a\\\"b\\\\c\\nd\"} 1\nx 0.1\n");
}

TEST(Metrics, PromtoolAcceptsThePage) {
  if (system("command -v promtool >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "promtool is not installed (Debian's package prometheus has it)";
  Statistics s(2);
  Metrics metrics;
  char path[] = "/tmp/corolla_metrics_XXXXXX";
  const int fd = mkstemp(path);
  ASSERT_GE(fd, 0);
  close(fd);
  std::ofstream(path) << metrics.page(TimePoint(1h), some_input(s));
  FILE* promtool = popen(("promtool check metrics < " + std::string(path) + " 2>&1").c_str(), "r");
  ASSERT_NE(promtool, nullptr);
  std::string said;
  for (int c; (c = fgetc(promtool)) != EOF;) said += static_cast<char>(c);
  const int status = pclose(promtool);
  unlink(path);
  // 0: nothing to say. 3: it reads the page, and would have other names; it may say so of Triton's
  // only.
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_TRUE(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3) << said;
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) EXPECT_EQ(line.substr(0, 3), "nv_") << line;
  EXPECT_THAT(said, Not(HasSubstr("error while linting")));
}

}  // namespace
}  // namespace corolla::front
