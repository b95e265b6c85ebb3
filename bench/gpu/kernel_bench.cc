// Checks and times the CUDA engine's kernels on ResNet-50, without a model file.
//
// --bf16 or --int8 anywhere: in that type instead of fp16.
//
//   kernel_bench check [BATCH [NAME]]      every kernel and split of every shape against a slow
//   one;
//                                          NAME: only kernels whose names have this in them
//   kernel_bench check-few [NAME]          some of them, for compute-sanitizer
//   kernel_bench time 1,8,32,128 [TABLE]   tunes and times whole programs; keeps the tuned table
//   kernel_bench layers BATCH [TABLE]      each layer's time and share of the roofline
//   kernel_bench pictures FOLDER ROWS MODEL...   what plans answer to a folder of pictures
//   kernel_bench slices COUNT SECONDS TABLE [BATCH [own]]   the same by COUNT processes at once,
//   which share their weights unless told otherwise
//   kernel_bench green COUNT SECONDS TABLE SMS [BATCH]   the same by COUNT green contexts of SMS
//   multiprocessors in this process; keeps the tuned table
//   kernel_bench jpegs FOLDER              nvJPEG beside the host's decoder
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <thread>

#include "base/time.h"
#include "engine/cuda/device_memory.h"
#include "engine/cuda/green_contexts.h"
#include "engine/cuda/kernels/picture_kernels.h"
#include "engine/cuda/lowering.h"
#include "engine/cuda/replay.h"
#include "engine/cuda/tuner.h"
#include "engine/cuda/weight_memory.h"
#include "jpegs.h"
#include "pictures.h"
#include "plan/half.h"
#include "reference_conv.h"
#include "resnet50.h"
#include "slices_at_once.h"

using namespace corolla;
using namespace corolla::engine::cuda;

namespace {

template <class T>
T must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "kernel_bench: %s\n", result.error().what.c_str());
    std::exit(1);
  }
  return *std::move(result);
}
void must(cudaError_t error, const char* what) {
  if (error != cudaSuccess) {
    std::fprintf(stderr, "kernel_bench: %s\n", cuda_error(what, error).what.c_str());
    std::exit(1);
  }
}

constexpr int64_t kClasses = 102;
DType precision = DType::kFp16;

struct Loaded {
  plan::Plan plan;
  WeightMemory weights;
  DerivedWeights derived;
};

std::unique_ptr<Loaded> load(std::vector<int64_t> batches,
                             engine::MemorySharing* sharing = nullptr) {
  auto loaded = std::make_unique<Loaded>();
  loaded->plan = bench::resnet50(std::move(batches), kClasses, true, precision, 1);
  loaded->weights = must(WeightMemory::make(loaded->plan.weights, sharing, "resnet50"));
  return loaded;
}

struct Placed {
  DeviceMemory arena, input, output;
  std::vector<Launch> launches;
};

Placed place(Loaded& loaded, const plan::Program& program, const Fusions& fusions = {}) {
  Placed placed;
  const auto batch = static_cast<size_t>(program.batch);
  placed.arena = must(DeviceMemory::make(static_cast<size_t>(program.arena_bytes), "arena"));
  placed.input = must(DeviceMemory::make(batch * 224 * 224 * 3, "input"));
  placed.output = must(DeviceMemory::make(batch * kClasses * 4, "output"));
  std::vector<uint8_t> pixels(batch * 224 * 224 * 3);
  std::mt19937 random(7);
  for (uint8_t& pixel : pixels) pixel = static_cast<uint8_t>(random() >> 24);
  must(cudaMemcpy(placed.input.data(), pixels.data(), pixels.size(), cudaMemcpyHostToDevice),
       "input");
  must(cudaMemset(placed.arena.data(), 0xff, placed.arena.bytes()), "arena");
  const Addresses addresses{
      loaded.weights.data(), placed.arena.data(), {placed.input.data()}, {placed.output.data()}};
  placed.launches = must(lower(loaded.plan, program, addresses, loaded.derived,
                               must(device_facts()).compute_capability, fusions));
  return placed;
}

