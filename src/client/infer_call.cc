#include "client/infer_call.h"

#include <string.h>

#include <charconv>
#include <deque>

#include "client/infer_answer_http.h"
#include "client/json_text.h"
#include "wire/client_http.h"
#include "wire/inference.pb.h"

namespace corolla::client {
namespace {

using wire::Piece;

std::string shm_json(const wire::ShmPlace& place) {
  return "\"shared_memory_region\":" + json_string(place.region) +
         ",\"shared_memory_byte_size\":" + std::to_string(place.bytes) +
         (place.offset != 0 ? ",\"shared_memory_offset\":" + std::to_string(place.offset) : "");
}

// The bytes of input `i`, wherever they lie.
std::vector<std::span<const std::byte>> parts_of(const wire::InferRequest& request,
                                                 const InferOptions& options, size_t i) {
  if (i < options.parts.size()) return options.parts[i];
  return {request.inputs[i].bytes};
}

size_t size_of(std::span<const std::span<const std::byte>> parts) {
  size_t sum = 0;
  for (const auto& part : parts) sum += part.size();
  return sum;
}

std::shared_ptr<wire::ClientCall> http_call(const wire::InferRequest& request,
                                            const InferOptions& options) {
  auto call = std::make_shared<wire::ClientCall>();
  call->path = "/v2/models/" + request.model +
               (request.version.empty() ? "" : "/versions/" + request.version) + "/infer";
  call->headers = options.headers;
  std::string json = "{\"id\":" + json_string(request.id);
  std::string parameters;
  if (request.timeout_us != 0) parameters = "\"timeout\":" + std::to_string(request.timeout_us);
  if (request.outputs.empty())
    parameters += std::string(parameters.empty() ? "" : ",") + "\"binary_data_output\":true";
  if (!parameters.empty()) json += ",\"parameters\":{" + parameters + "}";
  json += ",\"inputs\":[";
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    const wire::InputTensor& input = request.inputs[i];
    if (i > 0) json += ',';
    json += "{\"name\":" + json_string(input.name) + ",\"datatype\":\"" +
            std::string(dtype_name(input.dtype)) + "\",\"shape\":" + json_array(input.shape) +
            ",\"parameters\":{" +
            (input.shm ? shm_json(*input.shm)
                       : "\"binary_data_size\":" +
                             std::to_string(size_of(parts_of(request, options, i)))) +
            "}}";
  }
  json += "]";
  if (!request.outputs.empty()) {
    json += ",\"outputs\":[";
    for (const wire::WantedOutput& output : request.outputs) {
      if (&output != &request.outputs.front()) json += ',';
      json += "{\"name\":" + json_string(output.name) + ",\"parameters\":{" +
              (output.shm ? shm_json(*output.shm) : std::string("\"binary_data\":true")) +
              (output.class_count > 0 ? ",\"classification\":" + std::to_string(output.class_count)
                                      : "") +
              "}}";
    }
    json += "]";
  }
  json += "}";
  const size_t json_size = json.size();
  call->body.emplace_back(std::move(json));
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    if (request.inputs[i].shm) continue;
    for (const auto& part : parts_of(request, options, i))
      if (!part.empty()) call->body.emplace_back(part);
  }
  wire::finish_http_call(*call, options.host, json_size);
  return call;
}

void set_shm(google::protobuf::Map<std::string, inference::InferParameter>& parameters,
             const wire::ShmPlace& place) {
  parameters["shared_memory_region"].set_string_param(place.region);
  parameters["shared_memory_byte_size"].set_int64_param(static_cast<int64_t>(place.bytes));
  if (place.offset != 0)
    parameters["shared_memory_offset"].set_int64_param(static_cast<int64_t>(place.offset));
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

std::shared_ptr<wire::ClientCall> grpc_call(const wire::InferRequest& request,
                                            const InferOptions& options) {
  inference::ModelInferRequest message;
  message.set_model_name(request.model);
  message.set_model_version(request.version);
  message.set_id(request.id);
  if (request.timeout_us != 0)
    (*message.mutable_parameters())["timeout"].set_int64_param(
        static_cast<int64_t>(request.timeout_us));
  for (const wire::InputTensor& input : request.inputs) {
    auto& in = *message.add_inputs();
    in.set_name(input.name);
    in.set_datatype(std::string(dtype_name(input.dtype)));
    for (const int64_t d : input.shape) in.add_shape(d);
    if (input.shm) set_shm(*in.mutable_parameters(), *input.shm);
  }
  for (const wire::WantedOutput& output : request.outputs) {
    auto& out = *message.add_outputs();
    out.set_name(output.name);
    if (output.class_count > 0)
      (*out.mutable_parameters())["classification"].set_int64_param(output.class_count);
    if (output.shm) set_shm(*out.mutable_parameters(), *output.shm);
  }
  // The tensors are appended as field 7 without going through the message: they stay where they
  // are.
  std::vector<Piece> pieces;
  std::string front = message.SerializeAsString();
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    if (request.inputs[i].shm) continue;
    const auto parts = parts_of(request, options, i);
    front += static_cast<char>(7 << 3 | 2);
    put_varint(front, size_of(parts));
    pieces.emplace_back(std::move(front));
    front.clear();
    for (const auto& part : parts)
      if (!part.empty()) pieces.emplace_back(part);
  }
  if (!front.empty()) pieces.emplace_back(std::move(front));
  wire::ClientHeaders headers = options.headers;
  for (auto& [name, value] : headers)
    for (char& c : name) c = static_cast<char>(tolower(static_cast<unsigned char>(c)));
  return wire::make_grpc_call("ModelInfer", std::move(pieces), std::move(headers),
                              options.compression);
}

