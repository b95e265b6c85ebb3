#include "engine/cuda/cuda_model.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "base/time.h"
#include "engine/image/jpeg_head.h"

namespace corolla::engine::cuda {
namespace {

TensorSpec spec_of(const plan::Port& port, bool batched) {
  TensorSpec spec{port.name, port.dtype, port.shape};
  if (batched && !spec.shape.empty()) spec.shape.erase(spec.shape.begin());
  return spec;
}

// A copy of its own costs the device and the driver as much as 16 KiB take on their way. What goes
// through pinned memory goes in pieces, so that one is on its way while the next is put there.
constexpr size_t kLeastDirect = 16 << 10, kPiece = 128 << 10;

class Stopwatch {
 public:
  explicit Stopwatch(int64_t& sum) : sum_(sum), begin_(now()) {}
  ~Stopwatch() { sum_ += (now() - begin_).count(); }

 private:
  int64_t& sum_;
  TimePoint begin_;
};

// The JPEG files of a BYTES tensor, when hardware may decode each of them; else none.
std::vector<JpegDecoder::File> plain_files(std::span<const std::byte> bytes, int rows) {
  std::vector<JpegDecoder::File> files;
  for (int row = 0; row < rows; ++row) {
    const auto file = next_element(bytes);
    if (!file) return {};
    const auto size = plain_jpeg(*file, PictureLimits{}.most_pixels);
    if (!size) return {};
    files.push_back({*file, *size, nullptr});
  }
  if (!bytes.empty()) files.clear();
  return files;
}

// What a tuned plan says of a step.
std::optional<ConvChoice> chosen(const plan::Step& step) {
  const ConvKernel* kernel = find_conv_kernel(step.kernel);
  if (kernel == nullptr || step.tuning.size() != 2 || step.tuning[0] < 1 || step.tuning[0] > 64)
    return std::nullopt;
  return ConvChoice{kernel, step.tuning[0], step.tuning[1] != 0};
}

}  // namespace

Status CudaModel::learn_picture(const ImageInput& image) {
  for (size_t i = 0; i < plan_.inputs.size(); ++i) {
    plan::Port& port = plan_.inputs[i];
    if (port.name != image.input) continue;
    const auto refuse = [&](const std::string& why) {
      return Error{Code::kInvalidArgument, "picture input '" + image.input + "' " + why};
    };
    if (port.dtype == DType::kFp32) {
      if (port.shape.size() != 4 || port.shape[1] != 3)
        return refuse("is " + shape_text(port.shape) + "; it must be [N,3,H,W] to take pictures");
      port.dtype = DType::kUint8;
      port.shape = {port.shape[0], port.shape[2], port.shape[3], 3};
      for (plan::Program& program : plan_.programs) {
        bool found = false;
        for (plan::Step& step : program.steps) {
          if (step.op() != plan::StepOp::kImport) continue;
          plan::PlanTensor& x = program.tensors[static_cast<size_t>(step.inputs[0])];
          if (x.place != plan::Place::kInput || x.index != static_cast<int64_t>(i)) continue;
          auto& import = std::get<plan::Import>(step.operation);
          import = {true, image.mean, image.std};
          x.dtype = DType::kUint8;
          x.shape = {x.shape[0], x.shape[2], x.shape[3], x.shape[1]};
          x.bytes /= 4;
          found = true;
        }
        if (!found) return refuse("is not read by an import step of the plan");
      }
    } else if (port.dtype != DType::kUint8 || port.shape.size() != 4 || port.shape[3] != 3) {
      return refuse("has a type or shape that pictures cannot have");
    }
    pictures_[i] =
        Picturing{image.form, {static_cast<int>(port.shape[1]), static_cast<int>(port.shape[2])}};
    if (image.form == ImageInput::Form::kEncoded)
      inputs_[i] = {image.input, DType::kBytes, {1}};
    else
      inputs_[i] = {image.input, DType::kUint8, {-1, -1, 3}};
    return ok();
  }
  return Error{Code::kInvalidArgument,
               "picture input '" + image.input + "' is no input of the model"};
}

Status CudaModel::learn_ports(const ModelSource& source) {
  if (source.max_batch > 0 && !plan_.batched)
    return Error{Code::kInvalidArgument, "model '" + source.name +
                                             "' has no batch dimension, and max_batch_size is " +
                                             std::to_string(source.max_batch) + "; set it to 0"};
  if (source.max_batch == 0 && plan_.batched)
    return Error{
        Code::kInvalidArgument,
        "model '" + source.name + "' has a batch dimension; set max_batch_size to 1 or more"};
  for (const plan::Port& port : plan_.inputs) inputs_.push_back(spec_of(port, plan_.batched));
  for (const plan::Port& port : plan_.outputs) outputs_.push_back(spec_of(port, plan_.batched));
  pictures_.resize(inputs_.size());
  for (const ImageInput& image : source.images) RETURN_IF_ERROR(learn_picture(image));
  const auto row_bytes = [&](const std::vector<plan::Port>& ports,
                             std::vector<size_t>& to) -> Status {
    for (const plan::Port& port : ports) {
      plan::Shape shape = port.shape;
      if (plan_.batched) shape.erase(shape.begin());
      ASSIGN_OR_RETURN(const int64_t bytes, byte_count(port.dtype, shape));
      to.push_back(static_cast<size_t>(bytes));
    }
    return ok();
  };
  RETURN_IF_ERROR(row_bytes(plan_.inputs, input_row_bytes_));
  return row_bytes(plan_.outputs, output_row_bytes_);
}

bool CudaModel::slow_inputs() const {
  return std::any_of(pictures_.begin(), pictures_.end(), [](const auto& picture) {
    return picture && picture->form == ImageInput::Form::kEncoded;
  });
}

Result<CudaModel::OnLane> CudaModel::make_lane(const Place& place, const Choices& choices) {
  OnLane made;
  made.lane = place.lane;
  if (place.device_jpeg && slow_inputs()) {
    auto jpeg = JpegDecoder::make();
    if (jpeg.ok())
      made.jpeg = std::move(*jpeg);
    else if (lanes_.empty())  // said once
      log::info("jpeg_on_host", {{"why", jpeg.error().what}});
  }
  int64_t arena = 0;
  for (const plan::Program& program : plan_.programs) arena = std::max(arena, program.arena_bytes);
  const auto rows = static_cast<size_t>(plan_.batched ? plan_.programs.back().batch : 1);
  ASSIGN_OR_RETURN(made.arena, DeviceMemory::make(static_cast<size_t>(arena), "activations"));
  Addresses addresses{weights_.data(), made.arena.data(), {}, {}};
  const auto stage = [&](const std::vector<size_t>& row_bytes, std::vector<DeviceMemory>& device,
                         std::vector<PinnedMemory>& host, std::vector<std::byte*>& at) -> Status {
    for (const size_t bytes : row_bytes) {
      ASSIGN_OR_RETURN(DeviceMemory there, DeviceMemory::make(bytes * rows, "staging"));
      CUDA_OR_RETURN("cannot clear staging memory", cudaMemset(there.data(), 0, bytes * rows));
      ASSIGN_OR_RETURN(PinnedMemory here, PinnedMemory::make(bytes * rows, "staging"));
      at.push_back(there.data());
      device.push_back(std::move(there));
      host.push_back(std::move(here));
    }
    return ok();
  };
  RETURN_IF_ERROR(stage(input_row_bytes_, made.inputs, made.host_inputs, addresses.inputs));
  RETURN_IF_ERROR(stage(output_row_bytes_, made.outputs, made.host_outputs, addresses.outputs));

  std::vector<std::vector<Launch>> programs;
  std::vector<Launch> all;  // for the workspace
  for (const plan::Program& program : plan_.programs) {
    ASSIGN_OR_RETURN(std::vector<Launch> launches,
                     lower(plan_, program, addresses, derived_, place.device.compute_capability));
    bool complete = true;
    for (Launch& launch : launches) {
      if (!launch.tunable) continue;
      const plan::Step& step = program.steps[static_cast<size_t>(launch.step)];
      std::optional<ConvChoice> choice;
      if (choices.trust_plan) choice = chosen(step);
      if (const auto known = choices.table->find(shape_key(launch.conv));
          !choice && known != choices.table->end())
        if (const ConvKernel* kernel = find_conv_kernel(known->second.kernel))
          choice = ConvChoice{kernel, known->second.splits, known->second.cluster};
      if (choice && !can_run(launch.conv, *choice, place.device)) choice.reset();
      if (!choice) complete = false;
      launch.choice = choice ? *choice : likely_choice(launch.conv, place.device);
      launch.kernel = launch.choice.kernel->name;
    }
    if (!complete && choices.may_tune) {
      ASSIGN_OR_RETURN(const TuneReport report, tune(launches, place.device, *choices.table, {}));
      timed_ += report.timed;
      log::info("tuned", {{"batch", program.batch},
                          {"kernels_timed", report.timed},
                          {"seconds", report.seconds},
                          {"us", report.after_us}});
    }
    all.insert(all.end(), launches.begin(), launches.end());
    programs.push_back(std::move(launches));
  }
  ASSIGN_OR_RETURN(made.workspace, Workspace::make(all));
  for (const auto& launches : programs) {
    ASSIGN_OR_RETURN(Replay replay, Replay::record(launches, made.workspace,
                                                   {place.lane->loading(),
                                                    place.device.compute_capability >= 90}));
    made.replays.push_back(std::move(replay));
  }
  return made;
}

Result<std::unique_ptr<CudaModel>> CudaModel::make(const ModelSource& source, plan::Plan plan,
                                                   const std::vector<Place>& places,
                                                   const std::vector<Choices>& choices,
                                                   MemorySharing* sharing, const HostMemory& host) {
  auto model = std::unique_ptr<CudaModel>(new CudaModel);
  model->host_ = &host;
  model->plan_ = std::move(plan);
  RETURN_IF_ERROR(model->learn_ports(source));
  if (model->plan_.programs.empty())
    return Error{Code::kInvalidArgument, "the plan of '" + source.name + "' has no programs"};
  ASSIGN_OR_RETURN(model->weights_, WeightMemory::make(model->plan_.weights, sharing, source.name));
  for (size_t i = 0; i < places.size(); ++i) {
    ASSIGN_OR_RETURN(OnLane lane, model->make_lane(places[i], choices[i]));
    model->lanes_.push_back(std::move(lane));
  }
  RETURN_IF_ERROR(model->warm());
  return model;
}

bool CudaModel::is_question(const ModelSource& source, const plan::Plan& plan) {
  return plan.batched && source.max_batch == 0 && source.inputs.empty() && source.outputs.empty() &&
         source.images.empty();
}

std::unique_ptr<CudaModel> CudaModel::of_tensors(const ModelSource& source,
                                                 const plan::Plan& plan) {
  auto model = std::unique_ptr<CudaModel>(new CudaModel);
  for (const plan::Port& port : plan.inputs) model->inputs_.push_back(spec_of(port, false));
  for (const plan::Port& port : plan.outputs) model->outputs_.push_back(spec_of(port, false));
  model->cannot_run_ =
      "model '" + source.name + "' has a batch dimension; set max_batch_size to 1 or more";
  return model;
}

Status CudaModel::warm() {
  for (OnLane& lane : lanes_)
    for (const Replay& replay : lane.replays) {
      CUDA_OR_RETURN("cannot start a graph", replay.start(lane.lane->loading()));
      CUDA_OR_RETURN("the model's first run failed", cudaStreamSynchronize(lane.lane->loading()));
    }
  return ok();
}

CudaModel::Run::Run(CudaModel& model, size_t lane, std::span<Request> requests)
    : model_(model), lane_(lane), requests_(requests) {}

void CudaModel::Run::read_requests() {
  const size_t inputs = model_.inputs_.size(), outputs = model_.outputs_.size();
  sources_.assign(requests_.size() * inputs, nullptr);
  made_.resize(requests_.size() * inputs);
  files_.resize(requests_.size() * inputs);
  rooms_.assign(requests_.size() * outputs, {});
  out_directly_.assign(outputs, false);
  for (size_t r = 0; r < requests_.size(); ++r) {
    Request& request = requests_[r];
    const int rows = model_.plan_.batched ? request.rows : 1;
    for (size_t i = 0; i < inputs && request.outcome.ok(); ++i) {
      std::span<const std::byte> bytes = request.inputs[i].bytes;
      if (const auto& picture = model_.pictures_[i]) {
        if (picture->form == ImageInput::Form::kEncoded) {
          auto& files = files_[r * inputs + i];
          if (model_.lanes_[lane_].jpeg) {
            // A copy, which its client cannot change between the look at its head and its decoding.
            auto& copy = made_[r * inputs + i];
            copy.assign(bytes.begin(), bytes.end());
            files = plain_files(copy, rows);
          }
          if (files.empty()) read_files(r, i);
          continue;
        }
        auto found = rows_of_pixels(request.inputs[i].shape, bytes, rows, picture->size,
                                    made_[r * inputs + i]);
        if (!found.ok()) {
          request.outcome = std::move(found).error();
          break;
        }
        bytes = *found;
      }
      CHECK(bytes.size() == model_.input_row_bytes_[i] * static_cast<size_t>(rows));
      sources_[r * inputs + i] = bytes.data();
    }
    if (!request.outcome.ok()) continue;
    for (int row = 0; row < rows; ++row) rows_.push_back({r, static_cast<size_t>(row)});
  }
}

// On the host, whose decoder knows all kinds and says what is wrong.
void CudaModel::Run::read_files(size_t request, size_t input) {
  const size_t at = request * model_.inputs_.size() + input;
  const int rows = model_.plan_.batched ? requests_[request].rows : 1;
  const auto found = rows_of_files(requests_[request].inputs[input].bytes, rows,
                                   model_.pictures_[input]->size, made_[at]);
  files_[at].clear();
  if (found.ok())
    sources_[at] = found->data();
  else
    requests_[request].outcome = found.error();
}

Status CudaModel::Run::decode_on_device(size_t input) {
  OnLane& lane = model_.lanes_[lane_];
  const size_t inputs = model_.inputs_.size();
  std::vector<JpegDecoder::File> files;
  for (size_t row = 0; row < under_way_; ++row) {
    const Row& from = rows_[at_ + row];
    const auto& own = files_[from.request * inputs + input];
    if (own.empty()) continue;
    files.push_back(own[from.row]);
    files.back().to = lane.inputs[input].data() + row * model_.input_row_bytes_[input];
  }
  if (files.empty()) return ok();
  ASSIGN_OR_RETURN(const bool decoded,
                   lane.jpeg->decode(files, model_.pictures_[input]->size, lane.lane->stream()));
  if (decoded) return ok();
  for (size_t row = 0; row < under_way_; ++row) {
    const size_t request = rows_[at_ + row].request;
    if (!files_[request * inputs + input].empty()) read_files(request, input);
  }
  return ok();
}

size_t CudaModel::Run::together(size_t row) const {
  size_t count = 1;
  while (row + count < under_way_ && rows_[at_ + row + count].request == rows_[at_ + row].request)
    ++count;
  return count;
}

Status CudaModel::Run::copy_in(size_t input) {
  OnLane& lane = model_.lanes_[lane_];
  const size_t bytes = model_.input_row_bytes_[input];
  if (bytes == 0) return ok();
  RETURN_IF_ERROR(decode_on_device(input));
  const auto copy = [&](size_t row, const std::byte* from, size_t rows) -> Status {
    CUDA_OR_RETURN("cannot copy a request to the device",
                   cudaMemcpyAsync(lane.inputs[input].data() + row * bytes, from, rows * bytes,
                                   cudaMemcpyHostToDevice, lane.lane->stream()));
    return ok();
  };
  std::byte* const pinned = lane.host_inputs[input].data();
  size_t sent = 0;  // rows
  const auto send_pinned = [&](size_t end) -> Status {
    if (end > sent) RETURN_IF_ERROR(copy(sent, pinned + sent * bytes, end - sent));
    sent = end;
    return ok();
  };
  for (size_t row = 0; row < under_way_;) {
    const Row& first = rows_[at_ + row];
    size_t rows = together(row);
    const std::byte* from = sources_[first.request * model_.inputs_.size() + input];
    if (from == nullptr) {  // on the device already, or its request has failed
      RETURN_IF_ERROR(send_pinned(row));
      sent = row += rows;
      continue;
    }
    from += first.row * bytes;
    if (rows * bytes >= kLeastDirect && model_.host_->holds({from, rows * bytes}, false)) {
      RETURN_IF_ERROR(send_pinned(row));
      RETURN_IF_ERROR(copy(row, from, rows));
      sent = row + rows;
    } else {
      rows = std::min(rows, std::max<size_t>(kPiece / bytes, 1));
      std::memcpy(pinned + row * bytes, from, rows * bytes);
      if ((row + rows - sent) * bytes >= kPiece) RETURN_IF_ERROR(send_pinned(row + rows));
    }
    row += rows;
  }
  return send_pinned(under_way_);
}

std::span<std::byte> CudaModel::Run::room(const Row& row, size_t output) {
  Request& request = requests_[row.request];
  Room& found = rooms_[row.request * model_.outputs_.size() + output];
  if (!found.asked && request.outcome.ok() && request.reply->wants(output)) {
    std::vector<int64_t> shape = model_.outputs_[output].shape;
    if (model_.plan_.batched) shape.insert(shape.begin(), request.rows);
    found.bytes =
        request.reply->room(output, model_.outputs_[output].dtype, shape,
                            model_.output_row_bytes_[output] *
                                static_cast<size_t>(model_.plan_.batched ? request.rows : 1));
  }
  found.asked = true;
  return found.bytes;
}

Status CudaModel::Run::copy_out(size_t output) {
  OnLane& lane = model_.lanes_[lane_];
  const size_t bytes = model_.output_row_bytes_[output];
  bool direct = bytes >= kLeastDirect;
  for (size_t row = 0; direct && row < under_way_; row += together(row)) {
    const std::span<std::byte> to = room(rows_[at_ + row], output);
    direct = to.empty() || model_.host_->holds(to, true);
  }
  out_directly_[output] = direct;
  const auto copy = [&](std::byte* to, size_t row, size_t rows) -> Status {
    CUDA_OR_RETURN("cannot copy outputs from the device",
                   cudaMemcpyAsync(to, lane.outputs[output].data() + row * bytes, rows * bytes,
                                   cudaMemcpyDeviceToHost, lane.lane->stream()));
    return ok();
  };
  if (!direct) return copy(lane.host_outputs[output].data(), 0, under_way_);
  for (size_t row = 0; row < under_way_; row += together(row)) {
    const Row& first = rows_[at_ + row];
    if (const auto to = room(first, output); !to.empty())
      RETURN_IF_ERROR(copy(to.data() + first.row * bytes, row, together(row)));
  }
  return ok();
}

Status CudaModel::Run::start() {
  Stopwatch watch(timing.input_ns);
  OnLane& lane = model_.lanes_[lane_];
  if (!read_) read_requests();
  read_ = true;
  if (done()) return ok();
  const auto most =
      static_cast<size_t>(model_.plan_.batched ? model_.plan_.programs.back().batch : 1);
  under_way_ = std::min(most, rows_.size() - at_);
  size_t program = 0;
  while (model_.plan_.batched &&
         model_.plan_.programs[program].batch < static_cast<int64_t>(under_way_))
    ++program;
  for (size_t i = 0; i < model_.inputs_.size(); ++i) RETURN_IF_ERROR(copy_in(i));
  CUDA_OR_RETURN("cannot start a batch", lane.replays[program].start(lane.lane->stream()));
  for (size_t o = 0; o < model_.outputs_.size(); ++o) RETURN_IF_ERROR(copy_out(o));
  return ok();
}

Status CudaModel::Run::finish(Waiter& waiter) {
  if (done()) return ok();
  OnLane& lane = model_.lanes_[lane_];
  {
    Stopwatch watch(timing.infer_ns);
    CUDA_OR_RETURN("a batch failed on the device", waiter.wait(lane.lane->stream()));
  }
  Stopwatch watch(timing.output_ns);
  for (size_t o = 0; o < model_.outputs_.size(); ++o) {
    if (out_directly_[o]) continue;
    const size_t bytes = model_.output_row_bytes_[o];
    for (size_t row = 0; row < under_way_; row += together(row)) {
      const Row& first = rows_[at_ + row];
      if (const auto to = room(first, o); !to.empty())
        std::memcpy(to.data() + first.row * bytes, lane.host_outputs[o].data() + row * bytes,
                    together(row) * bytes);
    }
  }
  at_ += under_way_;
  under_way_ = 0;
  return ok();
}

}  // namespace corolla::engine::cuda
