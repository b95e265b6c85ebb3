#include "engine/openvino/model_reader.h"

#include <algorithm>

#include <openvino/core/preprocess/pre_post_process.hpp>
#include <openvino/frontend/manager.hpp>

#include "engine/image/normalise.h"

namespace corolla::engine {
namespace {

constexpr int kLargestRung = 4;

Error invalid(const ModelSource& source, const std::string& what) {
  return {Code::kInvalidArgument, "model '" + source.name + "' (" + source.path + "): " + what};
}

std::string names_of(const std::vector<ov::Output<ov::Node>>& ports) {
  std::string names;
  for (const auto& port : ports) names += (names.empty() ? "'" : ", '") + port.get_any_name() + "'";
  return names.empty() ? "none" : names;
}

// Where a declaration says more than the file does, it holds; where they contradict each other, it
// is wrong.
Status narrow(const ModelSource& source, const TensorSpec& declared, ov::PartialShape& shape) {
  const size_t lead = source.max_batch > 0 ? 1 : 0;
  if (shape.rank().is_dynamic())
    shape = ov::PartialShape::dynamic(static_cast<int64_t>(declared.shape.size() + lead));
  bool good = shape.size() == declared.shape.size() + lead;
  for (size_t i = 0; good && i < declared.shape.size(); ++i) {
    if (declared.shape[i] < 0) continue;
    ov::Dimension merged;
    good = ov::Dimension::merge(merged, shape[i + lead], ov::Dimension(declared.shape[i]));
    shape[i + lead] = merged;
  }
  if (good) return ok();
  return invalid(source, "input '" + declared.name + "' is declared as " +
                             shape_text(declared.shape) +
                             (lead ? " after the batch dimension" : "") + "; the file has " +
                             shape.to_string());
}

Status fix_declared(const ModelSource& source, ov::Model& model) {
  std::map<ov::Output<ov::Node>, ov::PartialShape> shapes;
  for (const TensorSpec& declared : source.inputs) {
    const bool picture =
        std::any_of(source.images.begin(), source.images.end(),
                    [&](const ImageInput& image) { return image.input == declared.name; });
    const auto ports = model.inputs();
    const auto found = std::find_if(ports.begin(), ports.end(), [&](const auto& port) {
      return port.get_names().count(declared.name) > 0;
    });
    if (found == ports.end())
      return invalid(
          source, "input '" + declared.name + "' is declared, but the file has " + names_of(ports));
    if (picture) continue;  // declared in the form that clients send
    const auto dtype = to_dtype(found->get_element_type());
    if (!dtype || *dtype != declared.dtype)
      return invalid(source, "input '" + declared.name + "' is declared as " +
                                 std::string(dtype_name(declared.dtype)) + "; the file has " +
                                 found->get_element_type().to_string());
    ov::PartialShape shape = found->get_partial_shape();
    RETURN_IF_ERROR(narrow(source, declared, shape));
    shapes[*found] = shape;
  }
  if (!shapes.empty()) model.reshape(shapes);
  return ok();
}

// UINT8 [N,H,W,3] in front of an input of floats [N,3,H,W] or [N,H,W,3].
Result<std::shared_ptr<ov::Model>> build_in_pictures(const ModelSource& source,
                                                     std::shared_ptr<ov::Model> model) {
  if (source.images.empty()) return model;
  ov::preprocess::PrePostProcessor steps(model);
  for (const ImageInput& image : source.images) {
    const auto ports = model->inputs();
    const auto found = std::find_if(ports.begin(), ports.end(), [&](const auto& port) {
      return port.get_names().count(image.input) > 0;
    });
    if (found == ports.end())
      return invalid(
          source, "picture input '" + image.input + "' is none of the file's: " + names_of(ports));
    const ov::PartialShape shape = found->get_partial_shape();
    const auto is3 = [&](size_t i) { return shape[i].is_static() && shape[i].get_length() == 3; };
    const bool four = shape.rank().is_static() && shape.size() == 4;
    const bool planes = four && is3(1);
    if (!four || (!planes && !is3(3)) || !found->get_element_type().is_real() ||
        shape[planes ? 2 : 1].is_dynamic() || shape[planes ? 3 : 2].is_dynamic())
      return invalid(source, "picture input '" + image.input +
                                 "' must be floats [N,3,H,W] or [N,H,W,3] of fixed height and "
                                 "width; the file has " +
                                 found->get_element_type().to_string() + " " + shape.to_string());
    if (const Status good = check_normalisation(image.input, image.mean, image.std); !good.ok())
      return invalid(source, good.error().what);
    auto& input = steps.input(image.input);
    input.tensor().set_element_type(ov::element::u8).set_layout("NHWC");
    input.model().set_layout(planes ? "NCHW" : "NHWC");
    // (x / 255 - mean) / std, with the 255 moved into the constants: one subtraction and one
    // division for each value.
    std::vector<float> mean = image.mean.empty() ? std::vector<float>(3, 0) : image.mean;
    std::vector<float> scale = image.std.empty() ? std::vector<float>(3, 1) : image.std;
    for (int i = 0; i < 3; ++i) mean[i] *= 255, scale[i] *= 255;
    input.preprocess().convert_element_type(ov::element::f32).mean(mean).scale(scale);
  }
  return steps.build();
}

bool rest_is_static(const ov::PartialShape& shape, size_t from) {
  if (shape.rank().is_dynamic()) return false;
  for (size_t i = from; i < shape.size(); ++i)
    if (shape[i].is_dynamic()) return false;
  return true;
}

// The model at a batch of `rows`; nullptr when it does not work that way.
std::shared_ptr<ov::Model> at_rows(const ov::Model& model, int rows) try {
  auto made = model.clone();
  std::map<ov::Output<ov::Node>, ov::PartialShape> shapes;
  for (const auto& port : made->inputs()) {
    shapes[port] = port.get_partial_shape();
    shapes[port][0] = rows;
  }
  made->reshape(shapes);
  for (const auto& port : made->outputs()) {
    const ov::PartialShape shape = port.get_partial_shape();
    if (shape.is_dynamic() || shape.size() == 0 || shape[0] != ov::Dimension(rows)) return nullptr;
  }
  return made;
} catch (const std::exception&) {
  return nullptr;
}

Result<std::vector<CompileForm>> forms_of(const ModelSource& source,
                                          std::shared_ptr<ov::Model> model) {
  std::vector<CompileForm> forms;
  if (source.max_batch == 0) {
    for (const ImageInput& image : source.images) {
      auto port = model->input(image.input);
      ov::PartialShape shape = port.get_partial_shape();
      shape[0] = 1;
      model->reshape({{port, shape}});
    }
    bool fixed = true;
    for (const auto& port : model->inputs()) fixed = fixed && port.get_partial_shape().is_static();
    for (const auto& port : model->outputs()) fixed = fixed && port.get_partial_shape().is_static();
    forms.push_back({fixed ? 1 : 0, std::move(model)});
    return forms;
  }
  bool fixed = true;
  for (const auto& port : model->inputs()) {
    const ov::PartialShape shape = port.get_partial_shape();
    if (shape.rank().is_static() && shape.size() == 0)
      return invalid(source, "max_batch_size is " + std::to_string(source.max_batch) +
                                 ", but input '" + port.get_any_name() +
                                 "' is a single number and has no batch dimension");
    fixed = fixed && rest_is_static(shape, 1);
  }
  const auto any_shape = [&]() -> Result<std::vector<CompileForm>> {
    for (const auto& port : model->inputs())
      if (port.get_partial_shape().rank().is_static() && port.get_partial_shape()[0].is_static() &&
          source.max_batch > 1)
        return invalid(source, "max_batch_size is " + std::to_string(source.max_batch) +
                                   ", but input '" + port.get_any_name() + "' has shape " +
                                   port.get_partial_shape().to_string());
    forms.push_back({0, std::move(model)});
    return forms;
  };
  if (!fixed) return any_shape();
  bool outputs_known = true;
  for (const auto& port : model->outputs())
    outputs_known = outputs_known && rest_is_static(port.get_partial_shape(), 1);
  if (!outputs_known) return any_shape();
  for (int rows : ladder(source.max_batch))
    if (auto made = at_rows(*model, rows)) forms.push_back({rows, std::move(made)});
  if (forms.empty() || forms[0].rows != 1)
    return invalid(
        source,
        "max_batch_size is " + std::to_string(source.max_batch) +
            ", but the model has no batch dimension that runs through from its inputs to its "
            "outputs; set max_batch_size to 0");
  return forms;
}

}  // namespace

std::vector<int> ladder(int max_batch) {
  if (max_batch == 1) return {1};
  return {1, std::min(max_batch, kLargestRung)};
}

Result<std::vector<CompileForm>> read_model(ov::Core& core, const ModelSource& source) try {
  std::shared_ptr<ov::Model> model;
  if (source.path.ends_with(".onnx")) {
    // Not core.read_model(): every other front end would have a go at a broken file, and print what
    // it thinks of it.
    ov::frontend::FrontEndManager front_ends;
    const auto onnx = front_ends.load_by_framework("onnx");
    model = onnx->convert(onnx->load(source.path));
  } else {
    model = core.read_model(source.path);
  }
  RETURN_IF_ERROR(fix_declared(source, *model));
  ASSIGN_OR_RETURN(model, build_in_pictures(source, std::move(model)));
  ASSIGN_OR_RETURN(auto forms, forms_of(source, std::move(model)));
  if (!source.images.empty() && forms.front().rows == 0)
    return invalid(source,
                   "picture inputs need a model whose other inputs and outputs have fixed shapes");
  return forms;
} catch (const std::exception& exception) {
  return invalid(source, plain_sentence(exception));
}

}  // namespace corolla::engine
