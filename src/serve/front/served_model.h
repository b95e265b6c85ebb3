// A model as the front serves it: what requests are checked against. Immutable once made, shared by
// all I/O threads.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"
#include "serve/front/dispatcher.h"
#include "serve/front/statistics.h"
#include "wire/model_config.pb.h"

namespace corolla::front {

struct TensorSpec {
  std::string name;
  DType dtype = DType::kFp32;
  std::vector<int64_t> shape;  // without the batch dimension when max_batch > 0; -1: any
  std::vector<std::string>
      labels;  // outputs: label of each class, if the configuration names a file
};

struct ServedModel {
  ModelId id = 0;
  std::string name;
  int64_t version = 1;
  std::string version_text;
  uint32_t max_batch = 0;                   // 0: no batch dimension
  std::vector<TensorSpec> inputs, outputs;  // in the workers' order
  ModelPolicy policy;
  inference::ModelConfig config;
  // Bytes of one row of all outputs, 0 when an output's shape is open.
  uint64_t reply_row_bytes = 0;
  Statistics::Model* statistics = nullptr;  // outlives all models
  bool fixed_shapes = true;  // no input has a -1: every request has the same shape key
};

// The models that are ready, by name and version. Readers take an immutable snapshot; writers
// replace it. Thread-safe.
class ModelTable {
 public:
  using Versions = std::map<int64_t, std::shared_ptr<const ServedModel>>;
  using Models = std::map<std::string, Versions, std::less<>>;

  // `version` as it stands in the request: empty means the highest. Errors worded as Triton's
  // clients know them.
  Result<std::shared_ptr<const ServedModel>> find(std::string_view name,
                                                  std::string_view version) const;
  std::shared_ptr<const Models> snapshot() const;

  void put(std::shared_ptr<const ServedModel> model);
  void remove(std::string_view name, int64_t version);

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Models> models_ = std::make_shared<Models>();
};

// What every row of all outputs takes in a reply slot, alignment included; 0 when a shape is open
// or holds BYTES.
uint64_t reply_row_bytes(const std::vector<TensorSpec>& outputs);

}  // namespace corolla::front
