#include "engine/openvino/openvino_model.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "base/time.h"

namespace corolla::engine {
namespace {

// Below this, copying an output costs less than telling OpenVINO where to write it.
constexpr size_t kInPlaceBytes = 64 << 10;

class Stopwatch {
 public:
  explicit Stopwatch(int64_t& sum) : sum_(sum), begin_(now()) {}
  ~Stopwatch() { sum_ += (now() - begin_).count(); }

 private:
  int64_t& sum_;
  TimePoint begin_;
};

Result<TensorSpec> spec_of(const ov::Output<const ov::Node>& port, bool batched) {
  const auto dtype = to_dtype(port.get_element_type());
  const std::string name = port.get_any_name();
  if (!dtype)
    return Error{Code::kUnsupported, "tensor '" + name + "' is of type " +
                                         port.get_element_type().to_string() +
                                         ", which is not served"};
  const ov::PartialShape shape = port.get_partial_shape();
  if (shape.rank().is_dynamic())
    return Error{Code::kUnsupported,
                 "tensor '" + name + "' has any number of dimensions, which is not served"};
  TensorSpec spec{name, *dtype, {}};
  for (size_t i = batched ? 1 : 0; i < shape.size(); ++i)
    spec.shape.push_back(shape[i].is_static() ? shape[i].get_length() : -1);
  return spec;
}

Status check_declared(const ModelSource& source, const char* side,
                      const std::vector<TensorSpec>& declared_ones,
                      const std::vector<TensorSpec>& tensors) {
  const std::string where = "model '" + source.name + "': " + side + " '";
  for (const TensorSpec& declared : declared_ones) {
    if (std::any_of(source.images.begin(), source.images.end(),
                    [&](const ImageInput& image) { return image.input == declared.name; }))
      continue;  // declared in the form that clients send, or the file's
    const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const TensorSpec& have) {
      return have.name == declared.name;
    });
    if (found == tensors.end()) {
      std::string names;
      for (const TensorSpec& have : tensors)
        names += (names.empty() ? "'" : ", '") + have.name + "'";
      return Error{Code::kInvalidArgument,
                   where + declared.name + "' is declared, but the file has " + names};
    }
    bool good = found->dtype == declared.dtype && found->shape.size() == declared.shape.size();
    for (size_t i = 0; good && i < declared.shape.size(); ++i)
      good = declared.shape[i] < 0 || found->shape[i] < 0 || declared.shape[i] == found->shape[i];
    if (!good)
      return Error{Code::kInvalidArgument, where + declared.name + "' is declared as " +
                                               std::string(dtype_name(declared.dtype)) + " " +
                                               shape_text(declared.shape) + "; the file has " +
                                               std::string(dtype_name(found->dtype)) + " " +
                                               shape_text(found->shape)};
  }
  return ok();
}

// The name of several that the declaration uses.
void prefer_declared_name(const ov::Output<const ov::Node>& port,
                          const std::vector<TensorSpec>& declared, TensorSpec& spec) {
  for (const TensorSpec& want : declared)
    if (port.get_names().count(want.name)) spec.name = want.name;
}

}  // namespace

Rung::Rung(int rows_, ov::CompiledModel model)
    : rows(rows_), compiled(std::move(model)), infer(compiled.create_infer_request()) {
  gathered.resize(compiled.inputs().size());
  elsewhere.resize(compiled.outputs().size());
  if (rows > 0)
    for (size_t i = 0; i < compiled.outputs().size(); ++i)
      own_outputs.push_back(infer.get_output_tensor(i));
}

Result<std::unique_ptr<OpenvinoModel>> OpenvinoModel::make(const ModelSource& source,
                                                           ModelParts parts) {
  std::unique_ptr<OpenvinoModel> model(new OpenvinoModel());
  model->memory_ = std::move(parts.memory);
  model->rungs_ = std::move(parts.rungs);
  model->later_ = std::move(parts.later);
  // So that growing never moves the first, which the growing thread looks at.
  model->rungs_.reserve(model->rungs_.size() + model->later_.size());
  model->where_ = "model '" + source.name + "' (" + source.path + ")";
  model->any_shape_ = std::move(parts.any_shape);
  model->from_cache_ = parts.from_cache;
  model->batched_ = source.max_batch > 0;
  for (const Rung& rung : model->rungs_) RETURN_IF_ERROR(model->check_rung(rung));
  RETURN_IF_ERROR(model->learn_ports(source));
  return model;
}

