#include "engine/null/null_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/time.h"

namespace corolla::engine {
namespace {

using ::testing::HasSubstr;

EngineSetup with(std::map<std::string, std::string> options) {
  EngineSetup setup;
  setup.options = std::move(options);
  return setup;
}

class NoReply final : public ReplyWriter {
 public:
  bool wants(size_t) const override { return false; }
  std::span<std::byte> room(size_t, DType, std::span<const int64_t>, size_t) override { return {}; }
};

TEST(NullEngine, PlaysAsManyContextsAsItIsTold) {
  auto engine = make_null_engine(with({{"green", "16,16,100"}, {"delay_us", "500000"}}));
  ASSERT_TRUE(engine.ok());
  EXPECT_EQ((*engine)->contexts(), 3);
  EXPECT_EQ((*engine)->depth(), 3);
  ModelSource source;
  source.name = "rose";
  source.inputs = source.outputs = {{"x", DType::kFp32, {4}}};
  auto model = (*engine)->load(source);
  ASSERT_TRUE(model.ok());
  NoReply reply;
  Request requests[3];
  std::atomic<int> done = 0, most = 0;
  const TimePoint begin = now();
  for (Request& request : requests) {
    request.reply = &reply;
    (*engine)->submit(**model, {&request, 1}, [&](Status status, const Timing&) {
      EXPECT_TRUE(status.ok());
      ++done;
    });
  }
  most = static_cast<int>((now() - begin) / std::chrono::milliseconds(1));
  EXPECT_LT(most, 450) << "submit() waited for a context";
  while (done < 3) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_LT(now() - begin, std::chrono::milliseconds(1400)) << "they ran one after the other";
}

TEST(NullEngine, OneContextComputesOnTheCallersThread) {
  auto engine = make_null_engine(with({}));
  ASSERT_TRUE(engine.ok());
  EXPECT_EQ((*engine)->contexts(), 1);
}

TEST(NullEngine, RefusesWhatIsNoSplit) {
  for (const char* bad : {"", "x", "16+16", "16 16"})
    EXPECT_THAT(make_null_engine(with({{"green", bad}})).error().what,
                HasSubstr("green is '" + std::string(bad) + "'"));
  EXPECT_THAT(make_null_engine(with({{"gren", "1"}})).error().what, HasSubstr("no option 'gren'"));
}

}  // namespace
}  // namespace corolla::engine
