#include "engine/cuda/tuner.h"

#include <algorithm>
#include <sstream>

#include "base/time.h"
#include "engine/cuda/replay.h"

namespace corolla::engine::cuda {
namespace {

// A stream and two events for timing.
class Timer {
 public:
  static Result<Timer> make(const DeviceFacts& device) {
    Timer made;
    made.stream_ = device.stream;
    if (device.stream == nullptr) {
      made.own_ = true;
      CUDA_OR_RETURN("cannot make a stream",
                     cudaStreamCreateWithFlags(&made.stream_, cudaStreamNonBlocking));
    }
    CUDA_OR_RETURN("cannot make an event", cudaEventCreate(&made.begin_));
    CUDA_OR_RETURN("cannot make an event", cudaEventCreate(&made.end_));
    return made;
  }
  Timer(Timer&& other) noexcept
      : stream_(std::exchange(other.stream_, nullptr)),
        own_(std::exchange(other.own_, false)),
        begin_(std::exchange(other.begin_, nullptr)),
        end_(std::exchange(other.end_, nullptr)) {}
  Timer& operator=(Timer&&) = delete;
  ~Timer() {
    if (begin_ != nullptr) (void)cudaEventDestroy(begin_);
    if (end_ != nullptr) (void)cudaEventDestroy(end_);
    if (own_) (void)cudaStreamDestroy(stream_);
  }
  cudaStream_t stream() const { return stream_; }

  // Microseconds of `times` replays, each alone, rising.
  Result<std::vector<double>> time(const Replay& replay, int times) {
    std::vector<double> all;
    for (int i = 0; i < times; ++i) {
      cudaError_t error = cudaEventRecord(begin_, stream_);
      if (error == cudaSuccess) error = replay.start(stream_);
      if (error == cudaSuccess) error = cudaEventRecord(end_, stream_);
      if (error == cudaSuccess) error = cudaEventSynchronize(end_);
      float ms = 0;
      if (error == cudaSuccess) error = cudaEventElapsedTime(&ms, begin_, end_);
      if (error != cudaSuccess) return cuda_error("a kernel that was being timed failed", error);
      all.push_back(static_cast<double>(ms) * 1e3);
    }
    std::sort(all.begin(), all.end());
    return all;
  }

