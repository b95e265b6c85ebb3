// The operations beside inference, in both forms, against a fake front.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "serve/front/api_grpc.h"
#include "serve/front/api_http.h"
#include "wire/health.pb.h"
#include "wire/json_value.h"

namespace corolla::front {
namespace {

using wire::JsonValue;

class FakeBackend final : public ApiBackend {
 public:
  FakeBackend() {
    auto config = std::make_shared<inference::ModelConfig>();
    config->set_name("flower");
    config->set_platform("onnx");
    config->set_max_batch_size(8);
    auto& input = *config->add_input();
    input.set_name("input");
    input.set_data_type(inference::TYPE_FP32);
    for (int dim : {3, 224, 224}) input.add_dims(dim);
    auto& output = *config->add_output();
    output.set_name("output");
    output.set_data_type(inference::TYPE_STRING);
    output.add_dims(1);
    flower_ = {config, {1, 2}, 2};
  }

  bool ready() const override { return is_ready; }
  Result<ApiModel> model(std::string_view name, std::string_view version) const override {
    if (name != "flower" || (!version.empty() && version != "2"))
      return Error{Code::kNotFound,
                   "Request for unknown model: '" + std::string(name) + "' is not found"};
    return flower_;
  }
  StatisticsSnapshot statistics(std::string_view model, std::string_view version) const override {
    ModelStatisticsSnapshot snapshot{.model = "flower", .version = "2"};
    asked_statistics = std::string(model) + "/" + std::string(version);
    snapshot.total.inference_count = 12;
    snapshot.total.execution_count = 5;
    snapshot.total.success = {10, 1000};
    snapshot.total.queue = {10, 100};
    snapshot.total.batch_stats = {{.rows = 4, .compute_infer = {3, 30}}};
    return {snapshot};
  }
  void index(std::function<void(std::vector<IndexEntry>)> done) override {
    done({{"broken", "", "UNAVAILABLE", "no \"model\""},
          {"flower", "2", "READY", ""},
          {"idle", "", "", ""}});
  }
  void load(const std::string& model, const std::string& config_json,
            std::function<void(Status)> done) override {
    loaded = model + ":" + config_json;
    later = [done = std::move(done), status = load_status] { done(status); };
  }
  void unload(const std::string& model, std::function<void(Status)> done) override {
    unloaded = model;
    later = [done = std::move(done)] { done(ok()); };
  }
  void open_object(const std::string& key, std::function<void(Result<Fd>)> done) override {
    done(Error{Code::kPermission, key});
  }
  void map_region(ShmRef region, std::function<void(Status)> done) override {
    mapped = region->number;
    later = [done = std::move(done), status = map_status] { done(status); };
  }
  void log_settings_changed() override { ++log_changes; }

  bool is_ready = true;
  mutable std::string asked_statistics;
  std::string loaded, unloaded;
  uint32_t mapped = 0;
  int log_changes = 0;
  Status load_status = ok(), map_status = ok();
  std::function<void()> later;

 private:
  ApiModel flower_;
};

class ApiTest : public ::testing::Test {
 protected:
  struct Answer {
    int count = 0;
    std::optional<Result<wire::Reply>> result;
  };
  struct Text {
    int status;
    std::string body;
  };