TunedTable read_table(const char* path) {
  TunedTable table;
  std::ifstream in(path);
  std::string line;
  while (std::getline(in, line)) {
    const size_t tab = line.find('\t');
    std::istringstream rest(line.substr(tab + 1));
    TunedChoice choice;
    rest >> choice.kernel >> choice.splits >> choice.cluster >> choice.microseconds;
    table[line.substr(0, tab)] = choice;
  }
  return table;
}
void write_table(const char* path, const TunedTable& table) {
  std::ofstream out(path);
  for (const auto& [key, choice] : table)
    out << key << '\t' << choice.kernel << ' ' << choice.splits << ' ' << choice.cluster << ' '
        << choice.microseconds << '\n';
}

// ‖y - reference‖ / ‖reference‖; NaN counts as infinite. Of bytes: of what is stored.
double difference(const ConvProblem& p, const std::vector<float>& reference) {
  const size_t size = p.y_bytes ? 1 : 2;
  std::vector<std::byte> y(static_cast<size_t>(p.m) * static_cast<size_t>(p.y_pixel) * size);
  must(cudaMemcpy(y.data(), p.y, y.size(), cudaMemcpyDeviceToHost), "y");
  const auto number = [&](size_t at) -> double {
    if (p.y_bytes) return static_cast<double>(y[at]);
    uint16_t half;
    std::memcpy(&half, y.data() + at * 2, 2);
    return p.element == Element::kBfloat ? plan::bf16_to_float(half) : plan::fp16_to_float(half);
  };
  double off = 0, norm = 0;
  for (int m = 0; m < p.m; ++m)
    for (int n = 0; n < p.n; ++n) {
      double want =
          reference[static_cast<size_t>(m) * static_cast<size_t>(p.n) + static_cast<size_t>(n)];
      if (p.y_bytes) want = quantised(static_cast<float>(want), p.y_scale, p.y_zero);
      const double got =
          number(static_cast<size_t>(m) * static_cast<size_t>(p.y_pixel) + static_cast<size_t>(n));
      off += (want - got) * (want - got);
      norm += want * want;
    }
  const double ratio = std::sqrt(off / std::max(norm, 1e-30));
  return ratio == ratio ? ratio : 1e30;
}

// What fused kernels compute against the same steps one by one: the relative difference of the
// tensor that step `last` writes.
double fused_difference(int64_t batch, size_t last, const Fusions& fusions) {
  const DeviceFacts device = must(device_facts());
  auto loaded = load({batch});
  const plan::Program& program = loaded->plan.programs[0];
  const plan::PlanTensor& y = program.tensors[static_cast<size_t>(program.steps[last].outputs[0])];
  std::vector<uint16_t> results[2];
  for (const bool fused : {false, true}) {
    Placed placed = place(*loaded, program, fused ? fusions : Fusions{false, false, false});
    for (Launch& launch : placed.launches)
      if (launch.tunable) launch.choice = likely_choice(launch.conv, device);
    const Workspace workspace = must(Workspace::make(placed.launches));
    for (const Launch& launch : placed.launches)
      if (launch.step <= static_cast<int32_t>(last))
        must(run(launch, workspace, {nullptr, false}), launch.kernel.c_str());
    must(cudaDeviceSynchronize(), "fused kernels");
    results[fused].resize(static_cast<size_t>(y.bytes) / 2);
    must(cudaMemcpy(results[fused].data(), placed.arena.data() + y.offset,
                    static_cast<size_t>(y.bytes), cudaMemcpyDeviceToHost),
         "results");
  }
  double off = 0, norm = 0;
  for (size_t i = 0; i < results[0].size(); ++i) {
    const auto number = precision == DType::kBf16 ? plan::bf16_to_float : plan::fp16_to_float;
    const double want = number(results[0][i]), got = number(results[1][i]);
    off += (want - got) * (want - got);
    norm += want * want;
  }
  const double ratio = std::sqrt(off / std::max(norm, 1e-30));
  return ratio == ratio ? ratio : 1e30;
}