Error broken(const std::string& what) {
  return {Code::kUnavailable, "the server's inference answer is broken: " + what};
}

// Typed contents, which no server sends to a binary request: only the types that have a plain list.
Result<std::vector<std::byte>> from_contents(const inference::InferTensorContents& contents) {
  std::vector<std::byte> out;
  auto append = [&out](const auto& list) {
    using T = typename std::decay_t<decltype(list)>::value_type;
    const size_t old = out.size();
    out.resize(old + list.size() * sizeof(T));
    if (!list.empty()) memcpy(out.data() + old, list.data(), list.size() * sizeof(T));
  };
  append(contents.fp32_contents());
  append(contents.fp64_contents());
  append(contents.int_contents());
  append(contents.int64_contents());
  append(contents.uint_contents());
  append(contents.uint64_contents());
  for (const std::string& text : contents.bytes_contents()) {
    const uint32_t size = static_cast<uint32_t>(text.size());
    const auto* bytes = reinterpret_cast<const std::byte*>(&size);
    out.insert(out.end(), bytes, bytes + 4);
    out.insert(out.end(), reinterpret_cast<const std::byte*>(text.data()),
               reinterpret_cast<const std::byte*>(text.data() + text.size()));
  }
  return out;
}

Result<InferAnswer> read_grpc(std::span<const std::byte> body) {
  struct Parsed {
    inference::ModelInferResponse message;
    std::deque<std::vector<std::byte>> typed;
  };
  auto parsed = std::make_shared<Parsed>();
  if (!parsed->message.ParseFromArray(body.data(), static_cast<int>(body.size())))
    return broken("it is no ModelInferResponse");
  const inference::ModelInferResponse& message = parsed->message;
  InferAnswer answer{message.model_name(), message.model_version(), message.id(), {}, parsed};
  int raw = 0;
  for (const auto& out : message.outputs()) {
    const auto dtype = dtype_from_name(out.datatype());
    if (!dtype)
      return broken("output '" + out.name() + "' has the unknown type '" + out.datatype() + "'");
    OutputValue value{out.name(), *dtype, {out.shape().begin(), out.shape().end()}, {}};
    if (out.has_contents()) {
      ASSIGN_OR_RETURN(auto bytes, from_contents(out.contents()));
      value.bytes = parsed->typed.emplace_back(std::move(bytes));
    } else if (!out.parameters().contains("shared_memory_region") &&
               raw < message.raw_output_contents_size()) {
      value.bytes = std::as_bytes(std::span(message.raw_output_contents(raw++)));
    }
    answer.outputs.push_back(std::move(value));
  }
  return answer;
}

}  // namespace

std::shared_ptr<const wire::ClientCall> make_infer_call(wire::Protocol protocol,
                                                        const wire::InferRequest& request,
                                                        const InferOptions& options,
                                                        std::shared_ptr<const void> keeps) {
  auto call =
      protocol == wire::Protocol::kHttp ? http_call(request, options) : grpc_call(request, options);
  call->keeps = std::move(keeps);
  return call;
}

Result<InferAnswer> read_infer_answer(wire::Protocol protocol, const wire::Answer& answer) {
  if (answer.error) return *answer.error;
  return protocol == wire::Protocol::kHttp ? read_http_infer_answer(answer.body, answer.json_size)
                                           : read_grpc(answer.body);
}

InferAnswer kept(InferAnswer answer) {
  auto own = std::make_shared<std::deque<std::vector<std::byte>>>();
  for (OutputValue& output : answer.outputs)
    output.bytes = own->emplace_back(output.bytes.begin(), output.bytes.end());
  answer.memory = std::move(own);
  return answer;
}

Result<std::vector<Classified>> read_classification(const OutputValue& output) {
  if (output.dtype != DType::kBytes)
    return broken("output '" + output.name + "' is no classification");
  std::vector<Classified> out;
  std::span<const std::byte> left = output.bytes;
  while (!left.empty()) {
    uint32_t size = 0;
    if (left.size() < 4) return broken("a class text is cut off");
    memcpy(&size, left.data(), 4);
    left = left.subspan(4);
    if (left.size() < size) return broken("a class text is cut off");
    const std::string_view text(reinterpret_cast<const char*>(left.data()), size);
    left = left.subspan(size);
    const size_t first = text.find(':');
    const size_t second = first == text.npos ? text.npos : text.find(':', first + 1);
    Classified one;
    if (first == text.npos ||
        std::from_chars(text.data(), text.data() + first, one.score).ec != std::errc() ||
        std::from_chars(text.data() + first + 1, text.data() + std::min(second, text.size()),
                        one.index)
                .ec != std::errc())
      return broken("class text '" + std::string(text.substr(0, 60)) +
                    "' is not value:index:label");
    if (second != text.npos) one.label = text.substr(second + 1);
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace corolla::client