  std::string body_of(const wire::Reply& reply) {
    std::string body;
    for (const auto& piece : reply.pieces) body += piece.owned;
    return body;
  }
  // Runs what was put off, too.
  Result<wire::Reply> finish(std::shared_ptr<Answer> answer, bool late) {
    EXPECT_EQ(answer->count, late ? 0 : 1);
    if (backend_.later) std::exchange(backend_.later, nullptr)();
    EXPECT_EQ(answer->count, 1) << "exactly one answer";
    if (!answer->result) return Error{Code::kInternal, "no answer"};
    return *std::move(answer->result);
  }
  Result<wire::Reply> http(std::string_view method, std::string_view path,
                           std::string_view body = "", bool late = false) {
    HttpRoute route = route_http(method, path);
    EXPECT_EQ(route.status, 200) << path;
    auto answer = std::make_shared<Answer>();
    answer_http(operations_, route.route, body, [answer](Result<wire::Reply> result) {
      ++answer->count;
      answer->result = std::move(result);
    });
    return finish(answer, late);
  }
  std::string text(std::string_view method, std::string_view path, std::string_view body = "",
                   bool late = false) {
    auto result = http(method, path, body, late);
    EXPECT_TRUE(result.ok()) << path << ": " << (result.ok() ? "" : result.error().what);
    if (!result.ok()) return "";
    EXPECT_EQ(result->http_status, 200);
    return body_of(*result);
  }
  Code refused(std::string_view method, std::string_view path, std::string_view body = "",
               bool late = false) {
    auto result = http(method, path, body, late);
    EXPECT_FALSE(result.ok()) << path << " " << body;
    return result.ok() ? Code::kInternal : result.error().code;
  }
  template <class Response, class Request>
  Result<Response> grpc(const std::string& method, const Request& request, bool late = false) {
    auto route =
        route_grpc((method.starts_with('/') ? "" : "/inference.GRPCInferenceService/") + method);
    EXPECT_TRUE(route.ok());
    auto answer = std::make_shared<Answer>();
    answer_grpc(operations_, *route, request.SerializeAsString(),
                [answer](Result<wire::Reply> result) {
                  ++answer->count;
                  answer->result = std::move(result);
                });
    auto result = finish(answer, late);
    if (!result.ok()) return result.error();
    Response response;
    EXPECT_TRUE(response.ParseFromString(body_of(*result)));
    return response;
  }

