// Inference requests as a client sends them, and the answers it gets, for HTTP and gRPC.
// Thread-safe: pure functions.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"
#include "wire/client_call.h"
#include "wire/client_grpc.h"
#include "wire/infer_message.h"

namespace corolla::client {

struct InferOptions {
  wire::ClientHeaders headers;                                       // from -H
  wire::GrpcCompression compression = wire::GrpcCompression::kNone;  // gRPC only
  std::string host;                                                  // HTTP only: the Host header
  // For an input that lies in several places: all of its bytes, in order, instead of
  // InputTensor::bytes. Empty, or as long as InferRequest::inputs. Borrowed like those.
  std::vector<std::vector<std::span<const std::byte>>> parts;
};

// Tensor bytes (`InputTensor::bytes`) are borrowed and must outlive the call; pass `keeps` to have
// the call own their owner. Every input without `shm` travels in binary, and so do the outputs that
// are asked for.
std::shared_ptr<const wire::ClientCall> make_infer_call(
    wire::Protocol protocol, const wire::InferRequest& request, const InferOptions& options,
    std::shared_ptr<const void> keeps = nullptr);

struct OutputValue {
  std::string name;
  DType dtype = DType::kFp32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;  // binary form; empty when the output lies in shared memory
};

struct InferAnswer {
  std::string model, version, id;
  std::vector<OutputValue> outputs;
  std::shared_ptr<const void> memory;  // of those outputs that do not lie in the answer's body
};

// Binary tensors are shown where they lie in answer.body, and are valid as long as that is.
// kUnavailable when the answer breaks the protocol.
Result<InferAnswer> read_infer_answer(wire::Protocol protocol, const wire::Answer& answer);
// The same answer with outputs of its own.
InferAnswer kept(InferAnswer answer);

// One line of a classification answer: "0.993:7:rose".
struct Classified {
  double score = 0;
  int64_t index = 0;
  std::string label;  // empty when the server has no labels
};
// The elements of a BYTES output in that form. kUnavailable when one is not.
Result<std::vector<Classified>> read_classification(const OutputValue& output);

}  // namespace corolla::client
