#include "serve/front/api_http.h"

#include "wire/error_map.h"
#include "wire/json_text.h"
#include "wire/json_value.h"
#include "wire/proto_json.h"

namespace corolla::front {
namespace {

using wire::JsonValue;

wire::Reply json(std::string text) {
  wire::Reply reply;
  reply.pieces.emplace_back(std::move(text));
  return reply;
}

// Health answers, and those of control calls, have no body on Triton.
wire::Reply empty(int status = 200) {
  wire::Reply reply;
  reply.http_status = status;
  return reply;
}

template <class Message>
Result<wire::Reply> json_of(const Result<Message>& result) {
  if (!result.ok()) return result.error();
  return json(wire::to_json(*result));
}

// `messages`: anything iterable; a JSON array of them.
template <class Messages, class Get>
wire::Reply json_array(const Messages& messages, wire::Defaults defaults, Get get) {
  std::string text = "[";
  for (const auto& message : messages) {
    if (text.size() > 1) text += ',';
    text += wire::to_json(get(message), defaults);
  }
  text += ']';
  return json(std::move(text));
}

// A body that is an object, or absent.
Result<JsonValue> object(std::string_view body) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return JsonValue{JsonValue::Object()};
  ASSIGN_OR_RETURN(JsonValue root, wire::parse_json(body, kMaxApiBody, "the request body"));
  if (root.as<JsonValue::Object>() == nullptr)
    return Error{Code::kInvalidArgument, "the request body is not a JSON object"};
  return root;
}

Error wrong(const char* field, const char* should) {
  return {Code::kInvalidArgument,
          std::string("the request body's '") + field + "' should be " + should};
}

Result<uint64_t> number(const JsonValue& root, const char* field) {
  const JsonValue* value = root.find(field);
  if (value == nullptr) return uint64_t{0};
  if (const auto* whole = value->as<int64_t>(); whole != nullptr && *whole >= 0)
    return static_cast<uint64_t>(*whole);
  if (const auto* whole = value->as<uint64_t>()) return *whole;
  return wrong(field, "a whole number of at least 0");
}

Result<inference::RepositoryIndexRequest> index_request(const Route& route, std::string_view body) {
  ASSIGN_OR_RETURN(JsonValue root, object(body));
  inference::RepositoryIndexRequest request;
  request.set_repository_name(route.repository);
  if (const JsonValue* ready = root.find("ready")) {
    if (ready->as<bool>() == nullptr) return wrong("ready", "true or false");
    request.set_ready(*ready->as<bool>());
  }
  return request;
}

// Load and unload: {"parameters": {...}}.
template <class Request>
Result<Request> control_request(const Route& route, std::string_view body) {
  ASSIGN_OR_RETURN(JsonValue root, object(body));
  Request request;
  request.set_repository_name(route.repository);
  request.set_model_name(route.model);
  const JsonValue* parameters = root.find("parameters");
  if (parameters == nullptr) return request;
  const auto* members = parameters->as<JsonValue::Object>();
  if (members == nullptr) return wrong("parameters", "an object");
  for (const auto& [key, value] : *members) {
    auto& out = (*request.mutable_parameters())[key];
    if (const auto* text = value.template as<std::string>())
      out.set_string_param(*text);
    else if (const auto* yes = value.template as<bool>())
      out.set_bool_param(*yes);
    else if (const auto* whole = value.template as<int64_t>())
      out.set_int64_param(*whole);
    else
      return wrong("parameters", "an object of strings, whole numbers and booleans");
  }
  return request;
}

Result<inference::SystemSharedMemoryRegisterRequest> register_request(const Route& route,
                                                                      std::string_view body) {
  ASSIGN_OR_RETURN(JsonValue root, object(body));
  inference::SystemSharedMemoryRegisterRequest request;
  request.set_name(route.region);
  const JsonValue* key = root.find("key");
  if (key == nullptr || key->as<std::string>() == nullptr)
    return wrong("key", "a string: the name of the shared memory object, such as /input0");
  request.set_key(*key->as<std::string>());
  ASSIGN_OR_RETURN(uint64_t offset, number(root, "offset"));
  request.set_offset(offset);
  if (root.find("byte_size") == nullptr) return wrong("byte_size", "there");
  ASSIGN_OR_RETURN(uint64_t bytes, number(root, "byte_size"));
  request.set_byte_size(bytes);
  return request;
}

// Values are strings, lists of strings (trace_level), or null for the default; numbers are taken
// for strings.
Result<inference::TraceSettingRequest> trace_request(const Route& route, std::string_view body) {
  inference::TraceSettingRequest request;
  request.set_model_name(route.model);
  if (!route.change) return request;
  ASSIGN_OR_RETURN(JsonValue root, object(body));
  for (const auto& [key, value] : *root.as<JsonValue::Object>()) {
    auto& out = (*request.mutable_settings())[key];
    auto add = [&out](const JsonValue& one) {
      if (const auto* text = one.as<std::string>())
        out.add_value(*text);
      else if (const auto* whole = one.as<int64_t>())
        out.add_value(std::to_string(*whole));
      else
        return false;
      return true;
    };
    bool good = true;
    if (const auto* list = value.as<JsonValue::Array>()) {
      // An empty list would otherwise mean the default.
      good = !list->empty();
      for (const JsonValue& one : *list) good = good && add(one);
    } else if (!value.is_null()) {
      good = add(value);
    }
    if (!good)
      return Error{Code::kInvalidArgument,
                   "trace setting '" + key.substr(0, 80) +
                       "' should be a string, a list of strings, or null for its default"};
  }
  return request;
}

std::string trace_text(const inference::TraceSettingResponse& response) {
  // By name, so that answers do not change their order.
  std::map<std::string, const inference::TraceSettingResponse::SettingValue*> sorted;
  for (const auto& [key, value] : response.settings()) sorted[key] = &value;
  std::string text = "{";
  for (const auto& [key, value] : sorted) {
    if (text.size() > 1) text += ',';
    wire::append_json_string(text, key);
    text += ':';
    bool list = key == "trace_level";
    if (list) text += '[';
    for (int i = 0; i < value->value_size(); ++i) {
      if (i) text += ',';
      wire::append_json_string(text, value->value(i));
    }
    if (list) text += ']';
  }
  return text + "}";
}

Result<inference::LogSettingsRequest> log_request(const Route& route, std::string_view body) {
  inference::LogSettingsRequest request;
  if (!route.change) return request;
  ASSIGN_OR_RETURN(JsonValue root, object(body));
  for (const auto& [key, value] : *root.as<JsonValue::Object>()) {
    auto& out = (*request.mutable_settings())[key];
    if (const auto* text = value.as<std::string>())
      out.set_string_param(*text);
    else if (const auto* yes = value.as<bool>())
      out.set_bool_param(*yes);
    else if (const auto* whole = value.as<int64_t>();
             whole != nullptr && *whole >= 0 && *whole <= UINT32_MAX)
      out.set_uint32_param(static_cast<uint32_t>(*whole));
    else
      return Error{Code::kInvalidArgument, "log setting '" + key.substr(0, 80) +
                                               "' should be a string, a boolean or a whole number"};
  }
  return request;
}

std::string log_text(const inference::LogSettingsResponse& response) {
  std::string text = "{";
  for (const char* key :
       {"log_file", "log_info", "log_warning", "log_error", "log_verbose_level", "log_format"}) {
    const auto& value = response.settings().at(key);
    if (text.size() > 1) text += ',';
    wire::append_json_string(text, key);
    text += ':';
    using Value = inference::LogSettingsResponse::SettingValue;
    if (value.parameter_choice_case() == Value::kBoolParam)
      text += value.bool_param() ? "true" : "false";
    else if (value.parameter_choice_case() == Value::kUint32Param)
      wire::append_json_number(text, value.uint32_param());
    else
      wire::append_json_string(text, value.string_param());
  }
  return text + "}";
}

Result<wire::Reply> shm_status(const ApiOperations& operations, const Route& route) {
  inference::SystemSharedMemoryStatusRequest request;
  request.set_name(route.region);
  ASSIGN_OR_RETURN(auto response, operations.shm_status(request));
  std::map<std::string, const inference::SystemSharedMemoryStatusResponse::RegionStatus*> sorted;
  for (const auto& [name, region] : response.regions()) sorted[name] = &region;
  return json_array(
      sorted, wire::Defaults::kPrint,
      [](const auto& entry) -> const auto& { return *entry.second; });
}

// Operations that answer at once.
Result<wire::Reply> answer_now(ApiOperations& operations, const Route& route,
                               std::string_view body) {
  switch (route.operation) {
    case Operation::kServerLive:
      return empty();
    case Operation::kServerReady:
      return empty(operations.server_ready() ? 200 : 400);
    case Operation::kModelReady:
      return empty(operations.model_ready(route.model, route.version) ? 200 : 400);
    case Operation::kServerMetadata:
      return json(wire::to_json(operations.server_metadata()));
    case Operation::kModelMetadata: {
      inference::ModelMetadataRequest request;
      request.set_name(route.model);
      request.set_version(route.version);
      return json_of(operations.model_metadata(request));
    }
    case Operation::kModelConfig: {
      inference::ModelConfigRequest request;
      request.set_name(route.model);
      request.set_version(route.version);
      ASSIGN_OR_RETURN(auto response, operations.model_config(request));
      return json(wire::to_json(response.config()));
    }
    case Operation::kModelStatistics: {
      inference::ModelStatisticsRequest request;
      request.set_name(route.model);
      request.set_version(route.version);
      return json_of(operations.statistics(request));
    }
    case Operation::kSystemShmStatus:
      return shm_status(operations, route);
    case Operation::kSystemShmUnregister: {
      inference::SystemSharedMemoryUnregisterRequest request;
      request.set_name(route.region);
      operations.shm_unregister(request);
      return empty();
    }
    case Operation::kCudaShmStatus: {
      inference::CudaSharedMemoryStatusRequest request;
      request.set_name(route.region);
      auto response = operations.cuda_status(request);
      if (!response.ok()) return response.error();
      return json("[]");
    }
    case Operation::kCudaShmRegister:
      return operations.cuda_register(route.region);
    case Operation::kCudaShmUnregister:
      return empty();
    case Operation::kTraceSetting: {
      ASSIGN_OR_RETURN(auto request, trace_request(route, body));
      ASSIGN_OR_RETURN(auto response, operations.trace_setting(request));
      return json(trace_text(response));
    }
    case Operation::kLogSettings: {
      ASSIGN_OR_RETURN(auto request, log_request(route, body));
      ASSIGN_OR_RETURN(auto response, operations.log_settings(request));
      return json(log_text(response));
    }
    default:
      return Error{Code::kInternal, "an operation of another path came to the API"};
  }
}

// For operations that answer later with an empty body.
template <class Message>
ApiOperations::Done<Message> emptily(ApiDone done) {
  return [done = std::move(done)](const Result<Message>& result) {
    if (!result.ok()) return done(result.error());
    done(empty());
  };
}

}  // namespace

