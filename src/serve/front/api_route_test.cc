#include "serve/front/api_route.h"

#include <gtest/gtest.h>

namespace corolla::front {
namespace {

Route routed(std::string_view method, std::string_view path) {
  HttpRoute r = route_http(method, path);
  EXPECT_EQ(r.status, 200) << method << " " << path << ": " << r.error;
  return r.route;
}

TEST(ApiRoute, KnowsEachHttpPath) {
  struct Case {
    const char* method;
    const char* path;
    Operation operation;
    const char* model = "";
    const char* version = "";
    const char* region = "";
  };
  const Case cases[] = {
      {"GET", "/v2", Operation::kServerMetadata},
      {"GET", "/v2/", Operation::kServerMetadata},
      {"GET", "/v2/health/live", Operation::kServerLive},
      {"GET", "/v2/health/ready", Operation::kServerReady},
      {"GET", "/v2/models/flower", Operation::kModelMetadata, "flower"},
      {"GET", "/v2/models/flower/versions/2", Operation::kModelMetadata, "flower", "2"},
      {"POST", "/v2/models/flower/infer", Operation::kInfer, "flower"},
      {"POST", "/v2/models/flower/versions/3/infer", Operation::kInfer, "flower", "3"},
      {"GET", "/v2/models/flower/ready", Operation::kModelReady, "flower"},
      {"GET", "/v2/models/flower/versions/1/config", Operation::kModelConfig, "flower", "1"},
      {"GET", "/v2/models/flower/stats", Operation::kModelStatistics, "flower"},
      {"GET", "/v2/models/stats", Operation::kModelStatistics},
      {"GET", "/v2/models/stats/config", Operation::kModelConfig, "stats"},
      {"POST", "/v2/models/a%20b%2Fc/infer", Operation::kInfer, "a b/c"},
      {"POST", "/v2/repository/index", Operation::kRepositoryIndex},
      {"POST", "/v2/repository/mine/index", Operation::kRepositoryIndex},
      {"POST", "/v2/repository/models/m/load", Operation::kModelLoad, "m"},
      {"POST", "/v2/repository/mine/models/m/unload", Operation::kModelUnload, "m"},
      {"GET", "/v2/systemsharedmemory/status", Operation::kSystemShmStatus},
      {"GET", "/v2/systemsharedmemory/region/r/status", Operation::kSystemShmStatus, "", "", "r"},
      {"POST", "/v2/systemsharedmemory/region/r/register", Operation::kSystemShmRegister, "", "",
       "r"},
      {"POST", "/v2/systemsharedmemory/unregister", Operation::kSystemShmUnregister},
      {"POST", "/v2/cudasharedmemory/region/r/unregister", Operation::kCudaShmUnregister, "", "",
       "r"},
      {"GET", "/v2/cudasharedmemory/status", Operation::kCudaShmStatus},
      {"POST", "/v2/cudasharedmemory/region/r/register", Operation::kCudaShmRegister, "", "", "r"},
      {"GET", "/v2/trace/setting", Operation::kTraceSetting},
      {"POST", "/v2/models/m/trace/setting", Operation::kTraceSetting, "m"},
      {"GET", "/v2/logging", Operation::kLogSettings},
      {"POST", "/v2/logging", Operation::kLogSettings},
  };
  for (const Case& c : cases) {
    Route route = routed(c.method, c.path);
    EXPECT_EQ(route.operation, c.operation) << c.path;
    EXPECT_EQ(route.model, c.model) << c.path;
    EXPECT_EQ(route.version, c.version) << c.path;
    EXPECT_EQ(route.region, c.region) << c.path;
  }
  EXPECT_EQ(routed("POST", "/v2/repository/mine/index").repository, "mine");
  EXPECT_TRUE(routed("POST", "/v2/logging").change);
  EXPECT_FALSE(routed("GET", "/v2/logging").change);
}

TEST(ApiRoute, RefusesWhatLeadsNowhere) {
  for (const char* path : {"",
                           "/",
                           "v2",
                           "/v1/models",
                           "/v2x",
                           "/v2//",
                           "/v2/models",
                           "/v2/models/",
                           "/v2/models//infer",
                           "/v2/models/m/",
                           "/v2/models/m/infer/",
                           "/v2/models/m/infer/x",
                           "/v2/models/m/versions",
                           "/v2/models/m/versions//infer",
                           "/v2/models/%zz/infer",
                           "/v2/models/%4/infer",
                           "/v2/models/%",
                           "/v2/repository",
                           "/v2/repository/models",
                           "/v2/repository/models/m",
                           "/v2/repository/models//load",
                           "/v2/systemsharedmemory/register",
                           "/v2/systemsharedmemory/region/status/x",
                           "/v2/systemsharedmemory/region//register",
                           "/v2/health",
                           "/v2/health/live/x",
                           "/v2/trace",
                           "/v2/logging/x",
                           "/v2/models/m/generate",
                           "/metrics\xff"}) {
    EXPECT_EQ(route_http("POST", path).status, 404) << path;
    EXPECT_FALSE(route_http("POST", path).error.empty());
  }
}

TEST(ApiRoute, SaysWhichMethodIsAllowed) {
  HttpRoute get = route_http("GET", "/v2/models/m/infer");
  EXPECT_EQ(get.status, 405);
  EXPECT_NE(get.error.find("use POST"), std::string::npos);
  EXPECT_EQ(route_http("POST", "/v2/models/m").status, 405);
  EXPECT_EQ(route_http("DELETE", "/v2/logging").status, 405);
}

TEST(ApiRoute, KnowsGrpcMethods) {
  EXPECT_EQ(route_grpc("/inference.GRPCInferenceService/ModelInfer")->operation, Operation::kInfer);
  EXPECT_EQ(route_grpc("/inference.GRPCInferenceService/RepositoryModelLoad")->operation,
            Operation::kModelLoad);
  EXPECT_EQ(route_grpc("/grpc.health.v1.Health/Check")->operation, Operation::kHealthCheck);
  for (const char* path :
       {"", "/", "/inference.GRPCInferenceService/", "/grpc.health.v1.Health/Watch",
        "/inference.GRPCInferenceService/ModelInferX", "/x/ModelInfer"})
    EXPECT_EQ(route_grpc(path).error().code, Code::kUnsupported) << path;
}

}  // namespace
}  // namespace corolla::front
