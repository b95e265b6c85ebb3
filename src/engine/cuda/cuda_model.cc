#include "engine/cuda/cuda_model.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "base/time.h"

namespace corolla::engine::cuda {
namespace {

TensorSpec spec_of(const plan::Port& port, bool batched) {
  TensorSpec spec{port.name, port.dtype, port.shape};
  if (batched && !spec.shape.empty()) spec.shape.erase(spec.shape.begin());
  return spec;
}

class Stopwatch {
 public:
  explicit Stopwatch(int64_t& sum) : sum_(sum), begin_(now()) {}
  ~Stopwatch() { sum_ += (now() - begin_).count(); }

 private:
  int64_t& sum_;
  TimePoint begin_;
};

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

Result<CudaModel::OnLane> CudaModel::make_lane(const Place& place, Choices choices) {
  OnLane made;
  made.lane = place.lane;
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
    ASSIGN_OR_RETURN(Replay replay,
                     Replay::record(launches, made.workspace,
                                    {place.lane->stream(), place.device.compute_capability >= 90}));
    made.replays.push_back(std::move(replay));
  }
  return made;
}

Result<std::unique_ptr<CudaModel>> CudaModel::make(const ModelSource& source, plan::Plan plan,
                                                   const std::vector<Place>& places,
                                                   Choices choices, MemorySharing* sharing) {
  auto model = std::unique_ptr<CudaModel>(new CudaModel);
  model->plan_ = std::move(plan);
  RETURN_IF_ERROR(model->learn_ports(source));
  if (model->plan_.programs.empty())
    return Error{Code::kInvalidArgument, "the plan of '" + source.name + "' has no programs"};
  ASSIGN_OR_RETURN(model->weights_, WeightMemory::make(model->plan_.weights, sharing, source.name));
  for (const Place& place : places) {
    ASSIGN_OR_RETURN(OnLane lane, model->make_lane(place, choices));
    model->lanes_.push_back(std::move(lane));
    choices.may_tune = choices.may_tune && place.device.multiprocessors > 0;
  }
  RETURN_IF_ERROR(model->warm());
  return model;
}

Status CudaModel::warm() {
  for (OnLane& lane : lanes_)
    for (const Replay& replay : lane.replays) {
      CUDA_OR_RETURN("cannot start a graph", replay.start(lane.lane->stream()));
      CUDA_OR_RETURN("the model's first run failed", cudaStreamSynchronize(lane.lane->stream()));
    }
  return ok();
}

CudaModel::Run::Run(CudaModel& model, size_t lane, std::span<Request> requests)
    : model_(model), lane_(lane), requests_(requests) {}

Status CudaModel::Run::start() {
  Stopwatch watch(timing.input_ns);
  OnLane& lane = model_.lanes_[lane_];
  const size_t inputs = model_.inputs_.size(), outputs = model_.outputs_.size();
  if (!read_) {
    read_ = true;
    sources_.assign(requests_.size() * inputs, nullptr);
    made_.resize(requests_.size() * inputs);
    rooms_.assign(requests_.size() * outputs, {});
    for (size_t r = 0; r < requests_.size(); ++r) {
      Request& request = requests_[r];
      const int rows = model_.plan_.batched ? request.rows : 1;
      for (size_t i = 0; i < inputs && request.outcome.ok(); ++i) {
        std::span<const std::byte> bytes = request.inputs[i].bytes;
        if (const auto& picture = model_.pictures_[i]) {
          auto found = picture->form == ImageInput::Form::kEncoded
                           ? rows_of_files(bytes, rows, picture->size, made_[r * inputs + i])
                           : rows_of_pixels(request.inputs[i].shape, bytes, rows, picture->size,
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
  if (done()) return ok();
  const auto most =
      static_cast<size_t>(model_.plan_.batched ? model_.plan_.programs.back().batch : 1);
  under_way_ = std::min(most, rows_.size() - at_);
  size_t program = 0;
  while (model_.plan_.batched &&
         model_.plan_.programs[program].batch < static_cast<int64_t>(under_way_))
    ++program;
  cudaStream_t stream = lane.lane->stream();
  // A row's copy to the device runs while the next one is put into pinned memory.
  for (size_t i = 0; i < inputs; ++i) {
    const size_t bytes = model_.input_row_bytes_[i];
    for (size_t row = 0; row < under_way_; ++row) {
      const Row& from = rows_[at_ + row];
      std::byte* host = lane.host_inputs[i].data() + row * bytes;
      std::memcpy(host, sources_[from.request * inputs + i] + from.row * bytes, bytes);
      CUDA_OR_RETURN("cannot copy a request to the device",
                     cudaMemcpyAsync(lane.inputs[i].data() + row * bytes, host, bytes,
                                     cudaMemcpyHostToDevice, stream));
    }
  }
  CUDA_OR_RETURN("cannot start a batch", lane.replays[program].start(stream));
  for (size_t o = 0; o < outputs; ++o)
    CUDA_OR_RETURN(
        "cannot copy outputs from the device",
        cudaMemcpyAsync(lane.host_outputs[o].data(), lane.outputs[o].data(),
                        model_.output_row_bytes_[o] * under_way_, cudaMemcpyDeviceToHost, stream));
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
  const size_t outputs = model_.outputs_.size();
  for (size_t o = 0; o < outputs; ++o) {
    const size_t bytes = model_.output_row_bytes_[o];
    for (size_t row = 0; row < under_way_; ++row) {
      const Row& to = rows_[at_ + row];
      Request& request = requests_[to.request];
      if (!request.reply->wants(o)) continue;
      std::span<std::byte>& room = rooms_[to.request * outputs + o];
      if (to.row == 0) {
        std::vector<int64_t> shape = model_.outputs_[o].shape;
        if (model_.plan_.batched) shape.insert(shape.begin(), request.rows);
        room = request.reply->room(
            o, model_.outputs_[o].dtype, shape,
            bytes * static_cast<size_t>(model_.plan_.batched ? request.rows : 1));
      }
      if (!room.empty())
        std::memcpy(room.data() + to.row * bytes, lane.host_outputs[o].data() + row * bytes, bytes);
    }
  }
  at_ += under_way_;
  under_way_ = 0;
  return ok();
}

}  // namespace corolla::engine::cuda
