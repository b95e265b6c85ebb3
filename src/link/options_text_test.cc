#include "link/options_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corolla::link {
namespace {

using ::testing::HasSubstr;

TEST(OptionsText, IsReadPieceByPiece) {
  const auto options = parse_options("a=1,b=x=y,c=");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->at("b"), "x=y");
  EXPECT_EQ(options->at("c"), "");
  EXPECT_THAT(parse_options("a=1,b").error().what, HasSubstr("'b'"));
}

TEST(OptionsText, ComesBackWhateverAValueHolds) {
  const std::map<std::string, std::string> options = {
      {"command", "server --gpus='\"device=0,1\"' --share 50% %2C %25 a=b"}, {"empty", ""}};
  EXPECT_EQ(*parse_options(options_text(options)), options);
}

}  // namespace
}  // namespace corolla::link