std::unique_ptr<OpenvinoModel> OpenvinoModel::of_tensors(std::vector<TensorSpec> inputs,
                                                         std::vector<TensorSpec> outputs,
                                                         std::string why) {
  std::unique_ptr<OpenvinoModel> model(new OpenvinoModel());
  model->inputs_ = std::move(inputs);
  model->outputs_ = std::move(outputs);
  model->cannot_run_ = std::move(why);
  model->from_cache_ = true;  // nothing was compiled
  return model;
}

OpenvinoModel::~OpenvinoModel() {
  stop_ = true;
  if (growing_.joinable()) growing_.join();
}

// A compiled model that came from a file may be any; rows are counted in bytes from here on.
Status OpenvinoModel::check_rung(const Rung& rung) const {
  if (!batched_ || rung.rows == 0) return ok();
  const auto check = [&](const std::vector<Port>& ports, const std::vector<Port>& first) {
    if (ports.size() != first.size()) return false;
    for (size_t i = 0; i < ports.size(); ++i) {
      const ov::PartialShape shape = ports[i].get_partial_shape();
      ov::PartialShape wanted = first[i].get_partial_shape();
      if (shape.is_dynamic() || wanted.is_dynamic() || wanted.size() == 0) return false;
      wanted[0] = rung.rows;
      if (shape != wanted || ports[i].get_element_type() != first[i].get_element_type())
        return false;
    }
    return true;
  };
  const ov::CompiledModel& first = rungs_.front().compiled;
  if (check(rung.compiled.inputs(), first.inputs()) &&
      check(rung.compiled.outputs(), first.outputs()))
    return ok();
  return Error{Code::kInvalidArgument, where_ + ": what is compiled for batches of " +
                                           std::to_string(rung.rows) +
                                           " has tensors of other shapes"};
}

Status OpenvinoModel::learn_ports(const ModelSource& source) {
  std::vector<Port> inputs, outputs;
  if (rungs_.empty()) {
    inputs = std::as_const(*any_shape_.graph).inputs();
    outputs = std::as_const(*any_shape_.graph).outputs();
  } else {
    inputs = rungs_.front().compiled.inputs();
    outputs = rungs_.front().compiled.outputs();
  }
  const bool by_rows = !rungs_.empty() && rungs_.front().rows > 0;
  for (const Port& port : inputs) {
    ASSIGN_OR_RETURN(TensorSpec spec, spec_of(port, batched_));
    prefer_declared_name(port, source.inputs, spec);
    ASSIGN_OR_RETURN(const int64_t bytes,
                     by_rows ? byte_count(spec.dtype, spec.shape) : Result<int64_t>(0));
    input_row_bytes_.push_back(static_cast<size_t>(bytes));
    RETURN_IF_ERROR(learn_picture(source, port, spec));
    inputs_.push_back(std::move(spec));
  }
  for (const ImageInput& image : source.images)
    if (std::none_of(inputs.begin(), inputs.end(),
                     [&](const Port& port) { return port.get_names().count(image.input) > 0; }))
      return Error{Code::kInvalidArgument, "model '" + source.name + "': picture input '" +
                                               image.input + "' is none of the file's"};
  for (const Port& port : outputs) {
    ASSIGN_OR_RETURN(TensorSpec spec, spec_of(port, batched_));
    prefer_declared_name(port, source.outputs, spec);
    outputs_.push_back(std::move(spec));
  }
  RETURN_IF_ERROR(check_declared(source, "input", source.inputs, inputs_));
  RETURN_IF_ERROR(check_declared(source, "output", source.outputs, outputs_));
  if (!by_rows) return ok();
  for (const TensorSpec& spec : outputs_) {
    ASSIGN_OR_RETURN(const int64_t bytes, byte_count(spec.dtype, spec.shape));
    output_row_bytes_.push_back(static_cast<size_t>(bytes));
  }
  return ok();
}

