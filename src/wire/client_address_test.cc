#include "wire/client_address.h"

#include <gtest/gtest.h>

namespace corolla::wire {
namespace {

TEST(ClientAddress, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(resolve_address("127.0.0.1", 8001)->text, "127.0.0.1:8001");
  EXPECT_EQ(resolve_address("http://127.0.0.1:7/", 8000)->port(), 7);
  EXPECT_EQ(resolve_address("[::1]:9", 8000)->text, "[::1]:9");
  for (const char* bad : {"", ":8000", "host:", "host:0", "host:70000", "host:8o", "[::1"})
    EXPECT_EQ(resolve_address(bad, 8000).error().code, Code::kInvalidArgument) << bad;
  EXPECT_EQ(resolve_address("no.such.host.invalid:1", 1).error().code, Code::kUnavailable);
  EXPECT_EQ(resolve_address("https://127.0.0.1", 1).error().code, Code::kUnsupported);
}

}  // namespace
}  // namespace corolla::wire
