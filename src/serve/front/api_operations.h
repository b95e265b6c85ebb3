// The protocol's operations beside inference, on protobuf messages: the HTTP form (api_http.h) and
// the gRPC form (api_grpc.h) of each lead here, so both answer alike.
//
// Threads: any; callbacks run as ApiBackend's do.
#pragma once
#include <functional>
#include <string>

#include "base/result.h"
#include "serve/front/api_state.h"
#include "serve/front/settings.h"
#include "serve/front/shm_registry.h"
#include "wire/inference.pb.h"

namespace corolla::front {

struct ApiInfo {
  std::string server_name = "corolla";
  std::string server_version;
};

class ApiOperations {
 public:
  // All are kept by reference and outlive it.
  ApiOperations(ApiInfo info, ApiBackend& backend, ShmRegistry& shm, TraceSettings& trace,
                LogSettings& log);

  template <class Response>
  using Done = std::function<void(Result<Response>)>;

  bool server_ready() const { return backend_.ready(); }
  bool model_ready(const std::string& name, const std::string& version) const;

  inference::ServerMetadataResponse server_metadata() const;
  Result<inference::ModelMetadataResponse> model_metadata(
      const inference::ModelMetadataRequest& r) const;
  Result<inference::ModelConfigResponse> model_config(const inference::ModelConfigRequest& r) const;
  // No name: all models.
  Result<inference::ModelStatisticsResponse> statistics(
      const inference::ModelStatisticsRequest& r) const;

  void index(const inference::RepositoryIndexRequest& r,
             Done<inference::RepositoryIndexResponse> done);
  void load(const inference::RepositoryModelLoadRequest& r,
            Done<inference::RepositoryModelLoadResponse> done);
  void unload(const inference::RepositoryModelUnloadRequest& r,
              Done<inference::RepositoryModelUnloadResponse> done);

  Result<inference::SystemSharedMemoryStatusResponse> shm_status(
      const inference::SystemSharedMemoryStatusRequest& r) const;
  void shm_register(const inference::SystemSharedMemoryRegisterRequest& r,
                    Done<inference::SystemSharedMemoryRegisterResponse> done);
  void map_registered(Result<ShmRef> region,
                      Done<inference::SystemSharedMemoryRegisterResponse> done);
  inference::SystemSharedMemoryUnregisterResponse shm_unregister(
      const inference::SystemSharedMemoryUnregisterRequest& r);

  // There is no CUDA memory to share: nothing is registered, and nothing can be.
  Result<inference::CudaSharedMemoryStatusResponse> cuda_status(
      const inference::CudaSharedMemoryStatusRequest& r) const;
  Error cuda_register(const std::string& region) const;

  Result<inference::TraceSettingResponse> trace_setting(const inference::TraceSettingRequest& r);
  Result<inference::LogSettingsResponse> log_settings(const inference::LogSettingsRequest& r);

 private:
  const ApiInfo info_;
  ApiBackend& backend_;
  ShmRegistry& shm_;
  TraceSettings& trace_;
  LogSettings& log_;
};

}  // namespace corolla::front
