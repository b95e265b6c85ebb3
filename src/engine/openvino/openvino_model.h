// A compiled model and how a batch runs on it. Private to this room.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "engine/image/normalise.h"
#include "engine/image/picture_rows.h"
#include "engine/openvino/ov_types.h"

namespace corolla::engine {

// One rung of the ladder, ready to run.
struct Rung {
  Rung(int rows, ov::CompiledModel model);
  int rows;  // 0: any shapes, one request at a time (AnyShape)
  ov::CompiledModel compiled;
  ov::InferRequest infer;
  std::vector<ov::Tensor>
      gathered;  // inputs put together from several requests; made when first needed
  std::vector<ov::Tensor>
      own_outputs;              // OpenVINO's own memory for outputs, where it is not a reply slot's
  std::vector<bool> elsewhere;  // output i was last written into a reply slot
};

// What a model of changing shapes needs besides. OpenVINO's own check of them at run time is no
// protection: shapes that do not go together may come out as rubbish, and after an exception right
// ones fail, too. So each new set of shapes is first tried on the graph, and after an exception the
// model is compiled again.
struct AnyShape {
  std::shared_ptr<ov::Model> graph;
  std::function<ov::CompiledModel()> compile;
  std::set<std::vector<ov::Shape>> good;  // sets of input shapes that go together
};

// Rising rows, or one of 0 with `any_shape`, or, with that, none: compiled by the first run.
struct ModelParts {
  std::vector<Rung> rungs;
  std::vector<std::function<Rung()>> later;         // further ones, which may throw
  std::vector<std::shared_ptr<const void>> memory;  // that compiled models may point into
  AnyShape any_shape;
  bool from_cache = false;
};

class OpenvinoModel final : public Model {
 public:
  // kInvalidArgument when the model does not fit its declaration.
  static Result<std::unique_ptr<OpenvinoModel>> make(const ModelSource& source, ModelParts parts);

  // Has tensors and cannot run: each request is answered with `why`.
  static std::unique_ptr<OpenvinoModel> of_tensors(std::vector<TensorSpec> inputs,
                                                   std::vector<TensorSpec> outputs,
                                                   std::string why);

  const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  bool from_cache() const override { return from_cache_; }

  // Stops what start_growing() started, and waits for it.
  ~OpenvinoModel() override;

  // Runs every rung once on zeros; then, on a thread of its own and with less of the cores than the
  // requests, makes and runs the others, which are used from then on. A worker so answers after
  // half of the time, and one row at a time for a moment. kInternal when OpenVINO fails.
  Status warm();

  // Runs the batch; sets each request's outcome. Compute thread only. Throws what OpenVINO throws
  // when it cannot go on at all.
  Timing run(std::span<Request> requests);

 private:
  struct Row {  // one row of the batch dimension
    size_t request;
    size_t row;
  };
  struct Picturing {
    ImageInput::Form form;
    PictureSize size;
    bool planes = false;                   // the compiled model's input is [N,3,H,W]
    std::optional<Normaliser> normaliser;  // where the compiled model does not begin with it
  };
  using Port = ov::Output<const ov::Node>;
  OpenvinoModel() = default;
  Status learn_ports(const ModelSource& source);
  Status check_shapes(const std::vector<ov::Shape>& shapes);
  void run_any_shape(Request& request, Timing& timing);
  Status check_rung(const Rung& rung) const;
  void grow();
  void take_grown();
  Status learn_picture(const ModelSource& source, const Port& port, TensorSpec& spec);
  Status find_sources(Request& request, size_t number);
  void run_rows(std::span<Request> requests, Timing& timing);
  void run_rung(Rung& rung, std::span<const Row> rows, Timing& timing);
  void give_input(Rung& rung, size_t input, std::span<const Row> rows);
  bool write_in_place(Rung& rung, size_t output, std::span<const Row> rows);
  std::span<std::byte> room(size_t request, size_t output) const {
    return rooms_[request * outputs_.size() + output];
  }

  // Compiled models point into it, so it is destroyed after the rungs.
  std::vector<std::shared_ptr<const void>> memory_;
  std::vector<Rung> rungs_;  // warm() and the compute thread's
  AnyShape any_shape_;
  std::string where_;                         // for messages
  std::vector<std::function<Rung()>> later_;  // the growing thread's
  std::thread growing_;
  std::atomic<bool> stop_ = false, has_grown_ = false;
  std::mutex mutex_;
  std::vector<Rung> grown_;  // under mutex_
  std::vector<TensorSpec> inputs_, outputs_;
  // Of one row; only where rungs have rows.
  std::vector<size_t> input_row_bytes_, output_row_bytes_;
  bool batched_ = false;
  bool from_cache_ = false;
  std::string cannot_run_;                          // why; usually empty
  std::vector<std::optional<Picturing>> pictures_;  // of inputs that are pictures

  // Of the batch under way, request by request: where each input's rows begin, memory for pictures
  // made on the way, and where each output goes (empty: not wanted, or too small).
  std::vector<const std::byte*> sources_;
  std::vector<std::vector<std::byte>> made_, normalised_;
  std::vector<std::span<std::byte>> rooms_;
};

}  // namespace corolla::engine
