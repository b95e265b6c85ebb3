#include "engine/external/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corolla::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::map<std::string, std::string> kValues = {{"http_port", "4711"}, {"uuid", "MIG-a b"}};

TEST(SplitCommand, BlanksSeparateAndQuotesHoldTogether) {
  EXPECT_THAT(*split_command("  a  b\tc\n", {}), ElementsAre("a", "b", "c"));
  EXPECT_THAT(*split_command(R"(a 'b "c' "d 'e" f\ g "h\"i\\" '' x'y'z)", {}),
              ElementsAre("a", "b \"c", "d 'e", "f g", "h\"i\\", "", "xyz"));
}

TEST(SplitCommand, NamesAreReplacedAfterTheSplitting) {
  EXPECT_THAT(*split_command("s --port={http_port} --gpus '\"device={uuid}\"'", kValues),
              ElementsAre("s", "--port=4711", "--gpus", "\"device=MIG-a b\""));
}

TEST(SplitCommand, BracesThatAreNoNameStay) {
  EXPECT_THAT(*split_command(R"(s '{"a": {}}' {A} {http_port {)", kValues),
              ElementsAre("s", R"({"a": {}})", "{A}", "{http_port", "{"));
}

TEST(SplitCommand, WhatCannotBeReadIsSaid) {
  EXPECT_THAT(split_command("a 'b", {}).error().what, HasSubstr("character 3"));
  EXPECT_THAT(split_command("a {port}", kValues).error().what,
              HasSubstr("{port}, which nothing is put in for; there are {http_port}, {uuid}"));
  EXPECT_EQ(split_command(" \n", {}).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace corolla::engine
