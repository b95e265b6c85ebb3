#include "engine/cuda/cuda_engine.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>

#include "base/log.h"
#include "base/time.h"
#include "engine/cuda/cuda_model.h"
#include "engine/cuda/device_target.h"
#include "engine/cuda/green_contexts.h"
#include "engine/cuda/lane.h"
#include "engine/cuda/plan_source.h"
#include "engine/cuda/tuning_cache.h"

namespace corolla::engine {
namespace {

using namespace cuda;

Result<std::vector<int>> numbers(const std::string& name, const std::string& text, int most) {
  std::vector<int> all;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    int value = 0;
    const auto parsed = std::from_chars(at, end, value);
    if (parsed.ec != std::errc() || value < 1 || value > most ||
        (parsed.ptr != end && *parsed.ptr != ',' && *parsed.ptr != ';'))
      return Error{Code::kInvalidArgument, name + " is '" + text +
                                               "'; it may be numbers from 1 to " +
                                               std::to_string(most) + " with commas between"};
    all.push_back(value);
    at = parsed.ptr == end ? end : parsed.ptr + 1;
  }
  if (all.empty()) return Error{Code::kInvalidArgument, name + " is empty"};
  return all;
}

struct Settings {
  int lanes = 2;
  std::vector<int> green;
  bool spin = true;
  bool tune = true;
  bool direct = true;
  bool device_jpeg = true;
  std::vector<int> batches;
};

bool is_model_option(const std::string& name) { return name == "tune" || name == "batches"; }

Status set(Settings& settings, const std::string& name, const std::string& value) {
  const auto either = [&](const char* yes, const char* no, bool& to) -> Status {
    if (value != yes && value != no)
      return Error{Code::kInvalidArgument,
                   name + " is '" + value + "'; it may be " + yes + " or " + no};
    to = value == yes;
    return ok();
  };
  if (name == "wait") return either("spin", "block", settings.spin);
  if (name == "direct") return either("on", "off", settings.direct);
  if (name == "jpeg") return either("device", "host", settings.device_jpeg);
  if (name == "tune") return either("on", "off", settings.tune);
  if (name == "lanes") {
    ASSIGN_OR_RETURN(const auto lanes, numbers(name, value, 16));
    settings.lanes = lanes.front();
    return ok();
  }
  if (name == "green") {
    ASSIGN_OR_RETURN(settings.green, numbers(name, value, 1024));
    return ok();
  }
  if (name == "batches") {
    ASSIGN_OR_RETURN(settings.batches, numbers(name, value, 4096));
    return ok();
  }
  return Error{Code::kInvalidArgument,
               "the CUDA engine has no option '" + name +
                   "'; it has lanes, green, wait, direct, jpeg, tune and batches"};
}

constexpr size_t kMostHostBytes = size_t{4} << 30;  // of others' memory, pinned at once

const char* kind_text(WeightMemory::Kind kind) {
  switch (kind) {
    case WeightMemory::Kind::kMade:
      return "shared";
    case WeightMemory::Kind::kFound:
      return "found shared";
    default:
      return "own";
  }
}

class CudaEngine final : public Engine {
 public:
  CudaEngine(const EngineSetup& setup, Settings settings, DeviceFacts device)
      : settings_(std::move(settings)),
        cache_dir_(setup.cache_dir),
        sharing_(setup.sharing),
        device_(std::move(device)),
        sms_(device_.multiprocessors) {}

