#include "serve/front/settings.h"

#include <gtest/gtest.h>

namespace corolla::front {
namespace {

using Strings = std::vector<std::string>;

TEST(TraceSettings, ModelsInheritTheGlobalOnes) {
  TraceSettings trace;
  EXPECT_EQ(trace.get("")["trace_level"], (Strings{"OFF"}));
  ASSERT_TRUE(trace.update("m", {{"trace_rate", Strings{"7"}}}).ok());
  ASSERT_TRUE(trace
                  .update("", {{"trace_rate", Strings{"5"}},
                               {"trace_level", Strings{"TIMESTAMPS", "TENSORS"}}})
                  .ok());
  EXPECT_EQ(trace.get("m")["trace_rate"], (Strings{"7"}));
  EXPECT_EQ(trace.get("m")["trace_level"], (Strings{"TIMESTAMPS", "TENSORS"}));
  EXPECT_EQ(trace.get("other")["trace_rate"], (Strings{"5"}));
  ASSERT_TRUE(trace.update("m", {{"trace_rate", std::nullopt}}).ok());
  EXPECT_EQ(trace.get("m")["trace_rate"], (Strings{"5"}));
  ASSERT_TRUE(trace.update("", {{"trace_rate", std::nullopt}}).ok());
  EXPECT_EQ(trace.get("m")["trace_rate"], (Strings{"1000"}));
}

TEST(TraceSettings, RefusesAllOfAnUpdateWithOneWrongValue) {
  TraceSettings trace;
  auto before = trace.get("");
  for (auto [key, values] :
       std::vector<std::pair<std::string, Strings>>{{"trace_colour", {"red"}},
                                                    {"trace_level", {"LOUD"}},
                                                    {"trace_rate", {"-1"}},
                                                    {"trace_rate", {"1", "2"}},
                                                    {"trace_rate", {}},
                                                    {"trace_count", {"-2"}},
                                                    {"trace_count", {"ten"}},
                                                    {"log_frequency", {"1.5"}},
                                                    {"trace_file", {"/etc/passwd"}},
                                                    {"trace_mode", {"opentelemetry"}}})
    EXPECT_FALSE(
        trace
            .update("", {{key == "trace_rate" ? "trace_count" : "trace_rate", Strings{"9"}},
                         {key, values}})
            .ok())
        << key;
  EXPECT_FALSE(trace.update("", {{"trace_colour", std::nullopt}}).ok());
  EXPECT_EQ(trace.get(""), before);
  EXPECT_TRUE(trace.update("", {{"trace_count", Strings{"-1"}}}).ok());
}

TEST(TraceSettings, SamplesEveryNthRequestUntilTheCountIsUsedUp) {
  TraceSettings trace;
  const auto picked = [&](const std::string& model, int requests) {
    int n = 0;
    for (int i = 0; i < requests; ++i) n += trace.sample(model);
    return n;
  };
  EXPECT_EQ(picked("m", 2000), 0) << "off";
  ASSERT_TRUE(trace.update("", {{"trace_level", Strings{"TIMESTAMPS"}}}).ok());
  EXPECT_EQ(picked("m", 2000), 2) << "one in a thousand";
  ASSERT_TRUE(
      trace.update("m", {{"trace_rate", Strings{"10"}}, {"trace_count", Strings{"3"}}}).ok());
  EXPECT_EQ(picked("m", 100), 3);
  EXPECT_EQ(trace.get("m")["trace_count"], (Strings{"0"}));
  EXPECT_EQ(trace.get("")["trace_count"], (Strings{"-1"}));
  EXPECT_EQ(picked("other", 1001), 2);
  ASSERT_TRUE(trace.update("", {{"trace_level", std::nullopt}}).ok());
  ASSERT_TRUE(
      trace.update("m", {{"trace_level", Strings{"TENSORS"}}, {"trace_count", std::nullopt}}).ok());
  EXPECT_EQ(picked("m", 100), 0) << "values are not traced";
}

TEST(LogSettings, ChecksAndKeeps) {
  LogSettings log;
  EXPECT_EQ(log.log_level(), log::Level::kInfo);
  ASSERT_TRUE(log.update({.log_format = "ISO8601", .log_info = false}).ok());
  EXPECT_EQ(log.log_level(), log::Level::kWarn);
  ASSERT_TRUE(log.update({.log_verbose_level = 1}).ok());
  EXPECT_EQ(log.log_level(), log::Level::kDebug);
  auto before = log.get();
  EXPECT_EQ(log.update({.log_file = "/etc/cron.d/x", .log_error = false}).error().code,
            Code::kUnsupported);
  EXPECT_EQ(log.update({.log_format = "rhyme", .log_error = false}).error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(log.get(), before);
}

}  // namespace
}  // namespace corolla::front
