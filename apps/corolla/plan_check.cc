#include "plan_check.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "engine/image/picture.h"
#include "plan/interpreter.h"
#include "plan/mapped_file.h"
#include "plan/npy.h"
#include "plan/program_reference.h"

namespace corolla::app {
namespace {

namespace fs = std::filesystem;
using plan::Tensor;

bool is_candidate(const fs::path& path) {
  const std::string end = path.extension().string();
  return end == ".jpg" || end == ".jpeg" || end == ".png" || end == ".npy";
}

Result<std::vector<std::string>> files_of(const CheckOptions& options) {
  std::vector<std::string> files;
  for (const std::string& given : options.pictures) {
    std::error_code failed;
    if (!fs::is_directory(given, failed)) {
      files.push_back(given);
      continue;
    }
    std::vector<std::string> inside;
    for (const auto& entry : fs::directory_iterator(given, failed))
      if (entry.is_regular_file() && is_candidate(entry.path())) inside.push_back(entry.path());
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  if (files.empty())
    return Error{Code::kInvalidArgument, "--verify found no JPEG, PNG or .npy file"};
  if (files.size() > options.most) files.resize(options.most);
  return files;
}

// FP32 [1,C,H,W].
Result<Tensor> read_picture(const std::string& file, const plan::Shape& shape,
                            const CheckOptions& options) {
  if (fs::path(file).extension() == ".npy") {
    ASSIGN_OR_RETURN(const Tensor tensor, plan::read_npy(file));
    ASSIGN_OR_RETURN(const Tensor floats, plan::cast(tensor, DType::kFp32));
    ASSIGN_OR_RETURN(const int64_t wanted, element_count(shape));
    if (floats.count() != wanted)
      return Error{Code::kInvalidArgument, file + " has shape " + shape_text(tensor.shape()) +
                                               "; the model takes " + shape_text(shape)};
    return floats.reshaped(shape);
  }
  if (shape.size() != 4 || shape[1] != 3)
    return Error{Code::kInvalidArgument,
                 "the model takes " + shape_text(shape) + ", no pictures; give .npy files"};
  ASSIGN_OR_RETURN(const auto bytes, plan::MappedFile::open(file, "the picture"));
  ASSIGN_OR_RETURN(const engine::Picture picture, engine::decode_picture(bytes->bytes()));
  const auto height = static_cast<size_t>(shape[2]), width = static_cast<size_t>(shape[3]);
  std::vector<uint8_t> rgb(height * width * 3);
  engine::fit_picture(picture, static_cast<int>(width), static_cast<int>(height), rgb);
  std::vector<float> values(rgb.size());
  for (size_t p = 0; p < height * width; ++p)
    for (size_t c = 0; c < 3; ++c)
      values[c * height * width + p] = (static_cast<float>(rgb[p * 3 + c]) / 255 -
                                        (options.mean.empty() ? 0 : options.mean[c])) /
                                       (options.deviation.empty() ? 1 : options.deviation[c]);
  return Tensor::of_floats(shape, values);
}

size_t top(const std::vector<float>& scores) {
  return static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

}  // namespace

Result<CheckAnswer> check_plan(const plan::Model& model, const plan::Plan& plan,
                               const CheckOptions& options,
                               const std::function<void(const std::string&)>& progress) {
  if (plan.inputs.size() != 1 || plan.programs.empty() || plan.programs[0].batch != 1)
    return Error{Code::kInvalidArgument,
                 "--verify needs a model with one input and a plan with batch 1"};
  for (const auto* list : {&options.mean, &options.deviation})
    if (!list->empty() && list->size() != 3)
      return Error{Code::kInvalidArgument, "--mean and --std take three numbers"};
  ASSIGN_OR_RETURN(const std::vector<std::string> files, files_of(options));
  plan::Shape shape = plan.inputs[0].shape;
  if (plan.batched) shape[0] = 1;
  ASSIGN_OR_RETURN(const plan::Graph graph, plan::bind(model, {1, {}}));
  CheckAnswer answer;
  for (const std::string& file : files) {
    progress("verify " + file);
    ASSIGN_OR_RETURN(const Tensor picture, read_picture(file, shape, options));
    ASSIGN_OR_RETURN(const auto want, plan::interpret(graph, {{plan.inputs[0].name, picture}}));
    ASSIGN_OR_RETURN(const auto have,
                     plan::run_program(plan, plan.programs[0], std::span(&picture, 1)));
    const std::vector<float> a = have[0].floats(), b = want[0].floats();
    double difference = 0, largest = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      difference = std::max(difference, static_cast<double>(std::fabs(a[i] - b[i])));
      largest = std::max(largest, static_cast<double>(std::fabs(b[i])));
    }
    ++answer.pictures;
    answer.same_top += top(a) == top(b) ? 1 : 0;
    answer.worst = std::max(answer.worst, difference / std::max(largest, 1e-30));
  }
  return answer;
}

}  // namespace corolla::app