// The compiled model takes UINT8 [rows, H, W, 3], or floats, which are then made here. Clients send
// pictures of any size, or of the declared one, or files.
Status OpenvinoModel::learn_picture(const ModelSource& source, const Port& port, TensorSpec& spec) {
  pictures_.emplace_back();
  for (const ImageInput& image : source.images) {
    if (port.get_names().count(image.input) == 0) continue;
    const ov::PartialShape shape = port.get_partial_shape();
    const auto is = [&](size_t d, int64_t n) { return shape[d] == ov::Dimension(n); };
    const bool floats = port.get_element_type() == ov::element::f32;
    if (shape.is_dynamic() || shape.size() != 4 || (!is(1, 3) && !is(3, 3)) ||
        !(floats || port.get_element_type() == ov::element::u8))
      return Error{Code::kInvalidArgument,
                   "model '" + source.name + "': picture input '" + image.input +
                       "' must be FP32 [N,3,H,W] or [N,H,W,3]; the file has " +
                       port.get_element_type().to_string() + " " + shape.to_string()};
    RETURN_IF_ERROR(check_normalisation(image.input, image.mean, image.std));
    Picturing& picture = pictures_.back().emplace();
    picture.form = image.form;
    picture.planes = floats && is(1, 3);
    const size_t height = picture.planes ? 2 : 1;
    picture.size = {static_cast<int>(shape[height].get_length()),
                    static_cast<int>(shape[height + 1].get_length())};
    if (floats) picture.normaliser.emplace(image.mean, image.std);
    if (image.form == ImageInput::Form::kEncoded) {
      spec = {image.input, DType::kBytes, {1}};
      continue;
    }
    spec = {image.input, DType::kUint8, {-1, -1, 3}};
    for (const TensorSpec& declared : source.inputs)
      if (declared.name == image.input && declared.dtype == DType::kUint8 &&
          declared.shape.size() == 3 && declared.shape[2] == 3)
        spec = declared;
  }
  return ok();
}

namespace {

void run_on_zeros(Rung& rung) {
  for (const auto& port : rung.compiled.inputs())
    if (port.get_partial_shape().is_dynamic()) return;  // no shape is likelier than another
  for (size_t i = 0; i < rung.compiled.inputs().size(); ++i) {
    ov::Tensor zeros(rung.compiled.input(i).get_element_type(), rung.compiled.input(i).get_shape());
    std::memset(zeros.data(), 0, zeros.get_byte_size());
    rung.infer.set_input_tensor(i, zeros);
  }
  rung.infer.infer();
}

}  // namespace

Status OpenvinoModel::warm() try {
  for (Rung& rung : rungs_) run_on_zeros(rung);
  if (!later_.empty()) growing_ = std::thread([this] { grow(); });
  return ok();
} catch (const std::exception& exception) {
  return Error{Code::kInternal, "the model's first run failed: " + plain_sentence(exception)};
}

void OpenvinoModel::grow() {
  constexpr int kNice = 15;  // Linux's nice values are a thread's own
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
  const TimePoint begin = now();
  for (const auto& make : later_) {
    if (stop_) return;
    Status good = ok();
    try {
      Rung rung = make();
      good = check_rung(rung);
      if (good.ok()) {
        run_on_zeros(rung);
        const std::lock_guard lock(mutex_);
        grown_.push_back(std::move(rung));
        has_grown_ = true;
      }
    } catch (const std::exception& exception) {
      good = Error{Code::kInternal, where_ + ": " + plain_sentence(exception)};
    }
    if (!good.ok()) log::warn("batch_size_left_out", {{"why", good.error().what}});
  }
  log::info("model_complete",
            {{"model", where_}, {"ms", static_cast<int64_t>(to_seconds(now() - begin) * 1e3)}});
}

void OpenvinoModel::take_grown() {
  if (!has_grown_.exchange(false)) return;
  const std::lock_guard lock(mutex_);
  for (Rung& rung : grown_) rungs_.push_back(std::move(rung));
  grown_.clear();
}

Timing OpenvinoModel::run(std::span<Request> requests) {
  Timing timing;
  if (!cannot_run_.empty()) {
    for (Request& request : requests) request.outcome = Error{Code::kInvalidArgument, cannot_run_};
    return timing;
  }
  try {
    take_grown();
    if (rungs_.empty()) rungs_.emplace_back(0, any_shape_.compile());
    if (rungs_.front().rows > 0) {
      run_rows(requests, timing);
      return timing;
    }
  } catch (const std::exception& exception) {
    for (Request& request : requests)
      request.outcome = Error{Code::kInternal, "OpenVINO failed: " + plain_sentence(exception)};
    return timing;
  }
  for (Request& request : requests) {
    try {
      run_any_shape(request, timing);
    } catch (const std::exception& exception) {
      request.outcome = Error{Code::kInternal, "OpenVINO failed: " + plain_sentence(exception)};
      rungs_.front() = Rung(0, any_shape_.compile());
    }
  }
  return timing;
}

