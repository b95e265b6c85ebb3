#include "wire/json_value.h"

#include <gtest/gtest.h>

namespace corolla::wire {
namespace {

TEST(JsonValue, ReadsEachKind) {
  auto root =
      parse_json(R"({"a":[1,-2,18446744073709551615,1.5],"b":"\u00e9","c":true,"d":null,"e":{}})",
                 1000, "body");
  ASSERT_TRUE(root.ok()) << root.error().what;
  const auto* a = root->find("a")->as<JsonValue::Array>();
  EXPECT_EQ(*(*a)[0].as<int64_t>(), 1);
  EXPECT_EQ(*(*a)[1].as<int64_t>(), -2);
  EXPECT_EQ(*(*a)[2].as<uint64_t>(), 18446744073709551615u);
  EXPECT_EQ(*(*a)[3].as<double>(), 1.5);
  EXPECT_EQ(*root->find("b")->as<std::string>(), "\xc3\xa9");
  EXPECT_TRUE(*root->find("c")->as<bool>());
  EXPECT_TRUE(root->find("d")->is_null());
  EXPECT_TRUE(root->find("e")->as<JsonValue::Object>()->empty());
  EXPECT_EQ(root->find("f"), nullptr);
  EXPECT_EQ(a->at(0).find("x"), nullptr);
}

TEST(JsonValue, RefusesWhatIsNotJson) {
  for (std::string text :
       {"", " ", "{", "{\"a\":1,\"a\":2}", "[1,]", "nul", "\"\xff\"", "1 2", "{}x"})
    EXPECT_EQ(parse_json(text, 1000, "body").error().code, Code::kInvalidArgument) << text;
  std::string deep(100'000, '[');
  EXPECT_EQ(parse_json(deep, 1 << 20, "body").error().code, Code::kInvalidArgument);
  EXPECT_EQ(parse_json(deep + std::string(100'000, ']'), 1 << 20, "body").error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(parse_json("[1,2,3]", 3, "body").error().code, Code::kTooLarge);
}

}  // namespace
}  // namespace corolla::wire
