#include "client/kserve_client.h"

#include "client/json_text.h"
#include "client/kserve_json.h"
#include "wire/client_grpc.h"
#include "wire/client_http.h"
#include "wire/inference.pb.h"

namespace corolla::client {
namespace {

using wire::Answer;
using wire::Protocol;

std::string model_path(const std::string& model, const std::string& version) {
  return "/v2/models/" + model + (version.empty() ? "" : "/versions/" + version);
}

CountedTime counted(const inference::StatisticDuration& d) { return {d.count(), d.ns()}; }

template <class List>
Result<std::vector<TensorMetadata>> tensors(const List& list) {
  std::vector<TensorMetadata> out;
  for (const auto& t : list) {
    const auto dtype = dtype_from_name(t.datatype());
    if (!dtype)
      return Error{Code::kUnavailable,
                   "tensor '" + t.name() + "' has the unknown type '" + t.datatype() + "'"};
    out.push_back({t.name(), *dtype, {t.shape().begin(), t.shape().end()}});
  }
  return out;
}

}  // namespace

// Connections, made as they are needed: one for gRPC, one for each HTTP call in flight.
class KserveClient::Pool final : public wire::CallObserver {
 public:
  Pool(wire::EventLoop& loop, const wire::ClientAddress& address)
      : loop_(loop), address_(address) {}

  void send(bool http, std::shared_ptr<const wire::ClientCall> call, Duration timeout,
            std::function<void(const Answer&)> done) {
    wire::ClientConnection* free = nullptr;
    for (auto& [is_http, connection] : connections_)
      if (is_http == http && connection->room() > 0) {
        free = connection.get();
        break;
      }
    if (free == nullptr) {
      connections_.emplace_back(http, http ? wire::make_http_connection(loop_, address_)
                                           : wire::make_grpc_connection(loop_, address_));
      free = connections_.back().second.get();
    }
    const uint64_t tag = ++last_tag_;
    waiting_.emplace(tag, std::move(done));
    free->call(std::move(call), tag, *this, timeout);
  }

  void on_answer(uint64_t tag, const Answer& answer) override {
    auto node = waiting_.extract(tag);
    node.mapped()(answer);
  }

