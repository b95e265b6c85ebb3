// For tests and fuzzers: what a ModelInferRequest means, from protobuf's own parser and objects.
// Slow and obvious.
#pragma once
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "wire/grpc_infer_walker.h"
#include "wire/inference.pb.h"

namespace corolla::wire {

struct OracleTensor {
  std::string name, datatype, bytes;
  std::vector<int64_t> shape;
  std::string region;
};

// The binary form of typed contents; nullopt: they do not fit the datatype.
inline std::optional<std::string> oracle_contents(const inference::InferTensorContents& c,
                                                  DType dtype, size_t& count) {
  std::string out;
  count = 0;
  const auto add = [&](auto value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
    ++count;
  };
  bool fits = true;
  const auto narrow = [&](auto zero, auto value) {
    const auto small = static_cast<decltype(zero)>(value);
    fits &= small == value;
    add(small);
  };
  inference::InferTensorContents rest = c;
  switch (dtype) {
    case DType::kBool:
      for (bool v : c.bool_contents()) add(static_cast<uint8_t>(v));
      rest.clear_bool_contents();
      break;
    case DType::kInt8:
      for (int32_t v : c.int_contents()) narrow(int8_t{}, v);
      rest.clear_int_contents();
      break;
    case DType::kInt16:
      for (int32_t v : c.int_contents()) narrow(int16_t{}, v);
      rest.clear_int_contents();
      break;
    case DType::kInt32:
      for (int32_t v : c.int_contents()) add(v);
      rest.clear_int_contents();
      break;
    case DType::kInt64:
      for (int64_t v : c.int64_contents()) add(v);
      rest.clear_int64_contents();
      break;
    case DType::kUint8:
      for (uint32_t v : c.uint_contents()) narrow(uint8_t{}, v);
      rest.clear_uint_contents();
      break;
    case DType::kUint16:
      for (uint32_t v : c.uint_contents()) narrow(uint16_t{}, v);
      rest.clear_uint_contents();
      break;
    case DType::kUint32:
      for (uint32_t v : c.uint_contents()) add(v);
      rest.clear_uint_contents();
      break;
    case DType::kUint64:
      for (uint64_t v : c.uint64_contents()) add(v);
      rest.clear_uint64_contents();
      break;
    case DType::kFp32:
      for (float v : c.fp32_contents()) add(v);
      rest.clear_fp32_contents();
      break;
    case DType::kFp64:
      for (double v : c.fp64_contents()) add(v);
      rest.clear_fp64_contents();
      break;
    case DType::kBytes:
      for (const std::string& v : c.bytes_contents()) {
        add(static_cast<uint32_t>(v.size()));
        out += v;
      }
      rest.clear_bytes_contents();
      break;
    default:
      break;
  }
  if (!fits || rest.ByteSizeLong() != 0) return std::nullopt;
  return out;
}

// nullopt: a strict reader has to refuse it. Parameters are judged by their kinds only where they
// matter.
inline std::optional<std::vector<OracleTensor>> oracle_inputs(
    const inference::ModelInferRequest& request) {
  const GrpcInferLimits limits;
  std::vector<OracleTensor> out;
  const auto whole = [](const inference::InferParameter& p) {
    return p.has_uint64_param() || (p.has_int64_param() && p.int64_param() >= 0);
  };
  const auto shm = [&](const auto& parameters, std::string& region) {
    const bool r = parameters.contains("shared_memory_region"),
               o = parameters.contains("shared_memory_offset"),
               b = parameters.contains("shared_memory_byte_size");
    if (!r) return !o && !b;
    region = parameters.at("shared_memory_region").string_param();
    return !region.empty() && b && whole(parameters.at("shared_memory_byte_size")) &&
           (!o || whole(parameters.at("shared_memory_offset")));
  };
  for (const auto& [key, p] : request.parameters()) {
    if (key == "sequence_id" && !p.has_string_param() && !p.has_int64_param() &&
        !p.has_uint64_param())
      return std::nullopt;
    if ((key == "sequence_start" || key == "sequence_end" ||
         key == "triton_enable_empty_final_response") &&
        !p.has_bool_param())
      return std::nullopt;
    if ((key == "priority" || key == "timeout") && !whole(p)) return std::nullopt;
    if (key.starts_with("triton_") && key != "triton_enable_empty_final_response")
      return std::nullopt;
  }
  for (const auto& o : request.outputs()) {
    std::string region;
    if (o.name().empty() || !shm(o.parameters(), region)) return std::nullopt;
    if (o.parameters().contains("classification")) {
      const auto& p = o.parameters().at("classification");
      if (!whole(p) || (p.has_uint64_param() ? p.uint64_param() : p.int64_param()) > UINT32_MAX)
        return std::nullopt;
    }
  }
  int raw = 0;
  for (const auto& i : request.inputs()) {
    OracleTensor t{i.name(), i.datatype(), {}, {i.shape().begin(), i.shape().end()}, {}};
    const auto dtype = dtype_from_name(t.datatype);
    if (t.name.empty() || !dtype || t.shape.size() > limits.rank || !shm(i.parameters(), t.region))
      return std::nullopt;
    const bool typed = i.contents().ByteSizeLong() > 0;
    if (!t.region.empty()) {
      if (typed) return std::nullopt;
    } else if (request.raw_input_contents_size() > 0) {
      if (typed || raw == request.raw_input_contents_size()) return std::nullopt;
      t.bytes = request.raw_input_contents(raw++);
    } else {
      size_t count = 0;
      const auto bytes = oracle_contents(i.contents(), *dtype, count);
      const auto elements = element_count(t.shape);
      if (!bytes || !elements.ok() || static_cast<uint64_t>(*elements) != count)
        return std::nullopt;
      t.bytes = *bytes;
    }
    out.push_back(std::move(t));
  }
  if (raw != request.raw_input_contents_size()) return std::nullopt;
  if (out.size() > limits.tensors || static_cast<size_t>(request.outputs_size()) > limits.tensors ||
      static_cast<size_t>(raw) > limits.tensors)
    return std::nullopt;
  return out;
}

// Places for a walker: blocks of the heap of exactly the asked size, so that a sanitizer sees every
// byte too many.
class HeapPlaces {
 public:
  Result<std::span<std::byte>> operator()(size_t, size_t bytes) {
    if (refuse_next > 0) {
      --refuse_next;
      return std::span<std::byte>();
    }
    blocks.push_back(std::make_unique<std::byte[]>(bytes));
    return std::span(blocks.back().get(), bytes);
  }
  int refuse_next = 0;
  std::vector<std::unique_ptr<std::byte[]>> blocks;
};

// Feeds `message` in chunks of `chunk(i)` bytes, as a transport would.
template <class Chunk>
Result<InferRequest> walk_in_chunks(GrpcInferWalker& walker, std::string_view message,
                                    bool tell_length, Chunk chunk) {
  walker.begin(tell_length ? std::optional(message.size()) : std::nullopt, size_t{64} << 20);
  for (size_t at = 0, i = 0; at < message.size(); ++i) {
    std::string_view rest = message.substr(at, chunk(i));
    while (!rest.empty()) {
      const std::span<std::byte> room = walker.room();
      if (room.empty()) continue;
      const size_t n = std::min(room.size(), rest.size());
      std::memcpy(room.data(), rest.data(), n);
      rest.remove_prefix(n);
      at += n;
      RETURN_IF_ERROR(walker.filled(n));
    }
  }
  while (true) {
    ASSIGN_OR_RETURN(std::optional<InferRequest> request, walker.finish());
    if (request) return *std::move(request);
  }
}

}  // namespace corolla::wire
