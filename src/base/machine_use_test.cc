#include "base/machine_use.h"

#include <gtest/gtest.h>

#include <ctime>
#include <vector>

#include "base/time.h"

namespace corolla {
namespace {

TEST(MachineUse, SeesThisProcess) {
  const ProcessUse before = process_use();
  EXPECT_GT(before.resident_bytes, 1u << 20);
  EXPECT_GE(before.virtual_bytes, before.resident_bytes);
  EXPECT_GE(before.threads, 1u);
  EXPECT_GE(before.open_descriptors, 3u);
  EXPECT_NEAR(before.started_seconds, static_cast<double>(time(nullptr)), 3600);

  const std::vector<char> touched(64 << 20, 'x');
  volatile double sink = 0;
  for (const clock_t end = clock() + CLOCKS_PER_SEC / 20; clock() < end;) sink = sink + 1;
  const ProcessUse after = process_use();
  EXPECT_GT(after.resident_bytes, before.resident_bytes + (48u << 20)) << touched[5];
  EXPECT_GT(after.cpu_seconds, before.cpu_seconds);
}

TEST(MachineUse, SeesTheMachine) {
  const MemoryUse memory = machine_memory();
  EXPECT_GT(memory.total_bytes, 64u << 20);
  EXPECT_GT(memory.used_bytes, 0u);
  EXPECT_LE(memory.used_bytes, memory.total_bytes);
}

TEST(MachineUse, TheCpuMeterSeesWork) {
  CpuMeter meter;
  volatile double sink = 0;
  for (const TimePoint end = now() + std::chrono::milliseconds(400); now() < end;) sink = sink + 1;
  const double busy = meter.utilization();
  EXPECT_GT(busy, 0);
  EXPECT_LE(busy, 1);
  // Too soon to measure anew, unless this thread has to wait between two calls; not each time.
  bool same = false;
  for (int i = 0; i < 100 && !same; ++i) same = meter.utilization() == meter.utilization();
  EXPECT_TRUE(same);
}

}  // namespace
}  // namespace corolla