 private:
  wire::EventLoop& loop_;
  wire::ClientAddress address_;
  std::vector<std::pair<bool, std::unique_ptr<wire::ClientConnection>>> connections_;
  std::map<uint64_t, std::function<void(const Answer&)>> waiting_;
  uint64_t last_tag_ = 0;
};

KserveClient::KserveClient(wire::EventLoop& loop, Protocol protocol, wire::ClientAddress address,
                           wire::ClientHeaders headers)
    : protocol_(protocol),
      address_(std::move(address)),
      headers_(std::move(headers)),
      pool_(std::make_unique<Pool>(loop, address_)) {}

KserveClient::~KserveClient() = default;

void KserveClient::send(std::shared_ptr<const wire::ClientCall> call,
                        std::function<void(const Answer&)> done) {
  pool_->send(protocol_ == Protocol::kHttp, std::move(call), timeout_, std::move(done));
}

void KserveClient::http(const std::string& method, const std::string& path, std::string body,
                        std::function<void(const Answer&)> done) {
  auto call = std::make_shared<wire::ClientCall>();
  call->method = method;
  call->path = path;
  call->headers = headers_;
  if (!body.empty()) call->body.emplace_back(std::move(body));
  wire::finish_http_call(*call, address_.text);
  pool_->send(true, std::move(call), timeout_, std::move(done));
}

template <class Response, class Request>
void KserveClient::grpc(std::string_view method, const Request& request,
                        std::function<void(Result<Response>)> done) {
  std::vector<wire::Piece> pieces;
  pieces.emplace_back(request.SerializeAsString());
  auto call = wire::make_grpc_call(method, std::move(pieces), headers_);
  pool_->send(
      false, std::move(call), timeout_,
      [done = std::move(done), name = std::string(method)](const Answer& answer) {
        if (answer.error) return done(*answer.error);
        Response response;
        if (!response.ParseFromArray(answer.body.data(), static_cast<int>(answer.body.size())))
          return done(Error{Code::kUnavailable, "the answer to " + name + " is not its message"});
        done(std::move(response));
      });
}

void KserveClient::get(const std::string& path, Callback<std::string> done) {
  http("GET", path, "", [done = std::move(done)](const Answer& answer) {
    if (answer.error) return done(*answer.error);
    done(std::string(reinterpret_cast<const char*>(answer.body.data()), answer.body.size()));
  });
}

void KserveClient::server_metadata(Callback<ServerMetadata> done) {
  if (protocol_ == Protocol::kHttp)
    return http("GET", "/v2", "", [done = std::move(done)](const Answer& answer) {
      answer.error ? done(*answer.error) : done(read_server_metadata(answer.body));
    });
  grpc<inference::ServerMetadataResponse>(
      "ServerMetadata", inference::ServerMetadataRequest(),
      [done = std::move(done)](Result<inference::ServerMetadataResponse> r) {
        if (!r.ok()) return done(r.error());
        done(ServerMetadata{
            r->name(), r->version(), {r->extensions().begin(), r->extensions().end()}});
      });
}

void KserveClient::server_ready(Callback<bool> done) {
  if (protocol_ == Protocol::kHttp)
    return http("GET", "/v2/health/ready", "", [done = std::move(done)](const Answer& answer) {
      if (answer.http_status == 0 && answer.error) return done(*answer.error);
      done(answer.ok());
    });
  grpc<inference::ServerReadyResponse>(
      "ServerReady", inference::ServerReadyRequest(),
      [done = std::move(done)](Result<inference::ServerReadyResponse> r) {
        if (!r.ok()) return done(r.error());
        done(r->ready());
      });
}

void KserveClient::model_metadata(const std::string& model, const std::string& version,
                                  Callback<ModelMetadata> done) {
  if (protocol_ == Protocol::kHttp)
    return http("GET", model_path(model, version), "",
                [done = std::move(done)](const Answer& answer) {
                  answer.error ? done(*answer.error) : done(read_model_metadata(answer.body));
                });
  inference::ModelMetadataRequest request;
  request.set_name(model);
  request.set_version(version);
  grpc<inference::ModelMetadataResponse>(
      "ModelMetadata", request,
      [done = std::move(done)](Result<inference::ModelMetadataResponse> r) {
        if (!r.ok()) return done(r.error());
        ModelMetadata metadata{
            r->name(), r->platform(), {r->versions().begin(), r->versions().end()}, {}, {}};
        auto inputs = tensors(r->inputs()), outputs = tensors(r->outputs());
        if (!inputs.ok()) return done(inputs.error());
        if (!outputs.ok()) return done(outputs.error());
        metadata.inputs = *std::move(inputs);
        metadata.outputs = *std::move(outputs);
        done(std::move(metadata));
      });
}

void KserveClient::model_config(const std::string& model, const std::string& version,
                                Callback<ModelConfig> done) {
  if (protocol_ == Protocol::kHttp)
    return http("GET", model_path(model, version) + "/config", "",
                [done = std::move(done)](const Answer& answer) {
                  answer.error ? done(*answer.error) : done(read_model_config(answer.body));
                });
  inference::ModelConfigRequest request;
  request.set_name(model);
  request.set_version(version);
  grpc<inference::ModelConfigResponse>(
      "ModelConfig", request, [done = std::move(done)](Result<inference::ModelConfigResponse> r) {
        if (!r.ok()) return done(r.error());
        const inference::ModelConfig& c = r->config();
        ModelConfig config;
        config.max_batch_size = c.max_batch_size();
        config.decoupled = c.model_transaction_policy().decoupled();
        config.sequence = c.has_sequence_batching();
        for (const auto& input : c.input())
          if (input.optional()) config.optional_inputs.push_back(input.name());
        done(std::move(config));
      });
}

void KserveClient::statistics(const std::string& model, const std::string& version,
                              Callback<std::vector<ModelStatistics>> done) {
  if (protocol_ == Protocol::kHttp)
    return http("GET", model.empty() ? "/v2/models/stats" : model_path(model, version) + "/stats",
                "", [done = std::move(done)](const Answer& answer) {
                  answer.error ? done(*answer.error) : done(read_statistics(answer.body));
                });
  inference::ModelStatisticsRequest request;
  request.set_name(model);
  request.set_version(version);
  grpc<inference::ModelStatisticsResponse>(
      "ModelStatistics", request,
      [done = std::move(done)](Result<inference::ModelStatisticsResponse> r) {
        if (!r.ok()) return done(r.error());
        std::vector<ModelStatistics> out;
        for (const auto& m : r->model_stats()) {
          const auto& s = m.inference_stats();
          out.push_back({m.version(), m.inference_count(), m.execution_count(),
                         counted(s.success()), counted(s.fail()), counted(s.queue()),
                         counted(s.compute_input()), counted(s.compute_infer()),
                         counted(s.compute_output())});
        }
        done(std::move(out));
      });
}

void KserveClient::load_model(const std::string& model, Callback<Ok> done) {
  if (protocol_ == Protocol::kHttp)
    return http("POST", "/v2/repository/models/" + model + "/load", "{}",
                [done = std::move(done)](const Answer& answer) {
                  answer.error ? done(*answer.error) : done(Ok{});
                });
  inference::RepositoryModelLoadRequest request;
  request.set_model_name(model);
  grpc<inference::RepositoryModelLoadResponse>(
      "RepositoryModelLoad", request,
      [done = std::move(done)](const Result<inference::RepositoryModelLoadResponse>& r) {
        r.ok() ? done(Ok{}) : done(r.error());
      });
}

void KserveClient::infer(const wire::InferRequest& request, Callback<InferAnswer> done) {
  InferOptions options;
  options.headers = headers_;
  options.host = address_.text;
  send(make_infer_call(protocol_, request, options),
       [protocol = protocol_, done = std::move(done)](const Answer& answer) {
         auto read = read_infer_answer(protocol, answer);
         read.ok() ? done(kept(*std::move(read))) : done(std::move(read));
       });
}

void KserveClient::register_shared_memory(const std::string& region, const std::string& key,
                                          uint64_t bytes, Callback<Ok> done) {
  if (protocol_ == Protocol::kHttp)
    return http("POST", "/v2/systemsharedmemory/region/" + region + "/register",
                "{\"key\":" + json_string(key) +
                    ",\"offset\":0,\"byte_size\":" + std::to_string(bytes) + "}",
                [done = std::move(done)](const Answer& answer) {
                  answer.error ? done(*answer.error) : done(Ok{});
                });
  inference::SystemSharedMemoryRegisterRequest request;
  request.set_name(region);
  request.set_key(key);
  request.set_byte_size(bytes);
  grpc<inference::SystemSharedMemoryRegisterResponse>(
      "SystemSharedMemoryRegister", request,
      [done = std::move(done)](const Result<inference::SystemSharedMemoryRegisterResponse>& r) {
        r.ok() ? done(Ok{}) : done(r.error());
      });
}

void KserveClient::unregister_shared_memory(const std::string& region, Callback<Ok> done) {
  if (protocol_ == Protocol::kHttp)
    return http("POST", "/v2/systemsharedmemory/region/" + region + "/unregister", "",
                [done = std::move(done)](const Answer& answer) {
                  answer.error ? done(*answer.error) : done(Ok{});
                });
  inference::SystemSharedMemoryUnregisterRequest request;
  request.set_name(region);
  grpc<inference::SystemSharedMemoryUnregisterResponse>(
      "SystemSharedMemoryUnregister", request,
      [done = std::move(done)](const Result<inference::SystemSharedMemoryUnregisterResponse>& r) {
        r.ok() ? done(Ok{}) : done(r.error());
      });
}

}  // namespace corolla::client
