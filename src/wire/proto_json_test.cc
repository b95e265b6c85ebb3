#include "wire/proto_json.h"

#include <gtest/gtest.h>

#include "wire/inference.pb.h"

namespace corolla::wire {
namespace {

TEST(ProtoJson, PrintsDefaultsAndWholeNumbers) {
  inference::ModelStatistics stats;
  stats.set_name("flower");
  stats.set_version("1");
  stats.set_inference_count(uint64_t{1} << 60);
  stats.mutable_inference_stats()->mutable_success()->set_count(3);
  EXPECT_EQ(
      to_json(stats),
      R"({"name":"flower","version":"1","last_inference":0,"inference_count":1152921504606846976,)"
      R"("execution_count":0,"inference_stats":{"success":{"count":3,"ns":0}},"batch_stats":[],)"
      R"("memory_usage":[],"response_stats":{}})");
  EXPECT_EQ(to_json(stats, Defaults::kOmit),
            R"({"name":"flower","version":"1","inference_count":1152921504606846976,)"
            R"("inference_stats":{"success":{"count":3}}})");
}

TEST(ProtoJson, PrintsMapsSortedOneofsAndEnums) {
  inference::ModelConfig config;
  (*config.mutable_metric_tags())["b"] = "2";
  (*config.mutable_metric_tags())["a"] = "quote \"";
  config.mutable_version_policy()->mutable_all();
  config.add_input()->set_data_type(inference::TYPE_FP32);
  config.mutable_input(0)->add_dims(-1);
  std::string json = to_json(config);
  EXPECT_NE(json.find(R"("metric_tags":{"a":"quote \"","b":"2"})"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("version_policy":{"all":{}})"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("data_type":"TYPE_FP32","format":"FORMAT_NONE","dims":[-1])"),
            std::string::npos)
      << json;
  EXPECT_EQ(json.find("dynamic_batching"), std::string::npos) << "an unset choice is not printed";
}

TEST(ProtoJson, FindsBrokenText) {
  inference::ModelConfig config;
  config.add_output()->set_name("\xff");
  EXPECT_FALSE(strings_are_utf8(config));
  EXPECT_NE(to_json(config).find(R"("name":"?")"), std::string::npos);
  config.mutable_output(0)->set_name("ok");
  EXPECT_TRUE(strings_are_utf8(config));
  (*config.mutable_metric_tags())["k"] = "\xc0\x80";
  EXPECT_FALSE(strings_are_utf8(config));
}

}  // namespace
}  // namespace corolla::wire
