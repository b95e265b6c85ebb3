#include "load/classify.h"

#include <gtest/gtest.h>

#include "load/delay_server.h"

namespace corolla::load {
namespace {

TEST(Classify, AModelThatTakesNoPictureIsOneSentence) {
  auto server = *DelayServer::start({});
  auto session = *client::ServerSession::open(wire::Protocol::kHttp, server->address());
  ClassifyOptions options;
  options.model = "null";
  std::atomic<bool> stop = false;
  const auto each = [](const ClassifiedPicture&) { FAIL(); };
  const auto failed = classify(*session, {"x.jpg"}, options, each, stop);
  ASSERT_FALSE(failed.ok());
  EXPECT_NE(failed.error().what.find("[4]"), std::string::npos) << failed.error().what;
  options.model = "rose";
  EXPECT_EQ(classify(*session, {"x.jpg"}, options, each, stop).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace corolla::load
