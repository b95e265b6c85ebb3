// config.pbtxt: read, checked, and turned into what the rest of the front works with. Files are
// Triton's (wire/model_config.proto); what Corolla does not offer is refused with a sentence rather
// than ignored. docs/models.md tells users which parts count.
//
// Stateless and thread-safe. Errors are kInvalidArgument (the file is wrong) or kUnsupported (it
// asks for what is not offered).
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"
#include "link/link.pb.h"
#include "serve/front/dispatcher.h"
#include "wire/inference.pb.h"

namespace corolla::front {

inline constexpr size_t kMaxConfigBytes = size_t{4} << 20;
// Where the file has a batch dimension and nobody says how far it may be used.
inline constexpr int kGuessedMaxBatch = 8;

// Reads text format; `where` ("config.pbtxt of model 'flower'") begins the sentence of each error,
// followed by line and column, from 1.
Result<inference::ModelConfig> parse_config_text(std::string_view text, const std::string& where);
// The same from the JSON form that /config shows, for the override that a load call may carry.
Result<inference::ModelConfig> parse_config_json(std::string_view json, const std::string& where);

// Checks all that can be checked without the model file, and fills in what follows from the rest:
// name, version policy. `model` is the folder's name; a name written in the file must be the same.
Status check_config(inference::ModelConfig& config, const std::string& model);

inference::DataType to_proto(DType dtype);
std::optional<DType> from_proto(inference::DataType type);

// REQUIRES of all below: check_config() was content.

ModelPolicy model_policy(const inference::ModelConfig& config);

// Inputs that are pictures, from the parameters "image" ("u8" or "encoded"), "image_input" (needed
// only where the model has several inputs), "image_mean" and "image_std" ("0.485,0.456,0.406").
// Empty without "image".
Result<std::vector<link::ImageInput>> image_inputs(const inference::ModelConfig& config);

// What a worker is told. A picture input appears as clients send it, however it was declared.
Result<link::ModelSpec> model_spec(const inference::ModelConfig& config, int64_t version,
                                   const std::string& path, uint32_t id);

// Tensors as a worker reported them.
struct FileTensors {
  std::vector<link::TensorSpec> inputs, outputs;
};
// 0, or kGuessedMaxBatch when the config declares no tensors and no max_batch_size and the file's
// tensors all begin with an open dimension. Then the model is to be loaded again with max_batch set
// to it.
int guess_max_batch(const inference::ModelConfig& config, const FileTensors& file);

// The config as clients see it: tensors filled in where none are declared; where some are, they are
// checked against the file's.
Result<inference::ModelConfig> complete_config(const inference::ModelConfig& config,
                                               const FileTensors& file);

// REQUIRES: a completed config. Shapes carry the batch dimension (-1) first when max_batch_size >
// 0.
inference::ModelMetadataResponse model_metadata(const inference::ModelConfig& config,
                                                const std::vector<int64_t>& versions);

}  // namespace corolla::front