Status OpenvinoModel::check_shapes(const std::vector<ov::Shape>& shapes) {
  constexpr size_t kMostKnown = 10000;
  if (any_shape_.good.contains(shapes)) return ok();
  std::map<size_t, ov::PartialShape> wanted;
  for (size_t i = 0; i < shapes.size(); ++i) wanted[i] = shapes[i];
  try {
    any_shape_.graph->reshape(wanted);
  } catch (const std::exception& exception) {
    return Error{Code::kInvalidArgument,
                 "the inputs' shapes do not go together: " + plain_sentence(exception)};
  }
  if (any_shape_.good.size() >= kMostKnown) any_shape_.good.clear();
  any_shape_.good.insert(shapes);
  return ok();
}

void OpenvinoModel::run_any_shape(Request& request, Timing& timing) {
  Rung& rung = rungs_.front();
  {
    Stopwatch watch(timing.input_ns);
    std::vector<ov::Shape> shapes;
    for (const ConstTensor& tensor : request.inputs)
      shapes.emplace_back(tensor.shape.begin(), tensor.shape.end());
    request.outcome = check_shapes(shapes);
    if (!request.outcome.ok()) return;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const ConstTensor& tensor = request.inputs[i];
      ov::Tensor own(to_element(tensor.dtype), shapes[i]);
      std::memcpy(own.data(), tensor.bytes.data(), tensor.bytes.size());
      rung.infer.set_input_tensor(i, own);
    }
  }
  {
    Stopwatch watch(timing.infer_ns);
    rung.infer.infer();
  }
  Stopwatch watch(timing.output_ns);
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (!request.reply->wants(i)) continue;
    const ov::Tensor made = rung.infer.get_output_tensor(i);
    const ov::Shape dims = made.get_shape();
    const std::vector<int64_t> shape(dims.begin(), dims.end());
    if (batched_ && (shape.empty() || shape[0] != request.rows)) {
      request.outcome = Error{Code::kInternal, "output '" + outputs_[i].name + "' came out as " +
                                                   shape_text(shape) + " for " +
                                                   std::to_string(request.rows) + " rows"};
      return;
    }
    const auto room = request.reply->room(i, outputs_[i].dtype, shape, made.get_byte_size());
    if (!room.empty()) std::memcpy(room.data(), made.data(), made.get_byte_size());
  }
}

Status OpenvinoModel::find_sources(Request& request, size_t number) {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const size_t at = number * inputs_.size() + i;
    std::span<const std::byte> bytes = request.inputs[i].bytes;
    if (const auto& picture = pictures_[i]) {
      ASSIGN_OR_RETURN(bytes, picture->form == ImageInput::Form::kEncoded
                                  ? rows_of_files(bytes, request.rows, picture->size, made_[at])
                                  : rows_of_pixels(request.inputs[i].shape, bytes, request.rows,
                                                   picture->size, made_[at]));
      if (picture->normaliser) {
        picture->normaliser->run(
            bytes, static_cast<size_t>(request.rows),
            static_cast<size_t>(picture->size.height) * static_cast<size_t>(picture->size.width),
            picture->planes, normalised_[at]);
        bytes = normalised_[at];
      }
    }
    CHECK(bytes.size() == input_row_bytes_[i] * static_cast<size_t>(request.rows));
    sources_[at] = bytes.data();
  }
  return ok();
}

