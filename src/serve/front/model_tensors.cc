// The part of model_config.h that is about tensors: pictures, what workers are told and what they
// report, metadata.
#include <charconv>

#include "serve/front/model_config.h"

namespace corolla::front {
namespace {

Error invalid(std::string what) { return {Code::kInvalidArgument, std::move(what)}; }

template <class Dims>
std::string dims_text(const Dims& dims) {
  return shape_text(std::vector<int64_t>(dims.begin(), dims.end()));
}

const std::string* parameter(const inference::ModelConfig& config, const std::string& key) {
  auto it = config.parameters().find(key);
  return it == config.parameters().end() ? nullptr : &it->second.string_value();
}

// "0.485,0.456,0.406", or one number for all three channels.
Result<std::vector<float>> channels(const std::string& key, const std::string& text) {
  std::vector<float> values;
  const char* at = text.data();
  const char* end = at + text.size();
  auto wrong = [&] {
    return invalid("parameter '" + key + "' is '" + text.substr(0, 60) +
                   "'; it should be one number, or three with commas, such as 0.485,0.456,0.406");
  };
  while (true) {
    while (at != end && *at == ' ') ++at;
    float value = 0;
    auto [next, failed] = std::from_chars(at, end, value);
    if (failed != std::errc() || !(value > -1e6f && value < 1e6f)) return wrong();
    values.push_back(value);
    at = next;
    while (at != end && *at == ' ') ++at;
    if (at == end) break;
    if (*at++ != ',' || values.size() == 3) return wrong();
  }
  if (values.size() == 1) values.assign(3, values[0]);
  if (values.size() != 3) return wrong();
  return values;
}

// A picture input that is declared as the file has it, turned into what clients send.
void as_clients_send(link::TensorSpec& spec, const std::string& form, bool channels_last) {
  if (form == "encoded") {
    if (spec.dtype() == static_cast<uint32_t>(DType::kBytes)) return;
    spec.set_dtype(static_cast<uint32_t>(DType::kBytes));
    spec.clear_shape();
    spec.add_shape(1);
    return;
  }
  if (spec.dtype() == static_cast<uint32_t>(DType::kUint8)) return;
  spec.set_dtype(static_cast<uint32_t>(DType::kUint8));
  if (spec.shape_size() == 3 && !channels_last) {
    std::vector<int64_t> chw(spec.shape().begin(), spec.shape().end());
    spec.set_shape(0, chw[1]);
    spec.set_shape(1, chw[2]);
    spec.set_shape(2, chw[0]);
  }
}

std::optional<DType> checked_dtype(uint32_t number) {
  if (number > static_cast<uint32_t>(DType::kBytes)) return std::nullopt;
  return static_cast<DType>(number);
}

template <class Dims>
bool compatible(const Dims& declared, const Dims& file) {
  if (declared.size() != file.size()) return false;
  for (int i = 0; i < declared.size(); ++i)
    if (declared[i] != -1 && file[i] != -1 && declared[i] != file[i]) return false;
  return true;
}

const link::TensorSpec* find(const std::vector<link::TensorSpec>& specs, const std::string& name) {
  for (const auto& spec : specs)
    if (spec.name() == name) return &spec;
  return nullptr;
}

std::string names_of(const std::vector<link::TensorSpec>& specs) {
  std::string names;
  for (const auto& spec : specs) names += (names.empty() ? "'" : ", '") + spec.name() + "'";
  return names.empty() ? "none" : names;
}

template <class Tensor>
Status check_against_file(const Tensor& declared, const std::string& kind,
                          const std::vector<link::TensorSpec>& file) {
  const link::TensorSpec* spec = find(file, declared.name());
  std::string what = kind + " '" + declared.name() + "'";
  if (spec == nullptr)
    return invalid(what + " is not in the model file, whose " + kind + "s are " + names_of(file));
  auto dtype = checked_dtype(spec->dtype());
  if (!dtype || to_proto(*dtype) != declared.data_type())
    return invalid(what + " is declared as " + inference::DataType_Name(declared.data_type()) +
                   "; the model file has " +
                   (dtype ? inference::DataType_Name(to_proto(*dtype)) : "another"));
  if (!compatible(declared.dims(), spec->shape()))
    return invalid(what + " is declared with dims " + dims_text(declared.dims()) +
                   "; the model file has " + dims_text(spec->shape()));
  return ok();
}

template <class Tensor>
Status fill(Tensor& tensor, const link::TensorSpec& spec) {
  auto dtype = checked_dtype(spec.dtype());
  if (!dtype)
    return Error{Code::kInternal, "a worker reported data type " + std::to_string(spec.dtype())};
  tensor.set_name(spec.name());
  tensor.set_data_type(to_proto(*dtype));
  *tensor.mutable_dims() = spec.shape();
  return ok();
}

template <class Tensor>
link::TensorSpec declared_spec(const Tensor& tensor) {
  link::TensorSpec spec;
  spec.set_name(tensor.name());
  spec.set_dtype(static_cast<uint32_t>(*from_proto(tensor.data_type())));
  *spec.mutable_shape() = tensor.dims();
  return spec;
}

template <class Tensor>
void add_metadata(inference::ModelMetadataResponse::TensorMetadata& out, const Tensor& tensor,
                  bool batched) {
  out.set_name(tensor.name());
  auto dtype = from_proto(tensor.data_type());
  CHECK(dtype.has_value(), tensor.name());
  out.set_datatype(std::string(dtype_name(*dtype)));
  if (batched) out.add_shape(-1);
  for (int64_t dim : tensor.dims()) out.add_shape(dim);
}

}  // namespace

Result<std::vector<link::ImageInput>> image_inputs(const inference::ModelConfig& config) {
  std::vector<link::ImageInput> images;
  const std::string* form = parameter(config, "image");
  if (form == nullptr) return images;
  if (*form != "u8" && *form != "encoded")
    return invalid("parameter 'image' is '" + *form +
                   "'; it should be 'u8' (UINT8 [height,width,3]) or 'encoded' (JPEG or PNG)");
  link::ImageInput image;
  image.set_form(*form);
  if (const std::string* name = parameter(config, "image_input")) {
    image.set_input(*name);
    bool declared = config.input_size() == 0;
    for (const auto& input : config.input()) declared |= input.name() == *name;
    if (!declared)
      return invalid("parameter 'image_input' names '" + *name + "', which is no input");
  } else if (config.input_size() == 1) {
    image.set_input(config.input(0).name());
  } else {
    return invalid("parameter 'image' needs 'image_input' beside it, to say which of the model's " +
                   std::to_string(config.input_size()) + " declared inputs is the picture");
  }
  for (const char* key : {"image_mean", "image_std"}) {
    const std::string* text = parameter(config, key);
    if (text == nullptr) continue;
    ASSIGN_OR_RETURN(std::vector<float> values, channels(key, *text));
    bool is_std = key == std::string_view("image_std");
    for (float value : values) {
      if (is_std && !(value > 0))
        return invalid("parameter 'image_std' is '" + *text + "'; each must be above 0");
      is_std ? image.add_std(value) : image.add_mean(value);
    }
  }
  images.push_back(std::move(image));
  return images;
}

Result<link::ModelSpec> model_spec(const inference::ModelConfig& config, int64_t version,
                                   const std::string& path, uint32_t id) {
  link::ModelSpec spec;
  spec.set_id(id);
  spec.set_name(config.name());
  spec.set_version(version);
  spec.set_path(path);
  spec.set_max_batch(static_cast<uint32_t>(config.max_batch_size()));
  ASSIGN_OR_RETURN(std::vector<link::ImageInput> images, image_inputs(config));
  for (const auto& input : config.input()) {
    link::TensorSpec tensor = declared_spec(input);
    for (const auto& image : images)
      if (image.input() == input.name())
        as_clients_send(tensor, image.form(), input.format() == inference::ModelInput::FORMAT_NHWC);
    *spec.add_inputs() = std::move(tensor);
  }
  for (const auto& output : config.output()) *spec.add_outputs() = declared_spec(output);
  for (auto& image : images) *spec.add_images() = std::move(image);
  for (const auto& [key, value] : config.parameters())
    (*spec.mutable_parameters())[key] = value.string_value();
  return spec;
}

int guess_max_batch(const inference::ModelConfig& config, const FileTensors& file) {
  if (config.max_batch_size() != 0 || config.input_size() > 0 || config.output_size() > 0) return 0;
  if (file.inputs.empty() || file.outputs.empty()) return 0;
  for (const auto* side : {&file.inputs, &file.outputs})
    for (const auto& spec : *side)
      if (spec.shape_size() == 0 || spec.shape(0) != -1) return 0;
  return kGuessedMaxBatch;
}

Result<inference::ModelConfig> complete_config(const inference::ModelConfig& config,
                                               const FileTensors& file) {
  inference::ModelConfig full = config;
  std::string where = "model '" + config.name() + "': ";
  auto within = [&](const Status& status) -> Status {
    if (status.ok()) return status;
    return Error{status.error().code, where + status.error().what};
  };
  ASSIGN_OR_RETURN(std::vector<link::ImageInput> images, image_inputs(config));
  for (auto& input : *full.mutable_input()) {
    for (const auto& image : images) {
      if (image.input() != input.name()) continue;
      link::TensorSpec spec = declared_spec(input);
      as_clients_send(spec, image.form(), input.format() == inference::ModelInput::FORMAT_NHWC);
      RETURN_IF_ERROR(within(fill(input, spec)));
      input.set_format(image.form() == "u8" ? inference::ModelInput::FORMAT_NHWC
                                            : inference::ModelInput::FORMAT_NONE);
    }
    RETURN_IF_ERROR(within(check_against_file(input, "input", file.inputs)));
  }
  for (const auto& output : full.output())
    RETURN_IF_ERROR(within(check_against_file(output, "output", file.outputs)));
  if (full.input_size() == 0) {
    for (const auto& spec : file.inputs) RETURN_IF_ERROR(within(fill(*full.add_input(), spec)));
  } else {
    for (const auto& spec : file.inputs) {
      bool declared = false;
      for (const auto& input : full.input()) declared |= input.name() == spec.name();
      if (!declared)
        return invalid(where + "the model file has an input '" + spec.name() +
                       "' that config.pbtxt does not declare");
    }
  }
  if (full.output_size() == 0)
    for (const auto& spec : file.outputs) RETURN_IF_ERROR(within(fill(*full.add_output(), spec)));
  return full;
}

inference::ModelMetadataResponse model_metadata(const inference::ModelConfig& config,
                                                const std::vector<int64_t>& versions) {
  inference::ModelMetadataResponse metadata;
  metadata.set_name(config.name());
  for (int64_t version : versions) metadata.add_versions(std::to_string(version));
  metadata.set_platform(config.platform().empty() ? config.backend() : config.platform());
  bool batched = config.max_batch_size() > 0;
  for (const auto& input : config.input()) add_metadata(*metadata.add_inputs(), input, batched);
  for (const auto& output : config.output()) add_metadata(*metadata.add_outputs(), output, batched);
  return metadata;
}

}  // namespace corolla::front
