#include "engine/external/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corolla::engine {
namespace {

using ::testing::HasSubstr;

TEST(ExternalSettings, AreRead) {
  const auto settings = read_settings({{"command", "server {http_port}"},
                                       {"cleanup", "docker rm -f corolla-{slice}"},
                                       {"protocol", "grpc"},
                                       {"ready", "2m"},
                                       {"stop", "500ms"},
                                       {"instances", "4"}});
  ASSERT_TRUE(settings.ok()) << settings.error().what;
  EXPECT_EQ(settings->protocol, wire::Protocol::kGrpc);
  EXPECT_EQ(settings->ready, std::chrono::minutes(2));
  EXPECT_EQ(settings->stop, std::chrono::milliseconds(500));
  EXPECT_EQ(settings->instances, 4);
}

TEST(ExternalSettings, WhatIsWrongIsNamed) {
  const auto problem = [](std::map<std::string, std::string> options) {
    options.try_emplace("command", "server");
    const auto settings = read_settings(options);
    return settings.ok() ? "" : settings.error().what;
  };
  EXPECT_EQ(problem({}), "");
  EXPECT_THAT(read_settings({}).error().what, HasSubstr("needs the option 'command'"));
  EXPECT_THAT(problem({{"comand", "x"}}), HasSubstr("no option 'comand'"));
  EXPECT_THAT(problem({{"protocol", "rest"}}), HasSubstr("http or grpc"));
  for (const char* bad : {"0", "65", "two", ""})
    EXPECT_THAT(problem({{"instances", bad}}), HasSubstr("1 to 64")) << bad;
  for (const char* bad : {"", "5", "s", "-1s", "25h", "1441m", "1 s", "99999999999999999999s"})
    EXPECT_THAT(problem({{"ready", bad}}), HasSubstr("500ms")) << bad;
}

}  // namespace
}  // namespace corolla::engine
