// One TensorProto into a Tensor. Private to the reader.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "plan/mapped_file.h"
#include "plan/onnx.pb.h"
#include "plan/tensor.h"

namespace corolla::plan {

// ONNX's number of an element type; nullopt for those that have no place here (strings, 4 and 8 bit
// floats, complex).
std::optional<DType> dtype_of_onnx(int64_t data_type);
std::string onnx_type_text(int64_t data_type);  // "FLOAT8E4M3FN", for sentences

// Files of external data beside a model: each is mapped once.
class ExternalData {
 public:
  explicit ExternalData(std::filesystem::path folder) : folder_(std::move(folder)) {}
  // kInvalidArgument: the location leaves the folder, the file is missing or too short.
  Result<Tensor> load(const onnx::TensorProto& proto, DType dtype, Shape shape);
  // Hashes of the pieces that were read, mixed.
  uint64_t hash() const { return hash_; }

 private:
  Result<std::shared_ptr<const MappedFile>> file(const std::string& tensor,
                                                 const std::string& location);
  std::filesystem::path folder_;
  std::map<std::string, std::shared_ptr<const MappedFile>> files_;
  uint64_t hash_ = 0;
};

// Takes raw_data out of `proto` rather than copying it.
Result<Tensor> tensor_of_onnx(onnx::TensorProto& proto, ExternalData& external);

// kInvalidArgument for a float tensor that holds NaN, saying how many and where.
Status refuse_nan(const std::string& name, const Tensor& tensor);

}  // namespace corolla::plan
