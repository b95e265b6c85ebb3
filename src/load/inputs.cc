#include "load/inputs.h"

#include <string.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <random>

#include "load/inputs_json.h"
#include "load/picture.h"

namespace corolla::load {
namespace {

using Bytes = std::vector<std::byte>;

Error bad(std::string what) { return {Code::kInvalidArgument, std::move(what)}; }

class Maker {
 public:
  Maker(const client::ModelMetadata& metadata, const client::ModelConfig& config,
        const InputOptions& options)
      : config_(config), options_(options), batched_(config.max_batch_size > 0) {
    for (const client::TensorMetadata& input : metadata.inputs) {
      const auto& optional = config.optional_inputs;
      const bool wanted =
          std::find(optional.begin(), optional.end(), input.name) == optional.end() ||
          options.shapes.contains(input.name);
      if (wanted) inputs_.push_back(input);
    }
  }

  Result<Inputs> make() {
    if (options_.batch < 1)
      return bad("batch size " + std::to_string(options_.batch) + " is below 1");
    if (batched_ && options_.batch > config_.max_batch_size)
      return bad("batch size " + std::to_string(options_.batch) +
                 " is above the model's max_batch_size " + std::to_string(config_.max_batch_size));
    if (!batched_ && options_.batch > 1)
      return bad(
          "the model has no batch dimension (max_batch_size 0), so the batch size must be 1, not " +
          std::to_string(options_.batch));
    for (const auto& given : options_.shapes)
      if (std::none_of(inputs_.begin(), inputs_.end(),
                       [&](auto& input) { return input.name == given.first; }))
        return bad("--shape names '" + given.first + "', which is no input of the model");
    namespace fs = std::filesystem;
    std::error_code error;
    const std::string& source = options_.source;
    if (source.empty() || source == "random" || source == "zero") {
      RETURN_IF_ERROR(filled(source == "zero"));
    } else if (fs::is_directory(source, error)) {
      const bool named = std::all_of(inputs_.begin(), inputs_.end(), [&](auto& input) {
        return fs::is_regular_file(fs::path(source) / input.name, error);
      });
      RETURN_IF_ERROR(named ? files() : pictures());
    } else {
      RETURN_IF_ERROR(json());
    }
    Inputs made;
    auto storage = std::make_shared<std::vector<Bytes>>(std::move(storage_));
    for (auto& step : steps_)
      for (auto& input : step) input.bytes = storage->at(input.binary_size);
    for (auto& step : steps_)
      for (auto& input : step) input.binary_size = input.bytes.size();
    made.steps = std::move(steps_);
    made.storage = std::move(storage);
    return made;
  }

 private:
  // An input's shape without the batch dimension; every dimension known.
  Result<std::vector<int64_t>> inner_shape(const client::TensorMetadata& input) const {
    std::vector<int64_t> shape = input.shape;
    if (batched_ && !shape.empty()) shape.erase(shape.begin());
    const auto given = options_.shapes.find(input.name);
    if (given != options_.shapes.end()) {
      if (given->second.size() != shape.size())
        return bad("--shape gives input '" + input.name + "' " +
                   std::to_string(given->second.size()) + " dimensions; the model has " +
                   std::to_string(shape.size()) + ": " + shape_text(shape));
      for (size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] != -1 && shape[i] != given->second[i])
          return bad("--shape gives input '" + input.name + "' " + shape_text(given->second) +
                     "; the model wants " + shape_text(shape));
      }
      shape = given->second;
    }
    if (std::find(shape.begin(), shape.end(), -1) != shape.end())
      return bad("input '" + input.name + "' has the variable shape " + shape_text(shape) +
                 ": give --shape " + input.name + ":...");
    return shape;
  }

  std::vector<int64_t> with_batch(std::vector<int64_t> shape) const {
    if (batched_) shape.insert(shape.begin(), options_.batch);
    return shape;
  }

  // The bytes' place in the storage travels in binary_size until all are made, since the storage
  // still moves.
  wire::InputTensor tensor(const client::TensorMetadata& input, std::vector<int64_t> inner,
                           Bytes bytes) {
    wire::InputTensor out;
    out.name = input.name;
    out.dtype = input.dtype;
    out.shape = with_batch(std::move(inner));
    out.binary = true;
    out.binary_size = storage_.size();
    storage_.push_back(std::move(bytes));
    return out;
  }

  // One row repeated for each of the batch.
  Bytes repeated(Bytes row) const {
    Bytes all;
    all.reserve(row.size() * options_.batch);
    for (int64_t i = 0; i < options_.batch; ++i) all.insert(all.end(), row.begin(), row.end());
    return all;
  }