 private:
  Timer() = default;
  cudaStream_t stream_ = nullptr;
  bool own_ = false;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

bool overlaps(const DeviceFacts& device) { return device.compute_capability >= 90; }

// Microseconds of one launch among `repeats` back to back; the least of a few tries. Infinite when
// the device cannot launch it so (too few registers, no cluster of that size).
Result<double> time_alone(Timer& timer, Launch& launch, const DeviceFacts& device, int repeats,
                          double give_up_us) {
  constexpr double kNever = 1e30;
  ASSIGN_OR_RETURN(const Workspace workspace, Workspace::make(std::span(&launch, 1)));
  auto replay =
      Replay::record(std::span(&launch, 1), workspace, {timer.stream(), overlaps(device)}, repeats);
  if (!replay.ok()) {
    (void)cudaGetLastError();
    return kNever;
  }
  ASSIGN_OR_RETURN(const auto first, timer.time(*replay, 1));
  // Cold code and caches may cost four times, not more.
  if (first.front() / repeats > 4 * give_up_us) return first.front() / repeats;
  ASSIGN_OR_RETURN(const auto times, timer.time(*replay, 3));
  return times.front() / repeats;
}

struct Ranked {
  ConvChoice choice;
  double us;
};

}  // namespace

Result<DeviceFacts> device_facts() {
  int device = 0;
  cudaDeviceProp properties;
  CUDA_OR_RETURN("no CUDA device", cudaGetDevice(&device));
  CUDA_OR_RETURN("cannot ask the CUDA device what it is",
                 cudaGetDeviceProperties(&properties, device));
  DeviceFacts facts;
  facts.name = properties.name;
  facts.compute_capability = properties.major * 10 + properties.minor;
  facts.arch = "sm_" + std::to_string(facts.compute_capability);
  facts.multiprocessors = properties.multiProcessorCount;
  facts.shared_bytes = static_cast<int>(properties.sharedMemPerBlockOptin);
  facts.memory_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  int version = 0;
  CUDA_OR_RETURN("cannot ask for the driver's version", cudaDriverGetVersion(&version));
  facts.driver = std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  if (facts.compute_capability < 80)
    return Error{Code::kUnsupported, "'" + facts.name + "' is " + facts.arch +
                                         "; the CUDA engine needs sm_80 (Ampere) or later"};
  return facts;
}

std::string shape_key(const ConvProblem& p) {
  std::ostringstream key;
  constexpr const char* kTypes[] = {"", "bf16 ", "s8 "};
  key << kTypes[static_cast<int>(p.element)] << "conv m" << p.m << " n" << p.n << " k" << p.k
      << " c" << p.channels << " x" << p.height << "x" << p.width << " y" << p.out_hw << "/"
      << p.out_w << " kw" << p.kernel_w << " s" << p.stride_h << "x" << p.stride_w << " d"
      << p.dilation_h << "x" << p.dilation_w << " p" << p.pad_h << "x" << p.pad_w << " px"
      << p.x_pixel << (p.residual != nullptr ? " res" : "");
  if (p.element == Element::kByte)
    key << (p.y_bytes ? "" : " y16") << (p.residual != nullptr && !p.residual_bytes ? " r16" : "");
  if (const ConvExtra& e = p.extra; e.x != nullptr)
    key << " + c" << e.channels << " s" << e.stride_h << "x" << e.stride_w << " px" << e.x_pixel;
  return key.str();
}

bool can_run(const ConvProblem& problem, const ConvChoice& choice, const DeviceFacts& device) {
  if (choice.kernel->wgmma && device.compute_capability != 90) return false;
  if (choice.cluster && (device.compute_capability < 90 || choice.splits > 8)) return false;
  return suits(problem, choice) &&
         shared_bytes(problem, choice).total + kStaticSharedBytes <= device.shared_bytes;
}

std::vector<ConvChoice> candidates(const ConvProblem& problem, const DeviceFacts& device) {
  std::vector<ConvChoice> all;
  for (const ConvKernel& kernel : conv_kernels()) {
    if (kernel.element != problem.element) continue;
    if (kernel.wgmma && device.compute_capability != 90) continue;
    // Tiles that are mostly empty, or so small that there are very many, never win.
    if (kernel.tile_m >= 128 && problem.m <= kernel.tile_m / 2) continue;
    if (kernel.tile_n >= 64 && problem.n <= kernel.tile_n / 2) continue;
    const int count = tiles(problem, kernel), k_steps = steps(problem, kernel);
    if (count > 24 * device.multiprocessors && kernel.tile_m * kernel.tile_n < 64 * 64) continue;
    for (const int splits : {1, 2, 3, 4, 6, 8, 12, 16}) {
      if (splits > k_steps) break;
      if (splits > 1 &&
          (count >= 2 * device.multiprocessors || count * splits > 4 * device.multiprocessors))
        break;
      const bool can_cluster = device.compute_capability >= 90 && splits > 1 && splits <= 8;
      const auto add = [&](bool cluster) {
        const ConvChoice choice{&kernel, splits, cluster};
        if (can_run(problem, choice, device)) all.push_back(choice);
      };
      if (can_cluster) add(true);
      if (!can_cluster || splits == 4 || splits == 8) add(false);
    }
  }
  return all;
}

ConvChoice likely_choice(const ConvProblem& problem, const DeviceFacts& device) {
  ConvChoice best;
  double least = 1e300;
  for (const ConvChoice& choice : candidates(problem, device)) {
    if (choice.splits > 1 && choice.cluster != (device.compute_capability >= 90)) continue;
    // Waves of blocks times the work of one, plus what a block costs whatever it does.
    const ConvKernel& kernel = *choice.kernel;
    const double blocks = static_cast<double>(tiles(problem, kernel)) * choice.splits;
    const double waves = std::max(1.0, blocks / device.multiprocessors);
    const double deep = static_cast<double>(steps(problem, kernel)) / choice.splits;
    const double step =
        60.0 + static_cast<double>(kernel.tile_m) * kernel.tile_n / (kernel.wgmma ? 24 : 14);
    const double cost = waves * (deep * step + 1500 + (choice.splits > 1 ? 1000 : 0));
    if (cost < least) {
      least = cost;
      best = choice;
    }
  }
  return best;
}

Result<Spread> time_spread(std::span<const Launch> launches, const DeviceFacts& device, int times,
                           int repeats_in_graph) {
  ASSIGN_OR_RETURN(Timer timer, Timer::make(device));
  ASSIGN_OR_RETURN(const Workspace workspace, Workspace::make(launches));
  ASSIGN_OR_RETURN(
      const Replay replay,
      Replay::record(launches, workspace, {timer.stream(), overlaps(device)}, repeats_in_graph));
  ASSIGN_OR_RETURN(const auto warm, timer.time(replay, 2));
  ASSIGN_OR_RETURN(const auto all, timer.time(replay, times));
  const double one = repeats_in_graph;
  return Spread{all[all.size() / 10] / one, all[all.size() / 2] / one,
                all[all.size() * 9 / 10] / one};
}

Result<double> time_launches(std::span<const Launch> launches, const DeviceFacts& device, int times,
                             int repeats_in_graph) {
  ASSIGN_OR_RETURN(const Spread spread, time_spread(launches, device, times, repeats_in_graph));
  return spread.p50;
}

Result<TuneReport> tune(std::vector<Launch>& launches, const DeviceFacts& device, TunedTable& table,
                        const TuneSettings& settings) {
  TuneReport report;
  const TimePoint begin = now();
  ASSIGN_OR_RETURN(Timer timer, Timer::make(device));
  std::map<std::string, std::vector<Launch*>> shapes;
  for (Launch& launch : launches)
    if (launch.tunable) shapes[shape_key(launch.conv)].push_back(&launch);

  std::map<std::string, std::vector<Ranked>> open;  // shapes whose choice is not from the table
  for (auto& [key, same] : shapes) {
    if (const auto known = table.find(key); known != table.end())
      if (const ConvKernel* kernel = find_conv_kernel(known->second.kernel); kernel != nullptr) {
        for (Launch* launch : same) {
          launch->choice = {kernel, known->second.splits, known->second.cluster};
          launch->kernel = kernel->name;
        }
        report.alone_us += known->second.microseconds * static_cast<double>(same.size());
        continue;
      }
    std::vector<Ranked>& ranked = open[key];
    Launch trial = *same.front();
    double best = 1e30;
    for (const ConvChoice& choice : candidates(trial.conv, device)) {
      trial.choice = choice;
      ASSIGN_OR_RETURN(const double us, time_alone(timer, trial, device, settings.repeats, best));
      ++report.timed;
      best = std::min(best, us);
      ranked.push_back({choice, us});
    }
    std::sort(ranked.begin(), ranked.end(),
              [](const Ranked& a, const Ranked& b) { return a.us < b.us; });
    if (ranked.empty() || ranked.front().us >= 1e29)
      return Error{Code::kInternal, "no kernel runs '" + key + "' on " + device.name};
    for (Launch* launch : same) {
      launch->choice = ranked.front().choice;
      launch->kernel = ranked.front().choice.kernel->name;
    }
    report.alone_us += ranked.front().us * static_cast<double>(same.size());
    const ConvChoice& choice = ranked.front().choice;
    table[key] = {std::string(choice.kernel->name), choice.splits, choice.cluster,
                  ranked.front().us};
  }

  ASSIGN_OR_RETURN(report.before_us, time_launches(launches, device, 9));
  report.after_us = report.before_us;
  if (settings.in_place) {
    for (auto& [key, ranked] : open) {
      constexpr size_t kTried = 6;
      const double alone = ranked.front().us;
      for (size_t i = 1; i < std::min(ranked.size(), kTried); ++i) {
        if (ranked[i].us > alone * 1.3 + 0.5) break;
        const ConvChoice kept = shapes[key].front()->choice;
        for (Launch* launch : shapes[key]) launch->choice = ranked[i].choice;
        ASSIGN_OR_RETURN(const double us, time_launches(launches, device, 7));
        if (us < report.after_us * 0.998) {
          report.after_us = us;
          table[key] = {std::string(ranked[i].choice.kernel->name), ranked[i].choice.splits,
                        ranked[i].choice.cluster, ranked[i].us};
          for (Launch* launch : shapes[key]) launch->kernel = ranked[i].choice.kernel->name;
        } else {
          for (Launch* launch : shapes[key]) launch->choice = kept;
        }
      }
    }
  }
  report.seconds = static_cast<double>((now() - begin).count()) / 1e9;
  return report;
}

}  // namespace corolla::engine::cuda
