#include "wire/grpc_headers.h"

#include <gtest/gtest.h>

namespace corolla::wire {
namespace {

using namespace std::chrono_literals;

TEST(GrpcHeaders, ContentTypes) {
  for (const char* good : {"application/grpc", "application/grpc+proto",
                           "application/grpc;charset=x", "application/grpc+proto; a=b"})
    EXPECT_TRUE(is_grpc_content_type(good)) << good;
  for (const char* bad : {"", "application/json", "application/grpc-web", "application/grpc+json",
                          "application/grpcx"})
    EXPECT_FALSE(is_grpc_content_type(bad)) << bad;
}

TEST(GrpcHeaders, Timeouts) {
  EXPECT_EQ(parse_grpc_timeout("1S"), 1s);
  EXPECT_EQ(parse_grpc_timeout("250m"), 250ms);
  EXPECT_EQ(parse_grpc_timeout("99999999n"), 99999999ns);
  EXPECT_EQ(parse_grpc_timeout("7u"), 7us);
  EXPECT_EQ(parse_grpc_timeout("2M"), 2min);
  EXPECT_EQ(parse_grpc_timeout("99999999H"), std::chrono::hours(24 * 365))
      << "as good as never, and no overflow";
  EXPECT_EQ(parse_grpc_timeout("0n"), 0ns);
  for (const char* bad : {"", "5", "S", "123456789S", "1s", "-1S", "1.5S", " 1S", "1S "})
    EXPECT_FALSE(parse_grpc_timeout(bad)) << bad;
}

TEST(GrpcHeaders, Codings) {
  EXPECT_EQ(parse_coding("gzip"), Coding::kGzip);
  EXPECT_EQ(parse_coding("identity"), Coding::kIdentity);
  EXPECT_FALSE(parse_coding("snappy"));
  EXPECT_TRUE(accepts("identity,deflate, gzip", Coding::kGzip));
  EXPECT_TRUE(accepts("gzip;q=1", Coding::kGzip));
  EXPECT_FALSE(accepts("gzipped, xgzip", Coding::kGzip));
  EXPECT_FALSE(accepts("", Coding::kGzip));
}

TEST(GrpcHeaders, OnlyModelStreamInferTakesManyMessages) {
  EXPECT_TRUE(client_streams("/inference.GRPCInferenceService/ModelStreamInfer"));
  EXPECT_FALSE(client_streams("/inference.GRPCInferenceService/ModelInfer"));
  EXPECT_FALSE(client_streams("/grpc.health.v1.Health/Watch"));
}

}  // namespace
}  // namespace corolla::wire
