// Which operation of the protocol a path asks for. Both protocols' paths become the same Route;
// inference too, so this is on the hot path and allocates nothing but long names. Stateless and
// thread-safe.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace corolla::front {

enum class Operation : uint8_t {
  kInfer,
  kStreamInfer,  // gRPC, both ways streaming
  kServerLive,
  kServerReady,
  kModelReady,
  kServerMetadata,
  kModelMetadata,
  kModelConfig,
  kModelStatistics,
  kRepositoryIndex,
  kModelLoad,
  kModelUnload,
  kSystemShmStatus,
  kSystemShmRegister,
  kSystemShmUnregister,
  kCudaShmStatus,
  kCudaShmRegister,
  kCudaShmUnregister,
  kTraceSetting,
  kLogSettings,
  kHealthCheck,  // grpc.health.v1
};

// The names are the path's, percent-decoded; empty where it has none, and always for gRPC, whose
// messages carry them.
struct Route {
  Operation operation = Operation::kServerLive;
  std::string model, version;
  std::string region;      // of shared memory
  std::string repository;  // /v2/repository/NAME/...
  bool change = false;     // trace and log settings: POST
};

// What an HTTP path leads to. `status` 200: `route` counts. 404 or 405: `error` is the sentence for
// the answer.
struct HttpRoute {
  int status = 200;
  Route route;
  std::string error;
};
HttpRoute route_http(std::string_view method, std::string_view path);

// "/inference.GRPCInferenceService/ModelInfer". kUnsupported (UNIMPLEMENTED, as gRPC wants it) for
// what is not offered.
Result<Route> route_grpc(std::string_view path);

}  // namespace corolla::front
