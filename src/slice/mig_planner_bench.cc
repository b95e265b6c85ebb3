// How long a plan takes: one GPU, and a host of eight with seven slices each. The tables are those
// of an A100-40GB.
#include <benchmark/benchmark.h>

#include <vector>

#include "slice/mig_planner.h"

namespace corolla::slice {
namespace {

ProfileTable a100() {
  ProfileTable table{"A100", {}};
  const auto add = [&](uint32_t id, const char* name, uint32_t slices, uint32_t instances,
                       uint32_t size, std::vector<uint32_t> starts) {
    MigProfile profile;
    profile.id = id;
    profile.name = name;
    profile.slices = slices;
    profile.instances = instances;
    for (const uint32_t start : starts) profile.placements.push_back({start, size});
    table.profiles.push_back(std::move(profile));
  };
  add(19, "1g.5gb", 1, 7, 1, {0, 1, 2, 3, 4, 5, 6});
  add(20, "1g.5gb+me", 1, 1, 1, {0, 1, 2, 3, 4, 5, 6});
  add(15, "1g.10gb", 1, 4, 2, {0, 2, 4, 6});
  add(14, "2g.10gb", 2, 3, 2, {0, 2, 4});
  add(9, "3g.20gb", 3, 2, 4, {0, 4});
  add(5, "4g.20gb", 4, 1, 4, {0});
  add(0, "7g.40gb", 7, 1, 8, {0});
  return table;
}

std::vector<GpuInstance> seven(const ProfileTable& table) {
  std::vector<GpuInstance> instances;
  for (uint32_t i = 0; i < 7; ++i) {
    MigDevice device;
    device.slices = 1;
    device.processes = {{1, "worker"}};
    instances.push_back({i, table.profiles[0].id, {i, 1}, {device}});
  }
  return instances;
}

void plan(benchmark::State& state, const Carve& wish, int gpus, bool empty = false) {
  const ProfileTable table = a100();
  const std::vector<GpuInstance> existing = empty ? std::vector<GpuInstance>() : seven(table);
  for (auto _ : state)
    for (int i = 0; i < gpus; ++i) {
      auto layout = place(table, wish, existing);
      CHECK(layout.ok());
      benchmark::DoNotOptimize(layout);
    }
}

const Carve kMany = {{"1g.5gb", 4}, {"1g.5gb+me", 1}, {"2g.10gb", 1}};

BENCHMARK_CAPTURE(plan, one_gpu_4x1g_3g, {{"1g.5gb", 4}, {"3g.20gb", 1}}, 1);
BENCHMARK_CAPTURE(plan, eight_gpus_7x1g_unchanged, {{"1g.5gb", 7}}, 8)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(plan, eight_gpus_7x1g_from_nothing, {{"1g.5gb", 7}}, 8, true)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(plan, eight_gpus_4x1g_3g, {{"1g.5gb", 4}, {"3g.20gb", 1}}, 8)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(plan, eight_gpus_six_of_three_kinds, kMany, 8)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(plan, eight_gpus_7_parts, {{"1c.7g.40gb", 7}}, 8)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace corolla::slice
