#include "wire/error_map.h"

#include <gtest/gtest.h>

#include <string>

namespace corolla::wire {
namespace {

TEST(ErrorMap, CodesMapAsTritonsClientsExpect) {
  EXPECT_EQ(http_status(Code::kInvalidArgument), 400);
  EXPECT_EQ(http_status(Code::kNotFound), 404);
  EXPECT_EQ(http_status(Code::kOverloaded), 503);
  EXPECT_EQ(http_status(Code::kUnavailable), 503);
  EXPECT_EQ(http_status(Code::kDeadlineExceeded), 503);
  EXPECT_EQ(http_status(Code::kTooLarge), 413);
  EXPECT_EQ(http_status(Code::kUnsupported), 501);
  EXPECT_EQ(http_status(Code::kInternal), 500);
  EXPECT_EQ(grpc_code(Code::kInvalidArgument), GrpcCode::kInvalidArgument);
  EXPECT_EQ(grpc_code(Code::kTooLarge), GrpcCode::kResourceExhausted);
  EXPECT_EQ(grpc_code(Code::kOverloaded), GrpcCode::kUnavailable);
  EXPECT_EQ(grpc_code(Code::kDeadlineExceeded), GrpcCode::kDeadlineExceeded);
  EXPECT_EQ(grpc_code(Code::kUnsupported), GrpcCode::kUnimplemented);
}

TEST(ErrorMap, EveryCodeHasAnHttpErrorStatusWithAName) {
  for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i) {
    const int status = http_status(static_cast<Code>(i));
    EXPECT_GE(status, 400);
    EXPECT_NE(http_reason(status), "Unknown") << status;
    EXPECT_NE(grpc_code(static_cast<Code>(i)), GrpcCode::kOk);
  }
}

TEST(ErrorMap, JsonEscapesWhatAClientMayHaveSent) {
  EXPECT_EQ(error_json("plain"), R"({"error":"plain"})");
  EXPECT_EQ(error_json("a \"b\" \\ \n \x01"), R"({"error":"a \"b\" \\ \n \u0001"})");
  EXPECT_EQ(error_json("gr\xC3\xBC\xC3\x9F \xF0\x9F\x8C\xB8"),
            "{\"error\":\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x8C\xB8\"}");
  EXPECT_EQ(error_json("\xFF|\xC3|\xC0\xAF|\xED\xA0\x80"),
            R"({"error":"\ufffd|\ufffd|\ufffd\ufffd|\ufffd\ufffd\ufffd"})");
  EXPECT_EQ(error_json(std::string_view("\0", 1)), R"({"error":"\u0000"})");
}

TEST(ErrorMap, PercentEncodingLeavesPrintableAsciiAlone) {
  EXPECT_EQ(percent_encode("model 'x' is 100% gone\n"), "model 'x' is 100%25 gone%0A");
  EXPECT_EQ(percent_encode("\xC3\xBC"), "%C3%BC");
}

}  // namespace
}  // namespace corolla::wire