  FakeBackend backend_;
  std::vector<uint32_t> gone_;
  ShmRegistry shm_{[this](uint32_t number) { gone_.push_back(number); }};
  TraceSettings trace_;
  LogSettings log_;
  ApiOperations operations_{{"petals", "1.2.3"}, backend_, shm_, trace_, log_};
};

TEST_F(ApiTest, HealthHasNoBody) {
  EXPECT_EQ(text("GET", "/v2/health/live"), "");
  EXPECT_EQ(text("GET", "/v2/health/ready"), "");
  EXPECT_EQ(text("GET", "/v2/models/flower/ready"), "");
  EXPECT_EQ(http("GET", "/v2/models/rose/ready")->http_status, 400);
  backend_.is_ready = false;
  EXPECT_EQ(http("GET", "/v2/health/ready")->http_status, 400);
  EXPECT_EQ(text("GET", "/v2/health/live"), "") << "alive all the same";

  namespace v1 = ::grpc::health::v1;
  v1::HealthCheckRequest check;
  EXPECT_EQ(grpc<v1::HealthCheckResponse>("/grpc.health.v1.Health/Check", check)->status(),
            v1::HealthCheckResponse::NOT_SERVING);
  backend_.is_ready = true;
  EXPECT_EQ(grpc<v1::HealthCheckResponse>("/grpc.health.v1.Health/Check", check)->status(),
            v1::HealthCheckResponse::SERVING);
  check.set_service("other");
  EXPECT_EQ(grpc<v1::HealthCheckResponse>("/grpc.health.v1.Health/Check", check).error().code,
            Code::kNotFound);
  inference::ModelReadyRequest ready;
  ready.set_name("rose");
  EXPECT_FALSE(grpc<inference::ModelReadyResponse>("ModelReady", ready)->ready());
  EXPECT_TRUE(
      grpc<inference::ServerLiveResponse>("ServerLive", inference::ServerLiveRequest())->live());
}

TEST_F(ApiTest, MetadataAndConfig) {
  EXPECT_EQ(
      text("GET", "/v2"),
      R"({"name":"petals","version":"1.2.3","extensions":["classification","model_repository",)"
      R"("schedule_policy","model_configuration","system_shared_memory","binary_tensor_data",)"
      R"("parameters","statistics","trace","logging"]})");
  EXPECT_EQ(
      text("GET", "/v2/models/flower"),
      R"({"name":"flower","versions":["1","2"],"platform":"onnx","inputs":[{"name":"input",)"
      R"("datatype":"FP32","shape":[-1,3,224,224]}],"outputs":[{"name":"output","datatype":"BYTES",)"
      R"("shape":[-1,1]}]})");
  auto config = wire::parse_json(text("GET", "/v2/models/flower/config"), 1 << 20, "config");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(*config->find("max_batch_size")->as<int64_t>(), 8);
  EXPECT_EQ(refused("GET", "/v2/models/rose/config"), Code::kNotFound);
  EXPECT_EQ(refused("GET", "/v2/models/flower/versions/7"), Code::kNotFound);
  inference::ModelConfigRequest request;
  request.set_name("flower");
  EXPECT_EQ(
      grpc<inference::ModelConfigResponse>("ModelConfig", request)->config().input(0).dims_size(),
      3);
}

// perf_analyzer takes each of these without looking whether it is there.
TEST_F(ApiTest, StatisticsHaveEveryField) {
  std::string json = text("GET", "/v2/models/flower/stats");
  auto root = wire::parse_json(json, 1 << 20, "stats");
  ASSERT_TRUE(root.ok()) << json;
  const JsonValue& model = root->find("model_stats")->as<JsonValue::Array>()->at(0);
  EXPECT_EQ(*model.find("version")->as<std::string>(), "2");
  EXPECT_EQ(*model.find("inference_count")->as<int64_t>(), 12);
  EXPECT_EQ(*model.find("execution_count")->as<int64_t>(), 5);
  const JsonValue& infer = *model.find("inference_stats");
  for (const char* name : {"success", "fail", "queue", "compute_input", "compute_infer",
                           "compute_output", "cache_hit", "cache_miss"}) {
    ASSERT_NE(infer.find(name), nullptr) << name;
    EXPECT_NE(infer.find(name)->find("count"), nullptr) << name;
    EXPECT_NE(infer.find(name)->find("ns"), nullptr) << name;
  }
  EXPECT_EQ(*infer.find("queue")->find("ns")->as<int64_t>(), 100);
  EXPECT_EQ(
      *model.find("batch_stats")->as<JsonValue::Array>()->at(0).find("batch_size")->as<int64_t>(),
      4);
  EXPECT_EQ(refused("GET", "/v2/models/rose/stats"), Code::kNotFound);
  text("GET", "/v2/models/stats");
  EXPECT_EQ(backend_.asked_statistics, "/");
  inference::ModelStatisticsRequest request;
  request.set_name("flower");
  request.set_version("2");
  EXPECT_EQ(grpc<inference::ModelStatisticsResponse>("ModelStatistics", request)
                ->model_stats(0)
                .inference_stats()
                .success()
                .count(),
            10u);
  EXPECT_EQ(backend_.asked_statistics, "flower/2");
}

TEST_F(ApiTest, RepositoryIndex) {
  EXPECT_EQ(text("POST", "/v2/repository/index"),
            R"([{"name":"broken","state":"UNAVAILABLE","reason":"no \"model\""},)"
            R"({"name":"flower","version":"2","state":"READY"},{"name":"idle"}])");
  EXPECT_EQ(text("POST", "/v2/repository/index", R"({"ready":true})"),
            R"([{"name":"flower","version":"2","state":"READY"}])");
  EXPECT_EQ(refused("POST", "/v2/repository/index", R"({"ready":1})"), Code::kInvalidArgument);
  EXPECT_EQ(refused("POST", "/v2/repository/index", "[]"), Code::kInvalidArgument);
  EXPECT_EQ(refused("POST", "/v2/repository/other/index"), Code::kUnsupported);
  EXPECT_EQ(grpc<inference::RepositoryIndexResponse>("RepositoryIndex",
                                                     inference::RepositoryIndexRequest())
                ->models_size(),
            3);
}

TEST_F(ApiTest, LoadAndUnloadAnswerWhenTheWorkersHave) {
  EXPECT_EQ(text("POST", "/v2/repository/models/flower/load", "", true), "");
  EXPECT_EQ(backend_.loaded, "flower:");
  text("POST", "/v2/repository/models/flower/load", R"({"parameters":{"config":"{\"a\":1}"}})",
       true);
  EXPECT_EQ(backend_.loaded, "flower:{\"a\":1}");
  EXPECT_EQ(text("POST", "/v2/repository/models/flower/unload",
                 R"({"parameters":{"unload_dependents":false}})", true),
            "");
  EXPECT_EQ(backend_.unloaded, "flower");
  backend_.load_status = Error{Code::kInvalidArgument, "no"};
  EXPECT_EQ(refused("POST", "/v2/repository/models/flower/load", "{}", true),
            Code::kInvalidArgument);
  for (const char* body : {R"({"parameters":{"config":7}})", R"({"parameters":{"colour":"red"}})",
                           R"({"parameters":[]})", "{", R"({"parameters":{"config":{}}})"})
    EXPECT_EQ(refused("POST", "/v2/repository/models/flower/load", body), Code::kInvalidArgument)
        << body;
  EXPECT_EQ(refused("POST", "/v2/repository/models/flower/load",
                    R"({"parameters":{"file:1/model.onnx":"AAAA"}})"),
            Code::kUnsupported);
  inference::RepositoryModelUnloadRequest request;
  request.set_model_name("rose");
  EXPECT_TRUE(
      grpc<inference::RepositoryModelUnloadResponse>("RepositoryModelUnload", request, true).ok());
  EXPECT_EQ(backend_.unloaded, "rose");
}