  Status filled(bool zero) {
    std::mt19937_64 random(options_.seed);
    std::vector<wire::InputTensor> step;
    for (const client::TensorMetadata& input : inputs_) {
      ASSIGN_OR_RETURN(std::vector<int64_t> shape, inner_shape(input));
      ASSIGN_OR_RETURN(const int64_t elements, element_count(shape));
      Bytes row;
      if (input.dtype == DType::kBytes) {
        for (int64_t i = 0; i < elements; ++i) {
          std::string text = options_.string_data;
          if (text.empty() && !zero)
            while (text.size() < options_.string_length)
              text += static_cast<char>('a' + random() % 26);
          const uint32_t size = static_cast<uint32_t>(text.size());
          const auto* length = reinterpret_cast<const std::byte*>(&size);
          row.insert(row.end(), length, length + 4);
          const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
          row.insert(row.end(), bytes, bytes + text.size());
        }
      } else {
        ASSIGN_OR_RETURN(const int64_t bytes, byte_count(input.dtype, shape));
        if (bytes > int64_t{1} << 31)
          return bad("input '" + input.name + "' would take " + std::to_string(bytes) + " bytes");
        row.resize(bytes);
        if (!zero) fill_random(input.dtype, row, random);
      }
      step.push_back(tensor(input, std::move(shape), repeated(std::move(row))));
    }
    steps_.push_back(std::move(step));
    return ok();
  }

  // Floats in 0..1, so that no model meets a NaN; integers in their lower 7 bits; booleans 0 and 1.
  static void fill_random(DType dtype, Bytes& row, std::mt19937_64& random) {
    if (dtype == DType::kFp32 || dtype == DType::kFp64) {
      for (size_t at = 0; at < row.size(); at += dtype_size(dtype)) {
        const double value = static_cast<double>(random() >> 11) * 0x1p-53;
        const float narrow = static_cast<float>(value);
        if (dtype == DType::kFp32)
          memcpy(&row[at], &narrow, sizeof narrow);
        else
          memcpy(&row[at], &value, sizeof value);
      }
      return;
    }
    const size_t size = dtype_size(dtype);
    const bool half = dtype == DType::kFp16 || dtype == DType::kBf16;
    for (size_t at = 0; at < row.size(); at += size)
      row[at] = static_cast<std::byte>(random() & (dtype == DType::kBool ? 1 : half ? 0 : 0x7f));
  }

  // A folder with one file an input: raw bytes of one row, or for BYTES one element a line.
  Status files() {
    std::vector<wire::InputTensor> step;
    for (const client::TensorMetadata& input : inputs_) {
      ASSIGN_OR_RETURN(std::vector<int64_t> shape, inner_shape(input));
      ASSIGN_OR_RETURN(Bytes row, read_file(options_.source + "/" + input.name));
      if (input.dtype == DType::kBytes) {
        row = lines(row);
      } else {
        ASSIGN_OR_RETURN(const int64_t bytes, byte_count(input.dtype, shape));
        if (static_cast<int64_t>(row.size()) != bytes)
          return bad(options_.source + "/" + input.name + " has " + std::to_string(row.size()) +
                     " bytes; the input takes " + std::to_string(bytes));
      }
      step.push_back(tensor(input, std::move(shape), repeated(std::move(row))));
    }
    steps_.push_back(std::move(step));
    return ok();
  }

  static Bytes lines(const Bytes& text) {
    Bytes out;
    size_t begin = 0;
    while (begin < text.size()) {
      size_t end = begin;
      while (end < text.size() && text[end] != std::byte{'\n'}) ++end;
      const uint32_t size = static_cast<uint32_t>(end - begin);
      const auto* length = reinterpret_cast<const std::byte*>(&size);
      out.insert(out.end(), length, length + 4);
      out.insert(out.end(), text.begin() + begin, text.begin() + end);
      begin = end + 1;
    }
    return out;
  }

