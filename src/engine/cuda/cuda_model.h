// A plan on the device, ready to replay, and how a batch runs on it. Private to this room.
//
// Weights are there once, and once for all workers of a device; each lane has an arena, staging
// memory and one graph a batch size of its own, so that lanes run at the same time. Rows are copied
// to the device from where they lie, if that memory is registered and they are large enough for a
// copy of their own; else through pinned memory of the lane. Outputs likewise.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/cuda/host_memory.h"
#include "engine/cuda/jpeg_decoder.h"
#include "engine/cuda/lane.h"
#include "engine/cuda/lowering.h"
#include "engine/cuda/replay.h"
#include "engine/cuda/tuner.h"
#include "engine/cuda/weight_memory.h"
#include "engine/engine.h"
#include "engine/image/picture_rows.h"
#include "plan/plan.h"

namespace corolla::engine::cuda {

class CudaModel final : public Model {
 public:
  struct Place {  // where one lane's kernels run
    Lane* lane;
    DeviceFacts device;  // with the lane's share of multiprocessors
    bool device_jpeg = false;
  };
  // Choices come from the plan's steps (if it was tuned for such a part of a device), then from
  // `table`; what neither has is timed where `may_tune`, else guessed. What was timed is added to
  // `table`.
  struct Choices {
    TunedTable* table = nullptr;
    bool may_tune = true;
    bool trust_plan = true;
  };
  // Choices of each place; places of one kind share a table. `sharing` may be null; it and `host`
  // outlive the model.
  static Result<std::unique_ptr<CudaModel>> make(const ModelSource& source, plan::Plan plan,
                                                 const std::vector<Place>& places,
                                                 const std::vector<Choices>& choices,
                                                 MemorySharing* sharing, const HostMemory& host);

  // Without a declaration the front first asks what the file has, then loads the model again with
  // the batch that it finds there: true of a source whose plan has a batch dimension when nobody
  // has said so.
  static bool is_question(const ModelSource& source, const plan::Plan& plan);
  // The answer: has the plan's tensors, their first dimension open, and cannot run. Needs no
  // device.
  static std::unique_ptr<CudaModel> of_tensors(const ModelSource& source, const plan::Plan& plan);
  // Why every request is refused; empty: none is.
  const std::string& cannot_run() const { return cannot_run_; }

  const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  bool from_cache() const override { return timed_ == 0; }
  int timed() const { return timed_; }
  WeightMemory::Kind weights() const { return weights_.kind(); }

  // Pictures are files: reading them takes milliseconds, better spent on the lane's thread.
  bool slow_inputs() const;

  // First half: inputs, kernels and outputs onto the lane's stream, for as many rows as the largest
  // program holds. Second half: waits, and completes replies. Until done() is true both go on
  // alternately. An Error means that the engine is broken.
  class Run {
   public:
    Run(CudaModel& model, size_t lane, std::span<Request> requests);
    Status start();
    Status finish(Waiter& waiter);
    bool done() const { return at_ == rows_.size(); }
    Timing timing;

   private:
    struct Row {
      size_t request, row;
    };
    void read_requests();
    void read_files(size_t request, size_t input);
    Status decode_on_device(size_t input);
    Status copy_in(size_t input);
    Status copy_out(size_t output);
    // Rows under way from number `row` on that follow each other in one request.
    size_t together(size_t row) const;
    // This output's room for the whole request; empty: none is wanted, or the slot is too small.
    std::span<std::byte> room(const Row& row, size_t output);
    CudaModel& model_;
    const size_t lane_;
    std::span<Request> requests_;
    bool read_ = false;
    std::vector<Row> rows_;
    size_t at_ = 0, under_way_ = 0;
    std::vector<const std::byte*> sources_;  // [request][input]
    std::vector<std::vector<std::byte>> made_;
    // [request][input]: the files of all its rows, when the device is to decode them. There are no
    // sources_ then.
    std::vector<std::vector<JpegDecoder::File>> files_;
    struct Room {
      std::span<std::byte> bytes;
      bool asked = false;
    };
    std::vector<Room> rooms_;         // [request][output]
    std::vector<bool> out_directly_;  // of what is under way: outputs that go where they belong
  };

 private:
  struct OnLane {
    Lane* lane = nullptr;
    DeviceMemory arena;
    std::vector<DeviceMemory> inputs, outputs;
    std::vector<PinnedMemory> host_inputs, host_outputs;
    Workspace workspace;
    std::vector<Replay> replays;        // as plan_.programs
    std::unique_ptr<JpegDecoder> jpeg;  // null: pictures are decoded on the host
  };
  CudaModel() = default;
  Status learn_ports(const ModelSource& source);
  Status learn_picture(const ImageInput& image);
  Result<OnLane> make_lane(const Place& place, const Choices& choices);
  Status warm();

  plan::Plan plan_;
  std::vector<TensorSpec> inputs_, outputs_;
  std::vector<size_t> input_row_bytes_, output_row_bytes_;
  struct Picturing {
    ImageInput::Form form;
    PictureSize size;
  };
  std::vector<std::optional<Picturing>> pictures_;
  WeightMemory weights_;
  DerivedWeights derived_;
  const HostMemory* host_ = nullptr;
  std::vector<OnLane> lanes_;
  int timed_ = 0;
  std::string cannot_run_;
};

}  // namespace corolla::engine::cuda
