// A client of any KServe v2 / Triton server, over HTTP or gRPC.
//
// Asynchronous: each call returns at once, and its callback runs exactly once, on the client's
// loop, never inside the call. Threads: the loop's only. For programs without a loop of their own
// there is ServerSession (server_session.h).
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"
#include "client/infer_call.h"
#include "wire/client_address.h"
#include "wire/client_call.h"
#include "wire/event_loop.h"

namespace corolla::client {

struct ServerMetadata {
  std::string name, version;
  std::vector<std::string> extensions;
};

struct TensorMetadata {
  std::string name;
  DType dtype = DType::kFp32;
  std::vector<int64_t>
      shape;  // -1: any size; the batch dimension comes first when the model batches
};

struct ModelMetadata {
  std::string name, platform;
  std::vector<std::string> versions;
  std::vector<TensorMetadata> inputs, outputs;
};

struct ModelConfig {
  int64_t max_batch_size = 0;  // 0: the model has no batch dimension
  bool decoupled = false;
  bool sequence = false;
  std::vector<std::string> optional_inputs;
};

// Cumulative since the model was loaded.
struct CountedTime {
  uint64_t count = 0, ns = 0;
};
struct ModelStatistics {
  std::string version;
  uint64_t inference_count = 0, execution_count = 0;
  CountedTime success, fail, queue, compute_input, compute_infer, compute_output;
};

class KserveClient {
 public:
  template <class T>
  using Callback = std::function<void(Result<T>)>;

  KserveClient(wire::EventLoop& loop, wire::Protocol protocol, wire::ClientAddress address,
               wire::ClientHeaders headers = {});
  ~KserveClient();  // calls in flight are dropped, their callbacks never run

  wire::Protocol protocol() const { return protocol_; }
  const wire::ClientAddress& address() const { return address_; }

  // Every answer must come within this time. Default: 30 s.
  void set_timeout(Duration timeout) { timeout_ = timeout; }

  void server_metadata(Callback<ServerMetadata> done);
  void model_metadata(const std::string& model, const std::string& version,
                      Callback<ModelMetadata> done);
  void model_config(const std::string& model, const std::string& version,
                    Callback<ModelConfig> done);
  // All versions that the server reports. `model` may be empty: all models.
  void statistics(const std::string& model, const std::string& version,
                  Callback<std::vector<ModelStatistics>> done);
  void server_ready(Callback<bool> done);
  // By the server's repository API, which not every server has (kNotFound, kUnsupported) and
  // Triton offers with --model-control-mode=explicit only (kInvalidArgument or kUnavailable else).
  void load_model(const std::string& model, Callback<Ok> done);

  // `request.inputs[].bytes` must stay valid until the callback.
  void infer(const wire::InferRequest& request, Callback<InferAnswer> done);

  // System shared memory: `key` is the name for shm_open.
  void register_shared_memory(const std::string& region, const std::string& key, uint64_t bytes,
                              Callback<Ok> done);
  void unregister_shared_memory(const std::string& region, Callback<Ok> done);

  // Sends a call made elsewhere. `done` gets the raw answer, valid during the callback.
  void send(std::shared_ptr<const wire::ClientCall> call,
            std::function<void(const wire::Answer&)> done);
  // HTTP GET of any path, whatever the protocol of the client: "/metrics".
  void get(const std::string& path, Callback<std::string> done);

 private:
  class Pool;
  void http(const std::string& method, const std::string& path, std::string body,
            std::function<void(const wire::Answer&)> done);
  template <class Response, class Request>
  void grpc(std::string_view method, const Request& request,
            std::function<void(Result<Response>)> done);

  wire::Protocol protocol_;
  wire::ClientAddress address_;
  wire::ClientHeaders headers_;
  Duration timeout_ = std::chrono::seconds(30);
  std::unique_ptr<Pool> pool_;
};

}  // namespace corolla::client