  // A folder of pictures: request i carries pictures i, i+1, ... of its batch, in turn.
  Status pictures() {
    ASSIGN_OR_RETURN(const std::vector<std::string> paths, find_pictures(options_.source));
    if (inputs_.size() != 1)
      return bad("a folder of pictures needs a model with one input; this one has " +
                 std::to_string(inputs_.size()));
    const client::TensorMetadata& input = inputs_.front();
    std::vector<int64_t> inner = input.shape;
    if (batched_ && !inner.empty()) inner.erase(inner.begin());
    if (const auto given = options_.shapes.find(input.name); given != options_.shapes.end())
      inner = given->second;
    ASSIGN_OR_RETURN(const PictureInput form, picture_input(input.dtype, inner));
    std::vector<int64_t> shape = {1};
    if (form.form == PictureForm::kPlanes) shape = {3, form.height, form.width};
    if (form.form == PictureForm::kPixels) shape = {form.height, form.width, 3};
    if (form.form == PictureForm::kEncoded && inner.empty()) shape = {};
    // At most this many are kept in memory.
    constexpr size_t kMost = 256;
    std::vector<Bytes> rows;
    for (const std::string& path : paths) {
      if (rows.size() == kMost) break;
      ASSIGN_OR_RETURN(const Bytes file, read_file(path));
      Result<Bytes> row = picture_tensor(file, form);
      if (!row.ok()) return Error{row.error().code, path + ": " + row.error().what};
      rows.push_back(*std::move(row));
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      Bytes all;
      for (int64_t b = 0; b < options_.batch; ++b) {
        const Bytes& row = rows[(i * options_.batch + b) % rows.size()];
        all.insert(all.end(), row.begin(), row.end());
      }
      steps_.push_back({tensor(input, shape, std::move(all))});
    }
    return ok();
  }

  Status json() {
    ASSIGN_OR_RETURN(const Bytes text, read_file(options_.source));
    ASSIGN_OR_RETURN(auto data, read_json_inputs(text, options_.source, inputs_));
    for (size_t i = 0; i < data.size(); ++i) {
      std::vector<wire::InputTensor> step;
      for (size_t k = 0; k < inputs_.size(); ++k) {
        std::vector<int64_t> shape;
        Bytes all;
        for (int64_t b = 0; b < options_.batch; ++b) {
          const size_t row = (i * options_.batch + b) % data.size();
          const JsonTensor& given = data[row][k];
          const std::string where = options_.source + ": entry " + std::to_string(row) +
                                    ", input '" + inputs_[k].name + "'";
          std::vector<int64_t> its = given.shape.value_or(std::vector<int64_t>());
          if (!given.shape) {
            ASSIGN_OR_RETURN(its, inner_shape(inputs_[k]));
          }
          if (b > 0 && its != shape)
            return bad(where + " has shape " + shape_text(its) + ", others of its batch " +
                       shape_text(shape));
          shape = its;
          if (inputs_[k].dtype != DType::kBytes) {
            ASSIGN_OR_RETURN(const int64_t bytes, byte_count(inputs_[k].dtype, its));
            if (static_cast<int64_t>(given.bytes.size()) != bytes)
              return bad(where + " has " + std::to_string(given.bytes.size()) + " bytes; shape " +
                         shape_text(its) + " takes " + std::to_string(bytes));
          }
          all.insert(all.end(), given.bytes.begin(), given.bytes.end());
        }
        step.push_back(tensor(inputs_[k], shape, std::move(all)));
      }
      steps_.push_back(std::move(step));
    }
    return ok();
  }

  const client::ModelConfig& config_;
  const InputOptions& options_;
  bool batched_;
  std::vector<client::TensorMetadata> inputs_;
  std::vector<Bytes> storage_;
  std::vector<std::vector<wire::InputTensor>> steps_;
};

}  // namespace

size_t Inputs::bytes_per_request() const {
  size_t most = 0;
  for (const auto& step : steps) {
    size_t sum = 0;
    for (const auto& input : step) sum += input.bytes.size();
    most = std::max(most, sum);
  }
  return most;
}

Result<Inputs> make_inputs(const client::ModelMetadata& metadata, const client::ModelConfig& config,
                           const InputOptions& options) {
  return Maker(metadata, config, options).make();
}

Result<std::pair<std::string, std::vector<int64_t>>> parse_shape(std::string_view text) {
  const size_t colon = text.rfind(':');
  std::vector<int64_t> shape;
  std::string_view list = colon == text.npos ? "" : text.substr(colon + 1);
  while (!list.empty()) {
    const std::string_view one = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), one.size() + 1));
    int64_t n = 0;
    auto [end, error] = std::from_chars(one.data(), one.data() + one.size(), n);
    if (error != std::errc() || end != one.data() + one.size() || n < 1) {
      shape.clear();
      break;
    }
    shape.push_back(n);
  }
  if (colon == text.npos || colon == 0 || shape.empty())
    return bad("--shape '" + std::string(text) +
               "' is not NAME:SIZE,SIZE,... with sizes of at least 1");
  return std::pair(std::string(text.substr(0, colon)), std::move(shape));
}

}  // namespace corolla::load