  Status open() {
    if (settings_.green.empty()) {
      for (int i = 0; i < settings_.lanes; ++i) {
        cudaStream_t streams[2];
        for (cudaStream_t& stream : streams)
          CUDA_OR_RETURN("cannot make a stream",
                         cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
        add_lane(streams[0], streams[1], device_.multiprocessors);
      }
    } else {
      ASSIGN_OR_RETURN(const auto streams, green_streams(0, settings_.green));
      sms_ = 0;
      for (const GreenStream& green : streams) {
        add_lane(green.stream, green.other, green.multiprocessors);
        sms_ += green.multiprocessors;
      }
    }
    for (Waiter& waiter : waiters_) RETURN_IF_ERROR(waiter.make(settings_.spin));
    return ok();
  }

  std::string name() const override { return "cuda " + device_.arch + " driver " + device_.driver; }
  int depth() const override { return static_cast<int>(places_.size()); }
  // Lanes that share all multiprocessors hide copies; they do not compute more at once.
  int contexts() const override { return settings_.green.empty() ? 1 : depth(); }
  int sm_count() const override { return sms_; }

  Result<std::unique_ptr<Model>> load(const ModelSource& source) override {
    const TimePoint begin = now();
    CUDA_OR_RETURN("cannot use the device", cudaSetDevice(0));
    Settings settings = settings_;
    for (const auto& [name, value] : source.parameters)
      if (is_model_option(name)) RETURN_IF_ERROR(set(settings, name, value));
    const plan::Target target = target_of(device_, !settings_.green.empty());
    ASSIGN_OR_RETURN(SourcePlan found, plan_of(source, settings.batches, target));
    if (CudaModel::is_question(source, found.plan))
      return std::unique_ptr<Model>(CudaModel::of_tensors(source, found.plan));
    std::map<int, Tuning> tunings;  // by multiprocessors
    for (const CudaModel::Place& place : places_)
      tunings.try_emplace(place.device.multiprocessors, cache_dir_,
                          target_of(place.device, !settings_.green.empty()));
    const std::string planned = plan::tuning_key(found.plan.target);
    size_t known = 0;
    for (auto& [multiprocessors, tuning] : tunings) {  // in one order for all: of locks
      tuning.trust_plan = planned == tuning.key;
      tuning.table = tuning.cache.read();
      known += tuning.table.size();
      if (!settings.tune || tuning.trust_plan) continue;
      tuning.lock.emplace(tuning.cache);  // others that start with us wait, then find what we timed
      tuning.table = tuning.cache.read();
    }
    std::vector<CudaModel::Choices> choices;
    for (const CudaModel::Place& place : places_) {
      Tuning& tuning = tunings.at(place.device.multiprocessors);
      choices.push_back({&tuning.table, settings.tune, tuning.trust_plan});
    }
    ASSIGN_OR_RETURN(auto model, CudaModel::make(source, std::move(found.plan), places_, choices,
                                                 sharing_, host_));
    if (model->timed() > 0)
      for (const auto& [multiprocessors, tuning] : tunings)
        if (const Status kept = tuning.cache.add(tuning.table); !kept.ok())
          log::warn("tuning_not_kept", {{"why", kept.error().what}});
    log::info("cuda_model_loaded", {{"model", source.name},
                                    {"ms", static_cast<int64_t>(to_seconds(now() - begin) * 1e3)},
                                    {"kernels_timed", model->timed()},
                                    {"known_shapes", known},
                                    {"compiled", found.compiled},
                                    {"weights", kind_text(model->weights())}});
    return std::unique_ptr<Model>(std::move(model));
  }

  void use_memory(std::span<const std::byte> memory, bool writable) override {
    if (settings_.direct) host_.add(memory, writable);
  }
  void forget_memory(std::span<const std::byte> memory) override { host_.remove(memory); }

  void submit(Model& some, std::span<Request> requests, Done done) override {
    auto& model = static_cast<CudaModel&>(some);
    if (!model.cannot_run().empty()) {
      for (Request& request : requests)
        request.outcome = Error{Code::kInvalidArgument, model.cannot_run()};
      done(ok(), {});
      return;
    }
    const size_t lane = take_lane();
    auto run = std::make_shared<CudaModel::Run>(model, lane, requests);
    Status started = ok();
    const bool here = !model.slow_inputs();
    if (here) started = run->start();
    places_[lane].lane->start([this, lane, run, here, started, done = std::move(done)]() mutable {
      Status status = std::move(started);
      if (!here) status = run->start();
      while (status.ok() && !run->done()) {
        status = run->finish(waiters_[lane]);
        if (status.ok() && !run->done()) status = run->start();
      }
      const Timing timing = run->timing;
      run.reset();
      give_lane(lane);
      done(std::move(status), timing);
    });
  }

 private:
  // What is known of parts with so many multiprocessors.
  struct Tuning {
    Tuning(const std::string& cache_dir, const plan::Target& part)
        : cache(cache_dir, part), key(plan::tuning_key(part)) {}
    TuningCache cache;
    std::string key;
    bool trust_plan = false;
    std::optional<TuningCache::Lock> lock;
    TunedTable table;
  };
  void add_lane(cudaStream_t stream, cudaStream_t loading, int multiprocessors) {
    lanes_.push_back(std::make_unique<Lane>(static_cast<int>(lanes_.size()), 0, stream, loading));
    DeviceFacts share = device_;
    share.multiprocessors = multiprocessors;
    if (!settings_.green.empty()) share.stream = loading;
    free_.push_back(places_.size());
    // nvJPEG's own kernels would run outside of a green context.
    const bool jpeg = settings_.device_jpeg && settings_.green.empty();
    places_.push_back({lanes_.back().get(), share, jpeg});
    waiters_ = std::vector<Waiter>(places_.size());
  }
  // The lane with the most multiprocessors: at a low load the fastest does the work.
  size_t take_lane() {
    const std::lock_guard lock(mutex_);
    CHECK(!free_.empty());
    const auto best = std::max_element(free_.begin(), free_.end(), [&](size_t a, size_t b) {
      return places_[a].device.multiprocessors < places_[b].device.multiprocessors;
    });
    const size_t lane = *best;
    free_.erase(best);
    return lane;
  }
  void give_lane(size_t lane) {
    const std::lock_guard lock(mutex_);
    free_.push_back(lane);
  }

  const Settings settings_;
  const std::string cache_dir_;
  MemorySharing* const sharing_;
  const DeviceFacts device_;
  int sms_;  // that all contexts together may use
  HostMemory host_{HostMemory::cuda_driver(0), kMostHostBytes};
  std::vector<Waiter> waiters_;  // one a lane; used by its thread alone
  std::vector<CudaModel::Place> places_;
  std::mutex mutex_;
  std::vector<size_t> free_;
  std::vector<std::unique_ptr<Lane>> lanes_;  // last: their threads end first
};

}  // namespace

Result<std::unique_ptr<Engine>> make_cuda_engine(const EngineSetup& setup) {
  Settings settings;
  for (const auto& [name, value] : setup.options) RETURN_IF_ERROR(set(settings, name, value));
  ::setenv("CUDA_MODULE_LOADING", "LAZY", 0);
  ASSIGN_OR_RETURN(const DeviceFacts device, device_facts());
  CUDA_OR_RETURN(
      "cannot prepare kernels",
      prepare_conv_kernels(device.compute_capability, device.shared_bytes - kStaticSharedBytes));
  auto engine = std::make_unique<CudaEngine>(setup, std::move(settings), device);
  RETURN_IF_ERROR(engine->open());
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace corolla::engine