void OpenvinoModel::run_rows(std::span<Request> requests, Timing& timing) {
  rooms_.assign(requests.size() * outputs_.size(), {});
  sources_.assign(requests.size() * inputs_.size(), nullptr);
  if (made_.size() < sources_.size()) {
    made_.resize(sources_.size());
    normalised_.resize(sources_.size());
  }
  std::vector<Row> rows;
  for (size_t r = 0; r < requests.size(); ++r) {
    Request& request = requests[r];
    {
      Stopwatch watch(timing.input_ns);
      request.outcome = find_sources(request, r);
      if (!request.outcome.ok()) continue;
    }
    for (size_t i = 0; i < static_cast<size_t>(request.rows); ++i) rows.push_back({r, i});
    for (size_t o = 0; o < outputs_.size(); ++o) {
      if (!request.reply->wants(o)) continue;
      std::vector<int64_t> shape = outputs_[o].shape;
      if (batched_) shape.insert(shape.begin(), request.rows);
      rooms_[r * outputs_.size() + o] = request.reply->room(
          o, outputs_[o].dtype, shape, output_row_bytes_[o] * static_cast<size_t>(request.rows));
    }
  }
  std::span<const Row> left = rows;
  while (!left.empty()) {
    // The largest that is filled, else the smallest, in part.
    auto rung = rungs_.rbegin();
    while (std::next(rung) != rungs_.rend() && static_cast<size_t>(rung->rows) > left.size())
      ++rung;
    const size_t size = std::min(static_cast<size_t>(rung->rows), left.size());
    run_rung(*rung, left.first(size), timing);
    left = left.subspan(size);
  }
}

void OpenvinoModel::give_input(Rung& rung, size_t input, std::span<const Row> rows) {
  const size_t bytes = input_row_bytes_[input];
  const auto row_at = [&](const Row& row) {
    return sources_[row.request * inputs_.size() + input] + row.row * bytes;
  };
  const auto& port = rung.compiled.input(input);
  const std::byte* start = row_at(rows.front());
  const bool together =
      rows.front().request == rows.back().request && rows.size() == static_cast<size_t>(rung.rows);
  if (together && reinterpret_cast<uintptr_t>(start) % port.get_element_type().size() == 0) {
    // Straight from the arena or the client's memory, which we can only read.
    rung.infer.set_input_tensor(input, ov::Tensor(port.get_element_type(), port.get_shape(),
                                                  static_cast<const void*>(start)));
    return;
  }
  ov::Tensor& tensor = rung.gathered[input];
  if (!tensor) {
    tensor = ov::Tensor(port.get_element_type(), port.get_shape());
    std::memset(tensor.data(), 0, tensor.get_byte_size());
  }
  auto* to = static_cast<std::byte*>(tensor.data());
  for (size_t i = 0; i < rows.size(); ++i) std::memcpy(to + i * bytes, row_at(rows[i]), bytes);
  rung.infer.set_input_tensor(input, tensor);
}

bool OpenvinoModel::write_in_place(Rung& rung, size_t output, std::span<const Row> rows) {
  const size_t bytes = output_row_bytes_[output];
  const auto to = room(rows.front().request, output);
  const bool direct = !to.empty() && bytes * rows.size() >= kInPlaceBytes &&
                      rows.size() == static_cast<size_t>(rung.rows) &&
                      rows.front().request == rows.back().request;
  if (direct) {
    const auto& port = rung.compiled.output(output);
    rung.infer.set_output_tensor(output, ov::Tensor(port.get_element_type(), port.get_shape(),
                                                    to.data() + rows.front().row * bytes));
  } else if (rung.elsewhere[output]) {
    rung.infer.set_output_tensor(output, rung.own_outputs[output]);
  }
  rung.elsewhere[output] = direct;
  return direct;
}

void OpenvinoModel::run_rung(Rung& rung, std::span<const Row> rows, Timing& timing) {
  std::vector<bool> in_place(outputs_.size());
  {
    Stopwatch watch(timing.input_ns);
    for (size_t i = 0; i < inputs_.size(); ++i) give_input(rung, i, rows);
    for (size_t o = 0; o < outputs_.size(); ++o) in_place[o] = write_in_place(rung, o, rows);
  }
  {
    Stopwatch watch(timing.infer_ns);
    rung.infer.infer();
  }
  Stopwatch watch(timing.output_ns);
  for (size_t o = 0; o < outputs_.size(); ++o) {
    if (in_place[o]) continue;
    const size_t bytes = output_row_bytes_[o];
    const auto* made = static_cast<const std::byte*>(std::as_const(rung.own_outputs[o]).data());
    for (size_t i = 0; i < rows.size(); ++i)
      if (const auto to = room(rows[i].request, o); !to.empty())
        std::memcpy(to.data() + rows[i].row * bytes, made + i * bytes, bytes);
  }
}

}  // namespace corolla::engine
