#include "engine/null/null_engine.h"

#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/time.h"
#include "engine/null/service_time.h"

namespace corolla::engine {
namespace {

// (1 - i/(n-1))^2 in the output's type; what has no numbers (BYTES: empty texts) or no fractions is
// zero but for the leading one.
std::vector<std::byte> curve(DType dtype, size_t count) {
  if (dtype == DType::kBytes) return std::vector<std::byte>(4 * count);
  std::vector<std::byte> bytes(dtype_size(dtype) * count);
  for (size_t i = 0; i < count; ++i) {
    // As numpy.linspace(0, 1, n, dtype=float32)[::-1] has it, bit for bit.
    const double x =
        i == 0 ? 1.0 : static_cast<double>(count - 1 - i) * (1.0 / static_cast<double>(count - 1));
    std::byte* at = bytes.data() + i * dtype_size(dtype);
    if (dtype == DType::kFp32) {
      const float root = static_cast<float>(x);
      const float value = root * root;
      std::memcpy(at, &value, sizeof value);
    } else if (dtype == DType::kFp64) {
      const double value = x * x;
      std::memcpy(at, &value, sizeof value);
    } else if (dtype == DType::kFp16 || dtype == DType::kBf16) {
      const uint16_t one = dtype == DType::kFp16 ? 0x3c00 : 0x3f80;
      if (i == 0) std::memcpy(at, &one, sizeof one);
    } else if (i == 0) {
      at[0] = std::byte{1};
    }
  }
  return bytes;
}

// Sleeps to the microsecond: a waiting null worker leaves the core to others, as a GPU worker does.
void sleep_until(TimePoint until) {
  const int64_t ns = to_ns(until);
  const timespec at{static_cast<time_t>(ns / 1000000000), static_cast<long>(ns % 1000000000)};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {
  }
}

class NullModel final : public Model {
 public:
  const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  bool from_cache() const override { return false; }

