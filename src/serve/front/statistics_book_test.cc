#include "serve/front/statistics_book.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <cstring>

#include "serve/front/statistics_record.h"
#include "serve/front/statistics_record.pb.h"

namespace corolla::front {
namespace {

using namespace std::chrono_literals;

TEST(StatisticsBook, TheNextFrontReadsWhatTheLastOneWrote) {
  const auto memory = create_shared_memory("test", 64 << 10);
  ASSERT_TRUE(memory.ok());
  for (const std::string text : {"", "one", "a longer one", "two"}) {
    auto next = StatisticsBook::open(*memory);
    ASSERT_TRUE(next.ok());
    EXPECT_TRUE(next->write(text));
    EXPECT_EQ(StatisticsBook::open(*memory)->read(), text);
  }
}

TEST(StatisticsBook, WhatDoesNotFitLeavesThePageBefore) {
  const auto memory = create_shared_memory("test", 64 << 10);
  auto book = StatisticsBook::open(*memory);
  ASSERT_TRUE(book.ok());
  EXPECT_EQ(book->read(), "");
  ASSERT_TRUE(book->write("small"));
  EXPECT_FALSE(book->write(std::string(64 << 10, 'x')));
  EXPECT_EQ(book->read(), "small");
}

TEST(StatisticsBook, NonsenseIsAnEmptyBook) {
  const auto memory = create_shared_memory("test", 64 << 10);
  const auto map = map_shared(*memory, 4096);
  ASSERT_TRUE(map.ok());
  std::memset(map->data(), 0xff, map->size());
  EXPECT_EQ(StatisticsBook::open(*memory)->read(), "");
  EXPECT_FALSE(from_record("\xff\xff\xff").ok());
}

// What one front has shown, the next one shows at least.
TEST(Statistics, GoOnFromARecord) {
  Statistics first(2);
  auto& model = first.model("flower", "1");
  auto& petal = first.row(model, "petal0");
  first.succeeded(petal, {.total = 10ms, .queue = 1ms, .compute_infer = 5ms}, 3);
  first.executed(petal, 3, 0ms, 5ms, 0ms);
  first.failed(model, petal, Code::kInternal, 2ms);
  first.failed(model, Code::kOverloaded, 1ms);
  first.retried(petal);
  first.wasted(petal, 7ms);

  const auto record = from_record(to_record(first.snapshot()));
  ASSERT_TRUE(record.ok());
  Statistics second(1);
  second.carry_over(*record);
  auto& again = second.model("flower", "1");
  record::Statistics before, after;
  ASSERT_TRUE(before.ParseFromString(to_record(first.snapshot())));
  ASSERT_TRUE(after.ParseFromString(to_record(second.snapshot())));
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(before, after));

  second.succeeded(second.row(again, "petal0"), {.total = 10ms}, 1);
  second.executed(second.row(again, "petal0"), 3, 0ms, 5ms, 0ms);
  second.failed(again, Code::kOverloaded, 1ms);
  const auto all = second.snapshot();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].total.inference_count, 4u);
  EXPECT_EQ(all[0].total.success, (DurationStat{2, 20'000'000}));
  EXPECT_EQ(all[0].total.compute_infer.count, 2u);
  EXPECT_EQ(all[0].total.fail.count, 3u);
  EXPECT_EQ(all[0].total.retries, 1u);
  EXPECT_EQ(all[0].total.wasted_ns, 7'000'000u);
  ASSERT_EQ(all[0].total.batch_stats.size(), 1u);
  EXPECT_EQ(all[0].total.batch_stats[0].compute_infer, (DurationStat{2, 10'000'000}));
  EXPECT_EQ(all[0].errors.at(Code::kOverloaded), 2u);
  EXPECT_EQ(all[0].slices.at("petal0").request_times.count(), 2u);
}

}  // namespace
}  // namespace corolla::front