TEST_F(ApiTest, SystemSharedMemory) {
  std::string key = "/corolla_api_test_" + std::to_string(getpid());
  Fd fd(shm_open(key.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
  ASSERT_TRUE(fd);
  ASSERT_EQ(ftruncate(fd.get(), 4096), 0);
  EXPECT_EQ(text("POST", "/v2/systemsharedmemory/unregister"), "");
  EXPECT_EQ(text("GET", "/v2/systemsharedmemory/status"), "[]");
  std::string body = R"({"key":")" + key + R"(","offset":8,"byte_size":408})";
  EXPECT_EQ(text("POST", "/v2/systemsharedmemory/region/out/register", body, true), "");
  EXPECT_EQ(backend_.mapped, 1u);
  std::string shown = R"([{"name":"out","key":")" + key + R"(","offset":8,"byte_size":408}])";
  EXPECT_EQ(text("GET", "/v2/systemsharedmemory/status"), shown);
  EXPECT_EQ(text("GET", "/v2/systemsharedmemory/region/out/status"), shown);
  EXPECT_EQ(refused("GET", "/v2/systemsharedmemory/region/in/status"), Code::kNotFound);
  EXPECT_EQ(refused("POST", "/v2/systemsharedmemory/region/out/register", body),
            Code::kAlreadyExists);
  EXPECT_EQ(text("POST", "/v2/systemsharedmemory/region/out/unregister"), "");
  EXPECT_EQ(gone_, (std::vector<uint32_t>{1}));

  backend_.map_status = Error{Code::kInternal, "a worker has no room"};
  EXPECT_EQ(refused("POST", "/v2/systemsharedmemory/region/out/register", body, true),
            Code::kInternal);
  EXPECT_TRUE(shm_.list()->empty()) << "registered everywhere or nowhere";
  backend_.map_status = ok();

  for (const char* wrong :
       {"{}", R"({"key":7,"byte_size":1})", R"({"key":"/x"})", R"({"key":"/x","byte_size":-1})",
        R"({"key":"/x","byte_size":1.5})", R"({"key":"/x","byte_size":1,"offset":"0"})",
        R"({"key":"../x","byte_size":1})", "7", "nonsense"})
    EXPECT_EQ(refused("POST", "/v2/systemsharedmemory/region/r/register", wrong),
              Code::kInvalidArgument)
        << wrong;

  inference::SystemSharedMemoryRegisterRequest request;
  request.set_name("g");
  request.set_key(key);
  request.set_byte_size(16);
  EXPECT_TRUE(grpc<inference::SystemSharedMemoryRegisterResponse>("SystemSharedMemoryRegister",
                                                                  request, true)
                  .ok());
  auto status = grpc<inference::SystemSharedMemoryStatusResponse>(
      "SystemSharedMemoryStatus", inference::SystemSharedMemoryStatusRequest());
  EXPECT_EQ(status->regions().at("g").byte_size(), 16u);
  EXPECT_TRUE(grpc<inference::SystemSharedMemoryUnregisterResponse>(
                  "SystemSharedMemoryUnregister", inference::SystemSharedMemoryUnregisterRequest())
                  .ok());
  EXPECT_TRUE(shm_.list()->empty());
  shm_unlink(key.c_str());
}

TEST_F(ApiTest, CudaSharedMemory) {
  EXPECT_EQ(text("POST", "/v2/cudasharedmemory/unregister"), "");
  EXPECT_EQ(text("GET", "/v2/cudasharedmemory/status"), "[]");
  auto result = http("POST", "/v2/cudasharedmemory/region/r/register", "{}");
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().what.find("no CUDA worker"), std::string::npos);
  inference::CudaSharedMemoryRegisterRequest request;
  request.set_name("r");
  EXPECT_EQ(grpc<inference::CudaSharedMemoryRegisterResponse>("CudaSharedMemoryRegister", request)
                .error()
                .code,
            Code::kUnsupported);
  EXPECT_EQ(refused("GET", "/v2/cudasharedmemory/region/r/status"), Code::kNotFound);
}

TEST_F(ApiTest, TraceSettings) {
  EXPECT_EQ(text("GET", "/v2/trace/setting"),
            R"({"log_frequency":"0","trace_count":"-1","trace_file":"","trace_level":["OFF"],)"
            R"("trace_mode":"triton","trace_rate":"1000"})");
  std::string changed = text("POST", "/v2/models/flower/trace/setting",
                             R"({"trace_level":["TIMESTAMPS"],"trace_rate":5,"trace_count":null})");
  EXPECT_NE(changed.find(R"("trace_level":["TIMESTAMPS"])"), std::string::npos);
  EXPECT_NE(changed.find(R"("trace_rate":"5")"), std::string::npos);
  EXPECT_NE(text("GET", "/v2/trace/setting").find(R"("trace_rate":"1000")"), std::string::npos);
  EXPECT_EQ(refused("POST", "/v2/models/rose/trace/setting", "{}"), Code::kNotFound);
  for (const char* wrong : {R"({"trace_level":[]})", R"({"trace_level":{}})",
                            R"({"trace_rate":true})", R"({"colour":"red"})", "[]", "x"})
    EXPECT_EQ(refused("POST", "/v2/trace/setting", wrong), Code::kInvalidArgument) << wrong;
  inference::TraceSettingRequest request;
  (*request.mutable_settings())["trace_rate"].add_value("9");
  EXPECT_EQ(grpc<inference::TraceSettingResponse>("TraceSetting", request)
                ->settings()
                .at("trace_rate")
                .value(0),
            "9");
}

TEST_F(ApiTest, LogSettings) {
  EXPECT_EQ(
      text("GET", "/v2/logging"),
      R"({"log_file":"","log_info":true,"log_warning":true,"log_error":true,"log_verbose_level":0,)"
      R"("log_format":"default"})");
  EXPECT_EQ(backend_.log_changes, 0);
  EXPECT_NE(
      text("POST", "/v2/logging", R"({"log_verbose_level":2,"log_info":false})")
          .find(R"("log_info":false,"log_warning":true,"log_error":true,"log_verbose_level":2)"),
      std::string::npos);
  EXPECT_EQ(backend_.log_changes, 1);
  for (const char* wrong :
       {R"({"log_info":1})", R"({"log_verbose_level":-1})", R"({"log_format":"x"})",
        R"({"log_verbose_level":4294967296})", R"({"x":true})", R"({"log_info":null})"})
    EXPECT_EQ(refused("POST", "/v2/logging", wrong), Code::kInvalidArgument) << wrong;
  inference::LogSettingsRequest request;
  (*request.mutable_settings())["log_info"].set_bool_param(true);
  EXPECT_TRUE(grpc<inference::LogSettingsResponse>("LogSettings", request)
                  ->settings()
                  .at("log_info")
                  .bool_param());
}

TEST_F(ApiTest, RefusesBytesThatAreNoMessage) {
  for (const char* method :
       {"ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics", "RepositoryIndex",
        "RepositoryModelLoad", "SystemSharedMemoryRegister", "TraceSetting", "LogSettings"}) {
    auto route = route_grpc(std::string("/inference.GRPCInferenceService/") + method);
    int answers = 0;
    answer_grpc(operations_, *route, "\x0a\xff\xff\xff\xff\x0f",
                [&](const Result<wire::Reply>& result) {
                  ++answers;
                  ASSERT_FALSE(result.ok()) << method;
                  EXPECT_EQ(result.error().code, Code::kInvalidArgument) << method;
                });
    EXPECT_EQ(answers, 1) << method;
  }
}

TEST_F(ApiTest, PathsThatLeadNowhereAnswerInJson) {
  wire::Reply reply = not_routed(route_http("GET", "/v2/\"x\""));
  EXPECT_EQ(reply.http_status, 404);
  auto root = wire::parse_json(body_of(reply), 1000, "answer");
  ASSERT_TRUE(root.ok());
  EXPECT_NE(root->find("error")->as<std::string>()->find("\"x\""), std::string::npos);
}

}  // namespace
}  // namespace corolla::front
