#include "client/kserve_json.h"

#include <gtest/gtest.h>

namespace corolla::client {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(KserveJson, StatisticsMayCarryNumbersAsText) {
  const auto stats = read_statistics(bytes(
      R"({"model_stats":[{"name":"m","version":"3","inference_count":"12","execution_count":4,"inference_stats":{"queue":{"count":"5","ns":"600"}}}]})"));
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(stats->at(0).inference_count, 12u);
  EXPECT_EQ(stats->at(0).queue.ns, 600u);
  EXPECT_EQ(stats->at(0).success.count, 0u);
  EXPECT_FALSE(read_statistics(bytes("{}")).ok());
  EXPECT_FALSE(read_model_metadata(bytes(R"({"name":"m"})")).ok());
  EXPECT_FALSE(read_model_metadata(bytes("<html>")).ok());
}

}  // namespace
}  // namespace corolla::client
