// An Engine loads models and runs batches of requests on one slice. One a worker process.
//
// Threads: load() and models' destructors are called on the worker's loader thread, submit() on its
// compute thread. They may overlap; an engine makes them safe. A model is never unloaded while a
// batch of it is under way: the worker sees to that.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"

namespace corolla::engine {

struct TensorSpec {
  std::string name;
  DType dtype = DType::kFp32;
  std::vector<int64_t> shape;  // without the batch dimension when the model has one; -1: any
  bool operator==(const TensorSpec&) const = default;
};

// A picture input: decoded (if encoded) and normalised on the slice, as part of the model.
struct ImageInput {
  std::string input;  // which input of the model the picture becomes
  enum class Form {
    kUint8,
    kEncoded
  } form = Form::kUint8;         // UINT8 [H,W,3], or BYTES [1] holding a JPEG or PNG
  std::vector<float> mean, std;  // per channel, in 0..1; empty: (0,0,0) and (1,1,1)
};

struct ModelSource {
  std::string name;
  int64_t version = 1;
  std::string path;   // of the model file
  int max_batch = 0;  // 0: the model has no batch dimension
  std::vector<ImageInput> images;
  std::map<std::string, std::string> parameters;  // of config.pbtxt
  std::vector<TensorSpec> inputs, outputs;        // as declared; empty: whatever the file has
};

struct ConstTensor {
  DType dtype;
  std::span<const int64_t> shape;    // with the batch dimension, if the model has one
  std::span<const std::byte> bytes;  // valid and unchanged until the batch is done
};

// Where one request's outputs go. The engine asks for room once per wanted output, in any order.
class ReplyWriter {
 public:
  virtual ~ReplyWriter() = default;
  virtual bool wants(size_t output) const = 0;
  // Room for output number `output`: 64-byte aligned, to be filled before the batch is done. An
  // empty span of a non-zero size means that the reply slot is too small: the worker will say so;
  // the engine goes on with the next output.
  virtual std::span<std::byte> room(size_t output, DType dtype, std::span<const int64_t> shape,
                                    size_t bytes) = 0;
};

struct Request {
  std::span<const ConstTensor> inputs;  // in the order of Model::inputs()
  int rows = 1;                         // of the batch dimension; 1 where there is none
  ReplyWriter* reply = nullptr;
  Status outcome =
      ok();  // set by the engine: this request's own failure (kInvalidArgument: its content)
};

struct Timing {
  int64_t input_ns = 0, infer_ns = 0, output_ns = 0;  // of the whole batch
};

class Model {
 public:
  virtual ~Model() = default;
  // As the file has them, without the batch dimension; images already in the form that clients
  // send.
  virtual const std::vector<TensorSpec>& inputs() const = 0;
  virtual const std::vector<TensorSpec>& outputs() const = 0;
  virtual bool from_cache() const = 0;  // loaded without compiling
};

// Called exactly once a batch. An error fails every request of it, and says the engine is broken:
// the worker exits.
using Done = std::function<void(Status, const Timing&)>;

class Engine {
 public:
  virtual ~Engine() = default;  // REQUIRES: every submitted batch is done

  virtual std::string name() const = 0;  // "openvino 2026.4.1"

  // Compiles or fetches from the cache, then runs every shape that will be used once, so that no
  // request pays for it; shapes without which requests can be answered, too, may follow behind.
  // kInvalidArgument: the file is wrong, and why. Takes from milliseconds to
  // minutes.
  virtual Result<std::unique_ptr<Model>> load(const ModelSource& source) = 0;

  // Batches that may be under way at once, >= 1. Engines that compute on the calling thread have 1
  // and call `done` inside submit().
  virtual int depth() const = 0;

  // How many batches it computes at once, each with hardware of its own (green contexts); at most
  // depth(). The front sends so many, and one more to be staged.
  virtual int contexts() const { return 1; }

  // How many SMs of a GPU this process may use, as the driver tells it; 0: no GPU, or not known.
  virtual int sm_count() const { return 0; }

  // Runs `requests` (sum of rows <= max_batch, or one request) as one batch. The requests and what
  // they point at live until `done` runs, which may be on the engine's own thread.
  virtual void submit(Model& model, std::span<Request> requests, Done done) = 0;

  // Memory of this process in which requests will lie, or rooms for replies if it is writable: an
  // engine may have its device read and write there. Until forget_memory() with the same bytes,
  // before they are unmapped, when no batch uses them any more. On any thread.
  virtual void use_memory(std::span<const std::byte> memory, bool writable) {
    (void)memory, (void)writable;
  }
  virtual void forget_memory(std::span<const std::byte> memory) { (void)memory; }

  // The process ends after this, without a destructor: what it must not leave behind on the slice
  // (processes of its own) is ended here, soon. On the worker's control thread.
  virtual void leaving() {}
};

}  // namespace corolla::engine