int check_fusions(int64_t batch) {
  if (precision == DType::kInt8) return 0;  // has none
  auto loaded = load({batch});
  const auto& steps = loaded->plan.programs[0].steps;
  size_t pool = 0, last_conv = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].op() == plan::StepOp::kPool) pool = i;
    if (steps[i].op() == plan::StepOp::kConv) last_conv = i;
  }
  const double stem = fused_difference(batch, pool, {true, false, false});
  const double whole = fused_difference(batch, last_conv, {true, true, false});
  std::printf(
      "fused: batch %d, import, convolution and pool as one: %.2g; all convolutions with "
      "their shortcuts: %.2g\n",
      static_cast<int>(batch), stem, whole);
  const double unit = precision == DType::kBf16 ? 8 : 1;
  return stem > 1e-3 * unit || whole > 5e-3 * unit;
}

// kFew: of each kernel one launch without splits, one through memory and one cluster, for slow
// tools. kMerged: these, and everything of convolutions with a shortcut in them.
enum class Depth { kAll, kMerged, kFew };

int check(int64_t batch, Depth depth, const std::string& only, const Fusions& fusions = {}) {
  const DeviceFacts device = must(device_facts());
  auto loaded = load({batch});
  Placed placed = place(*loaded, loaded->plan.programs[0], fusions);
  cudaStream_t stream;
  must(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  std::map<std::string, int> seen;
  std::map<std::pair<const ConvKernel*, int>, int> tried;
  int checked = 0, bad = 0;
  double worst = 0;
  for (Launch& launch : placed.launches) {
    if (!launch.tunable) {
      const Workspace none = must(Workspace::make(0, 0));
      must(run(launch, none, {stream, false}), launch.kernel.c_str());
      must(cudaStreamSynchronize(stream), launch.kernel.c_str());
      continue;
    }
    const ConvProblem& p = launch.conv;
    DeviceMemory wanted = must(
        DeviceMemory::make(static_cast<size_t>(p.m) * static_cast<size_t>(p.n) * 4, "reference"));
    must(bench::reference_conv(p, reinterpret_cast<float*>(wanted.data()), stream), "reference");
    must(cudaStreamSynchronize(stream), "reference");
    std::vector<float> reference(static_cast<size_t>(p.m) * static_cast<size_t>(p.n));
    must(cudaMemcpy(reference.data(), wanted.data(), reference.size() * 4, cudaMemcpyDeviceToHost),
         "reference");
    std::vector<ConvChoice> choices = candidates(p, device);
    const bool known = seen[shape_key(p)]++ > 0;
    if (known) choices = {likely_choice(p, device)};
    if (depth == Depth::kFew || (depth == Depth::kMerged && p.extra.x == nullptr)) {
      std::erase_if(choices, [&](const ConvChoice& choice) {
        const int kind = choice.splits == 1 ? 0 : choice.cluster ? 2 : 1;
        return tried[{choice.kernel, kind}]++ > 0;
      });
      if (choices.empty()) choices = {likely_choice(p, device)};
    }
    std::erase_if(choices, [&](const ConvChoice& choice) {
      return choice.kernel->name.find(only) == std::string_view::npos;
    });
    if (choices.empty()) choices = {likely_choice(p, device)};
    for (const ConvChoice& choice : choices) {
      launch.choice = choice;
      const Workspace workspace = must(Workspace::make(std::span(&launch, 1)));
      must(cudaMemset(
               p.y, 0xff,
               static_cast<size_t>(p.m) * static_cast<size_t>(p.y_pixel) * (p.y_bytes ? 1 : 2)),
           "poison");
      const cudaError_t error = run(launch, workspace, {stream, device.compute_capability >= 90});
      if (error != cudaSuccess) {
        std::printf("skipped %s %d %d: %s\n", std::string(choice.kernel->name).c_str(),
                    choice.splits, choice.cluster, cudaGetErrorName(error));
        (void)cudaGetLastError();
        continue;
      }
      must(cudaStreamSynchronize(stream), std::string(choice.kernel->name).c_str());
      const double off = difference(p, reference);
      worst = std::max(worst, off);
      ++checked;
      if (off > (p.element == Element::kBfloat ? 8e-3 : 1e-3)) {
        ++bad;
        std::printf("WRONG %s splits %d cluster %d on %s: %g\n",
                    std::string(choice.kernel->name).c_str(), choice.splits, choice.cluster,
                    shape_key(p).c_str(), off);
      }
    }
  }
  std::printf("check: batch %d, %d runs of kernels, worst relative error %.2g, %d wrong\n",
              static_cast<int>(batch), checked, worst, bad);
  return bad != 0;
}

int time_programs(const std::vector<int64_t>& batches, const char* path) {
  const DeviceFacts device = must(device_facts());
  std::printf("%s, %s, %d multiprocessors, driver %s\n", device.name.c_str(), device.arch.c_str(),
              device.multiprocessors, device.driver.c_str());
  auto loaded = load(batches);
  TunedTable table = path != nullptr ? read_table(path) : TunedTable();
  for (const plan::Program& program : loaded->plan.programs) {
    Placed placed = place(*loaded, program);
    const TuneReport report = must(tune(placed.launches, device, table, {}));
    const Spread us = must(time_spread(placed.launches, device, 100));
    const double stream_us = must(time_launches(placed.launches, device, 20, 10));
    double flops = 0, bytes = 0;
    for (const Launch& launch : placed.launches) flops += launch.flops, bytes += launch.bytes;
    std::printf(
        "batch %3d: %8.1f us alone (p10 %.1f, p90 %.1f), %8.1f us in a row: %7.0f img/s, %5.0f "
        "TFLOP/s; sum of layers "
        "%.1f, in place %.1f -> %.1f; tuned %d in %.1f s (%zu launches, %.2f GFLOP, %.1f MB)\n",
        static_cast<int>(program.batch), us.p50, us.p10, us.p90, stream_us,
        static_cast<double>(program.batch) / stream_us * 1e6, flops / stream_us * 1e-6,
        report.alone_us, report.before_us, report.after_us, report.timed, report.seconds,
        placed.launches.size(), flops * 1e-9, bytes * 1e-6);
    std::fflush(stdout);
    if (path != nullptr) write_table(path, table);
  }
  return 0;
}

int layers(int64_t batch, const char* path) {
  const DeviceFacts device = must(device_facts());
  auto loaded = load({batch});
  TunedTable table = path != nullptr ? read_table(path) : TunedTable();
  Placed placed = place(*loaded, loaded->plan.programs[0]);
  (void)must(tune(placed.launches, device, table, {}));
  double sum = 0;
  for (const Launch& launch : placed.launches) {
    const double us = must(time_launches(std::span(&launch, 1), device, 5, 20));
    sum += us;
    std::printf("%-8s %-22s %2d%c %7.2f us %6.1f TFLOP/s %6.0f GB/s  %s\n",
                loaded->plan.programs[0].steps[static_cast<size_t>(launch.step)].name.c_str(),
                launch.kernel.c_str(), launch.choice.splits, launch.choice.cluster ? 'c' : ' ', us,
                launch.flops / us * 1e-6, launch.bytes / us * 1e-3,
                launch.tunable ? shape_key(launch.conv).c_str() : "");
  }
  std::printf("sum %.1f us\n", sum);
  return 0;
}

// From the moment at which `meet` ends.
// In `streams` lanes; `green_multiprocessors`: in green contexts of so many multiprocessors, else
// 0.
bench::Served serve(double seconds, const bench::Slice& slice, const char* path, int streams,
                    int64_t batch, int green_multiprocessors = 0) {
  const DeviceFacts device = must(device_facts());
  auto loaded = load({batch}, slice.sharing);
  TunedTable table = read_table(path);
  struct Lane {
    Placed placed;
    Workspace workspace;
    Replay replay;
    cudaStream_t stream;
    PinnedMemory host_in, host_out;
  };
  std::vector<Lane> lanes(static_cast<size_t>(streams));
  std::vector<GreenStream> green;
  if (green_multiprocessors > 0)
    green = must(green_streams(0, std::vector<int>(lanes.size(), green_multiprocessors)));
  for (Lane& lane : lanes) {
    lane.placed = place(*loaded, loaded->plan.programs[0]);
    DeviceFacts part = device;
    if (!green.empty()) {
      const GreenStream& own = green[static_cast<size_t>(&lane - lanes.data())];
      part.multiprocessors = own.multiprocessors;
      part.stream = own.stream;
    }
    (void)must(tune(lane.placed.launches, part, table, {.in_place = !green.empty()}));
    lane.workspace = must(Workspace::make(lane.placed.launches));
    if (green.empty())
      must(cudaStreamCreateWithFlags(&lane.stream, cudaStreamNonBlocking), "stream");
    else
      lane.stream = green[static_cast<size_t>(&lane - lanes.data())].stream;
    lane.replay = must(Replay::record(lane.placed.launches, lane.workspace, {lane.stream, true}));
    lane.host_in = must(PinnedMemory::make(lane.placed.input.bytes(), "input"));
    lane.host_out = must(PinnedMemory::make(lane.placed.output.bytes(), "output"));
    std::memset(lane.host_in.data(), 100, lane.host_in.bytes());
  }
  if (!green.empty()) write_table(path, table);
  const auto once = [&](Lane& lane) {
    must(cudaMemcpyAsync(lane.placed.input.data(), lane.host_in.data(), lane.host_in.bytes(),
                         cudaMemcpyHostToDevice, lane.stream),
         "in");
    must(lane.replay.start(lane.stream), "replay");
    must(cudaMemcpyAsync(lane.host_out.data(), lane.placed.output.data(), lane.host_out.bytes(),
                         cudaMemcpyDeviceToHost, lane.stream),
         "out");
  };
  for (int i = 0; i < 5; ++i)
    for (Lane& lane : lanes) once(lane);
  must(cudaDeviceSynchronize(), "warm");
  slice.meet();
  // A thread a lane, as in a worker: one thread that waits for lanes in turn would tie them
  // together.
  std::vector<std::vector<double>> taken(lanes.size());
  std::vector<std::thread> threads;
  const TimePoint begin = now();
  for (size_t i = 0; i < lanes.size(); ++i)
    threads.emplace_back([&, i] {
      for (TimePoint started = begin; to_seconds(started - begin) < seconds;) {
        once(lanes[i]);
        must(cudaStreamSynchronize(lanes[i].stream), "serve");
        const TimePoint done = now();
        taken[i].push_back(to_seconds(done - started) * 1e6);
        started = done;
      }
    });
  for (std::thread& thread : threads) thread.join();
  const double took = to_seconds(now() - begin);
  std::vector<double> latencies;
  for (const auto& one : taken) latencies.insert(latencies.end(), one.begin(), one.end());
  std::sort(latencies.begin(), latencies.end());
  return {device.multiprocessors,
          static_cast<double>(latencies.size()) * static_cast<double>(batch) / took,
          latencies[latencies.size() / 2], latencies[latencies.size() * 99 / 100]};
}

int green_contexts(int count, double seconds, const char* path, int multiprocessors,
                   int64_t batch) {
  const bench::Served all = serve(seconds, {nullptr, [] {}}, path, count, batch, multiprocessors);
  std::printf(
      "green: %d of %d multiprocessors, batch %d: %.0f img/s in all, p50 %.1f us, p99 %.1f us\n",
      count, multiprocessors, static_cast<int>(batch), all.per_second, all.p50_us, all.p99_us);
  return 0;
}

void prepare() {
  const DeviceFacts device = must(device_facts());
  must(prepare_conv_kernels(device.compute_capability, device.shared_bytes - kStaticSharedBytes),
       "kernels");
}

int slices(int count, double seconds, const char* path, int64_t batch, bool share) {
  auto all = bench::at_once(count, share, [&](const bench::Slice& slice) {
    prepare();
    return serve(seconds, slice, path, 1, batch);
  });
  if (static_cast<int>(all.size()) != count) {
    std::fprintf(stderr, "kernel_bench: %zu of %d slices came to an end\n", all.size(), count);
    return 1;
  }
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.p50_us < b.p50_us; });
  double total = 0, p99 = 0;
  for (const bench::Served& one : all) total += one.per_second, p99 = std::max(p99, one.p99_us);
  std::printf(
      "slices: %d of %d multiprocessors, %s weights, batch %d: %.0f img/s in all, p50 %.1f us "
      "(%.1f..%.1f), p99 %.1f us\n",
      count, all[0].multiprocessors, share ? "one copy of the" : "their own",
      static_cast<int>(batch), total, all[all.size() / 2].p50_us, all.front().p50_us,
      all.back().p50_us, p99);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument != "--bf16" && argument != "--int8") continue;
    precision = argument == "--bf16" ? DType::kBf16 : DType::kInt8;
    std::copy(argv + i + 1, argv + argc, argv + i);
    --argc;
    --i;
  }
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "slices" && argc > 4)  // before this process uses CUDA
    return slices(std::atoi(argv[2]), std::atof(argv[3]), argv[4],
                  argc > 5 ? std::atoi(argv[5]) : 1, argc <= 6);
  prepare();
  if (mode == "pictures" && argc > 4) {
    const Status done =
        bench::picture_answers(argv[2], {argv + 4, argv + argc}, std::atoi(argv[3]), true);
    if (!done.ok()) std::fprintf(stderr, "kernel_bench: %s\n", done.error().what.c_str());
    return done.ok() ? 0 : 1;
  }
  if (mode == "check") {
    const int batch = argc > 2 ? std::atoi(argv[2]) : 1;
    const std::string only = argc > 3 ? argv[3] : "";
    const int apart = check(batch, Depth::kAll, only, {false, false, false});
    const int fused = check(batch, Depth::kMerged, only);
    return std::max({apart, fused, check_fusions(batch)});
  }
  if (mode == "check-few") return check(1, Depth::kFew, argc > 2 ? argv[2] : "");
  if (mode == "time" && argc > 2) {
    std::vector<int64_t> batches;
    std::istringstream list(argv[2]);
    for (std::string one; std::getline(list, one, ',');) batches.push_back(std::atoi(one.c_str()));
    return time_programs(batches, argc > 3 ? argv[3] : nullptr);
  }
  if (mode == "jpegs" && argc > 2) return bench::jpegs(argv[2]);
  if (mode == "layers" && argc > 2) return layers(std::atoi(argv[2]), argc > 3 ? argv[3] : nullptr);
  if (mode == "green" && argc > 5)
    return green_contexts(std::atoi(argv[2]), std::atof(argv[3]), argv[4], std::atoi(argv[5]),
                          argc > 6 ? std::atoi(argv[6]) : 1);
  std::fprintf(
      stderr,
      "usage: kernel_bench check [BATCH [NAME]] | check-few [NAME] | time BATCHES [TABLE] | "
      "layers BATCH [TABLE] | slices COUNT SECONDS TABLE [BATCH [own]] | "
      "green COUNT SECONDS TABLE SMS [BATCH] | pictures FOLDER ROWS MODEL... | jpegs FOLDER, each "
      "with --bf16 or --int8\n");
  return 2;
}
