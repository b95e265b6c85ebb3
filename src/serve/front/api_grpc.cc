#include "serve/front/api_grpc.h"

#include <limits>

#include "wire/health.pb.h"

namespace corolla::front {
namespace {

template <class Message>
Result<Message> parsed(std::string_view bytes) {
  Message message;
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max()) ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Error{Code::kInvalidArgument, "the " + std::to_string(bytes.size()) +
                                             " bytes of the request are no " +
                                             message.GetTypeName()};
  return message;
}

template <class Message>
wire::Reply reply(const Message& message) {
  wire::Reply reply;
  reply.pieces.emplace_back(message.SerializeAsString());
  return reply;
}

template <class Message>
Result<wire::Reply> reply(const Result<Message>& result) {
  if (!result.ok()) return result.error();
  return reply(*result);
}

// For operations that answer later.
template <class Message>
ApiOperations::Done<Message> replying(ApiDone done) {
  return [done = std::move(done)](const Result<Message>& result) { done(reply(result)); };
}

Result<wire::Reply> health(const ApiOperations& operations, std::string_view bytes) {
  namespace v1 = grpc::health::v1;
  ASSIGN_OR_RETURN(auto request, parsed<v1::HealthCheckRequest>(bytes));
  if (!request.service().empty() && request.service() != "inference.GRPCInferenceService")
    return Error{Code::kNotFound, "there is no service '" + request.service().substr(0, 200) + "'"};
  v1::HealthCheckResponse response;
  response.set_status(operations.server_ready() ? v1::HealthCheckResponse::SERVING
                                                : v1::HealthCheckResponse::NOT_SERVING);
  return reply(response);
}

// Operations that answer at once.
Result<wire::Reply> answer_now(ApiOperations& operations, Operation operation,
                               std::string_view bytes) {
  using namespace inference;
  switch (operation) {
    case Operation::kServerLive: {
      ServerLiveResponse response;
      response.set_live(true);
      return reply(response);
    }
    case Operation::kServerReady: {
      ServerReadyResponse response;
      response.set_ready(operations.server_ready());
      return reply(response);
    }
    case Operation::kModelReady: {
      ASSIGN_OR_RETURN(auto request, parsed<ModelReadyRequest>(bytes));
      ModelReadyResponse response;
      response.set_ready(operations.model_ready(request.name(), request.version()));
      return reply(response);
    }
    case Operation::kServerMetadata:
      return reply(operations.server_metadata());
    case Operation::kModelMetadata: {
      ASSIGN_OR_RETURN(auto request, parsed<ModelMetadataRequest>(bytes));
      return reply(operations.model_metadata(request));
    }
    case Operation::kModelConfig: {
      ASSIGN_OR_RETURN(auto request, parsed<ModelConfigRequest>(bytes));
      return reply(operations.model_config(request));
    }
    case Operation::kModelStatistics: {
      ASSIGN_OR_RETURN(auto request, parsed<ModelStatisticsRequest>(bytes));
      return reply(operations.statistics(request));
    }
    case Operation::kSystemShmStatus: {
      ASSIGN_OR_RETURN(auto request, parsed<SystemSharedMemoryStatusRequest>(bytes));
      return reply(operations.shm_status(request));
    }
    case Operation::kSystemShmUnregister: {
      ASSIGN_OR_RETURN(auto request, parsed<SystemSharedMemoryUnregisterRequest>(bytes));
      return reply(operations.shm_unregister(request));
    }
    case Operation::kCudaShmStatus: {
      ASSIGN_OR_RETURN(auto request, parsed<CudaSharedMemoryStatusRequest>(bytes));
      return reply(operations.cuda_status(request));
    }
    case Operation::kCudaShmRegister: {
      ASSIGN_OR_RETURN(auto request, parsed<CudaSharedMemoryRegisterRequest>(bytes));
      return operations.cuda_register(request.name());
    }
    case Operation::kCudaShmUnregister:
      return reply(CudaSharedMemoryUnregisterResponse());
    case Operation::kTraceSetting: {
      ASSIGN_OR_RETURN(auto request, parsed<TraceSettingRequest>(bytes));
      return reply(operations.trace_setting(request));
    }
    case Operation::kLogSettings: {
      ASSIGN_OR_RETURN(auto request, parsed<LogSettingsRequest>(bytes));
      return reply(operations.log_settings(request));
    }
    case Operation::kHealthCheck:
      return health(operations, bytes);
    default:
      return Error{Code::kInternal, "an operation of another path came to the API"};
  }
}

}  // namespace

void answer_grpc(ApiOperations& operations, const Route& route, std::string_view message,
                 ApiDone done) {
  using namespace inference;
  switch (route.operation) {
    case Operation::kRepositoryIndex: {
      auto request = parsed<RepositoryIndexRequest>(message);
      if (!request.ok()) return done(request.error());
      return operations.index(*request, replying<RepositoryIndexResponse>(std::move(done)));
    }
    case Operation::kModelLoad: {
      auto request = parsed<RepositoryModelLoadRequest>(message);
      if (!request.ok()) return done(request.error());
      return operations.load(*request, replying<RepositoryModelLoadResponse>(std::move(done)));
    }
    case Operation::kModelUnload: {
      auto request = parsed<RepositoryModelUnloadRequest>(message);
      if (!request.ok()) return done(request.error());
      return operations.unload(*request, replying<RepositoryModelUnloadResponse>(std::move(done)));
    }
    case Operation::kSystemShmRegister: {
      auto request = parsed<SystemSharedMemoryRegisterRequest>(message);
      if (!request.ok()) return done(request.error());
      return operations.shm_register(*request,
                                     replying<SystemSharedMemoryRegisterResponse>(std::move(done)));
    }
    default:
      return done(answer_now(operations, route.operation, message));
  }
}

}  // namespace corolla::front
