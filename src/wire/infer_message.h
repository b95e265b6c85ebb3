// An inference request and its answer, as data: what the KServe v2 JSON codec and the gRPC codec
// both speak. Views point into the bytes that were decoded (or into a Scratch beside them); see
// each codec for how long they live.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"

namespace corolla::wire {

struct ShmPlace {
  std::string region;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

struct InputTensor {
  std::string name;
  DType dtype = DType::kFp32;
  std::vector<int64_t> shape;
  // Exactly one of these three holds:
  std::span<const std::byte> bytes;  // the tensor's binary form (BYTES: 4-byte little-endian
                                     // lengths), not yet checked against the shape
  std::optional<ShmPlace> shm;       // lies in a registered region
  bool binary = false;               // HTTP: binary_data_size given; bytes follow the JSON in order
  uint64_t binary_size = 0;
};

struct WantedOutput {
  std::string name;
  bool binary = false;       // HTTP only
  uint32_t class_count = 0;  // parameter "classification"
  std::optional<ShmPlace> shm;
};

struct InferRequest {
  std::string model, version, id;
  std::vector<InputTensor> inputs;
  std::vector<WantedOutput> outputs;  // empty: all outputs
  bool binary_by_default = false;     // binary_data_output
  uint64_t priority = 0;              // 0: the model's default
  uint64_t timeout_us = 0;            // 0: none
  bool sequence = false;              // sequence_id etc. present and not zero
  bool empty_final_response = false;  // triton_enable_empty_final_response
};

struct OutputTensor {
  std::string_view name;
  DType dtype = DType::kFp32;
  std::span<const int64_t> shape;
  std::span<const std::byte> bytes;  // binary form; ignored when `shm`
  bool binary = true;                // HTTP: after the JSON; else inside it
  std::optional<ShmPlace> shm;       // already written there
};

struct InferResponse {
  std::string_view model, version, id;
  std::span<const OutputTensor> outputs;
};

}  // namespace corolla::wire