void answer_http(ApiOperations& operations, const Route& route, std::string_view body,
                 ApiDone done) {
  using namespace inference;
  switch (route.operation) {
    case Operation::kRepositoryIndex: {
      auto request = index_request(route, body);
      if (!request.ok()) return done(request.error());
      return operations.index(
          *request, [done = std::move(done)](const Result<RepositoryIndexResponse>& response) {
            if (!response.ok()) return done(response.error());
            done(json_array(
                response->models(), wire::Defaults::kOmit,
                [](const auto& model) -> const auto& { return model; }));
          });
    }
    case Operation::kModelLoad: {
      auto request = control_request<RepositoryModelLoadRequest>(route, body);
      if (!request.ok()) return done(request.error());
      return operations.load(*request, emptily<RepositoryModelLoadResponse>(std::move(done)));
    }
    case Operation::kModelUnload: {
      auto request = control_request<RepositoryModelUnloadRequest>(route, body);
      if (!request.ok()) return done(request.error());
      return operations.unload(*request, emptily<RepositoryModelUnloadResponse>(std::move(done)));
    }
    case Operation::kSystemShmRegister: {
      auto request = register_request(route, body);
      if (!request.ok()) return done(request.error());
      return operations.shm_register(*request,
                                     emptily<SystemSharedMemoryRegisterResponse>(std::move(done)));
    }
    default:
      return done(answer_now(operations, route, body));
  }
}

wire::Reply not_routed(const HttpRoute& route) {
  wire::Reply reply = json(wire::error_json(route.error));
  reply.http_status = route.status;
  return reply;
}

}  // namespace corolla::front