  std::vector<TensorSpec> inputs_, outputs_;
  std::vector<std::vector<std::byte>> rows_;  // one row of each output
  bool batched_ = false;
  ServiceTime service_;
};

class NullEngine final : public Engine {
 public:
  NullEngine(std::map<std::string, std::string> options, int contexts)
      : options_(std::move(options)), contexts_(contexts) {
    // One context computes on the thread that calls; several need threads of their own.
    for (int i = 0; contexts > 1 && i < contexts; ++i) threads_.emplace_back([this] { run(); });
  }
  ~NullEngine() override {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  std::string name() const override { return "null"; }
  int depth() const override { return contexts_; }
  int contexts() const override { return contexts_; }

  Result<std::unique_ptr<Model>> load(const ModelSource& source) override {
    if (source.inputs.empty() || source.outputs.empty())
      return Error{Code::kInvalidArgument,
                   "the null engine reads no model file: inputs and outputs of '" + source.name +
                       "' must be declared in config.pbtxt"};
    auto model = std::make_unique<NullModel>();
    model->inputs_ = source.inputs;
    model->outputs_ = source.outputs;
    model->batched_ = source.max_batch > 0;
    for (const ImageInput& image : source.images) {
      auto found = std::find_if(model->inputs_.begin(), model->inputs_.end(),
                                [&](const TensorSpec& spec) { return spec.name == image.input; });
      if (found == model->inputs_.end())
        return Error{Code::kInvalidArgument,
                     "picture input '" + image.input + "' is no input of the model"};
      if (image.form == ImageInput::Form::kEncoded)
        *found = {image.input, DType::kBytes, {1}};
      else if (found->dtype != DType::kUint8)
        *found = {image.input, DType::kUint8, {-1, -1, 3}};
    }
    for (TensorSpec& spec : model->outputs_) {
      for (int64_t& dim : spec.shape) dim = std::max<int64_t>(dim, 1);
      ASSIGN_OR_RETURN(const int64_t count, element_count(spec.shape));
      if (count > kMostElements)
        return Error{Code::kInvalidArgument, "output '" + spec.name + "' has " +
                                                 std::to_string(count) +
                                                 " elements a row; the null engine makes at most " +
                                                 std::to_string(kMostElements)};
      model->rows_.push_back(curve(spec.dtype, static_cast<size_t>(count)));
    }
    auto options = options_;
    for (const auto& [name, value] : source.parameters)
      if (ServiceTime::is_option(name)) options[name] = value;
    ASSIGN_OR_RETURN(model->service_, ServiceTime::from_options(options));
    return std::unique_ptr<Model>(std::move(model));
  }

  void submit(Model& some, std::span<Request> requests, Done done) override {
    auto& model = static_cast<NullModel&>(some);
    int rows = 0;
    for (const Request& request : requests) rows += request.rows;
    Job job{&model, requests, std::move(done), model.service_.next(rows)};
    if (threads_.empty()) {
      if (!std::exchange(precise_, true)) be_precise();
      return compute(job);
    }
    {
      std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
  }

 private:
  struct Job {
    const NullModel* model;
    std::span<Request> requests;
    Done done;
    Duration service;
  };

  // Of this thread; the default would add 50 us to each sleep.
  static void be_precise() { ::prctl(PR_SET_TIMERSLACK, 1000); }

  static void compute(Job& job) {
    const TimePoint begin = now();
    if (job.service.count() > 0) sleep_until(begin + job.service);
    const TimePoint computed = now();
    for (const Request& request : job.requests) write(*job.model, request);
    job.done(ok(),
             {.infer_ns = (computed - begin).count(), .output_ns = (now() - computed).count()});
  }

  void run() {
    be_precise();
    for (;;) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      compute(job);
    }
  }

  static constexpr int64_t kMostElements = 1 << 26;

  static void write(const NullModel& model, const Request& request) {
    const size_t rows = model.batched_ ? static_cast<size_t>(request.rows) : 1;
    for (size_t i = 0; i < model.outputs_.size(); ++i) {
      if (!request.reply->wants(i)) continue;
      const TensorSpec& spec = model.outputs_[i];
      std::vector<int64_t> shape = spec.shape;
      if (model.batched_) shape.insert(shape.begin(), request.rows);
      const std::vector<std::byte>& row = model.rows_[i];
      const auto room = request.reply->room(i, spec.dtype, shape, row.size() * rows);
      for (size_t at = 0; at < room.size(); at += row.size())
        std::memcpy(room.data() + at, row.data(), row.size());
    }
  }

  const std::map<std::string, std::string> options_;
  const int contexts_;
  bool precise_ = false;
  std::vector<std::thread> threads_;
  std::mutex mutex_;  // guards the next two
  std::deque<Job> jobs_;
  bool stop_ = false;
  std::condition_variable wake_;
};

// "16,16,100": how many contexts that are. 0: it is no such list.
int contexts_in(const std::string& sizes) {
  if (sizes.empty() || sizes.find_first_not_of("0123456789,") != std::string::npos) return 0;
  const auto commas = std::count(sizes.begin(), sizes.end(), ',');
  return commas < 64 ? static_cast<int>(commas) + 1 : 0;
}

}  // namespace

Result<std::unique_ptr<Engine>> make_null_engine(const EngineSetup& setup) {
  int contexts = 1;
  for (const auto& [name, value] : setup.options) {
    if (name == "green") {
      contexts = contexts_in(value);
      if (contexts == 0)
        return Error{Code::kInvalidArgument,
                     "green is '" + value + "'; it should be sizes such as 16,16,100"};
    } else if (!ServiceTime::is_option(name)) {
      return Error{Code::kInvalidArgument,
                   "the null engine has no option '" + name +
                       "'; it has delay_us, delay_row_us, delay_table, delay_seed, "
                       "stall_every, stall_us and green"};
    }
  }
  if (auto checked = ServiceTime::from_options(setup.options); !checked.ok())
    return checked.error();
  return std::unique_ptr<Engine>(std::make_unique<NullEngine>(setup.options, contexts));
}

}  // namespace corolla::engine
