#include "load/metrics_text.h"

#include <gtest/gtest.h>

namespace corolla::load {
namespace {

constexpr const char* kPage =
    "# HELP x_total Something\n"
    "x_slice_inferences_total{slice=\"0\",model=\"fl\\\"ower\"} 10\n"
    "x_slice_inferences_total{slice=\"1\",model=\"a\"} 4.5e1\n"
    "x_slice_inferences_total{slice=\"1\",model=\"b\"} 5\n"
    "x_slice_requests_total{slice=\"1\"} 999\n"
    "nv_gpu_utilization{gpu_uuid=\"G\"} 0.5\n"
    "nv_cpu_utilization 0.25\n"
    "this is not a metric\n"
    "broken{a=\"b 1\n";

TEST(MetricsText, ReadsNamesLabelsAndValues) {
  const auto samples = read_metrics(kPage);
  ASSERT_EQ(samples.size(), 6u);
  EXPECT_EQ(samples[0].labels.at("model"), "fl\"ower");
  EXPECT_EQ(samples[1].value, 45);
}

TEST(MetricsText, SumsInferencesBySlice) {
  EXPECT_EQ(slice_inferences(read_metrics(kPage)),
            (std::map<std::string, double>{{"0", 10}, {"1", 50}}));
  EXPECT_TRUE(slice_inferences(read_metrics("nv_inference_count{model=\"m\"} 3\n")).empty());
}

TEST(MetricsText, FindsTheGauges) {
  EXPECT_EQ(utilisation_gauges(read_metrics(kPage)),
            (std::map<std::string, double>{{"nv_cpu_utilization", 0.25},
                                           {"nv_gpu_utilization{gpu_uuid=G}", 0.5}}));
}

}  // namespace
}  // namespace corolla::load
