#include "slice/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace corolla::slice {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A folder that looks like a machine; gone with the test.
class FakeMachine {
 public:
  FakeMachine() {
    char name[] = "/tmp/corolla_topology_XXXXXX";
    root_ = ::mkdtemp(name);
  }
  ~FakeMachine() { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = root_ + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text << "\n";
  }
  void cpu(uint32_t cpu, const std::string& siblings, uint32_t package) {
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    write(folder + "thread_siblings_list", siblings);
    write(folder + "physical_package_id", std::to_string(package));
  }
  const std::string& root() const { return root_; }

 private:
  std::string root_;
};

TEST(Topology, ReadsCoresThreadsAndNodes) {
  FakeMachine machine;
  for (uint32_t i = 0; i < 4; ++i) {
    machine.cpu(i, std::to_string(i) + "," + std::to_string(i + 4), i / 2);
    machine.cpu(i + 4, std::to_string(i) + "," + std::to_string(i + 4), i / 2);
  }
  machine.write("/sys/devices/system/node/node0/cpulist", "0-1,4-5");
  machine.write("/sys/devices/system/node/node1/cpulist", "2-3,6-7");
  const auto topology = read_topology(machine.root(), {0, 1, 2, 3, 4, 5, 6, 7});
  ASSERT_TRUE(topology.ok());
  ASSERT_EQ(topology->cores.size(), 4u);
  EXPECT_THAT(topology->cores[0].threads, ElementsAre(0, 4));
  EXPECT_EQ(topology->cores[0].node, 0u);
  EXPECT_THAT(topology->cores[3].threads, ElementsAre(3, 7));
  EXPECT_EQ(topology->cores[3].node, 1u);
  EXPECT_EQ(topology->cores[3].package, 1u);
  EXPECT_EQ(topology->usable(), 8u);
}

TEST(Topology, RespectsTheAffinityMaskEvenWhenItHasOnlySecondThreads) {
  FakeMachine machine;
  for (uint32_t i : {0u, 1u, 2u, 3u}) machine.cpu(i, i % 2 ? "1,3" : "0,2", 0);
  const auto topology = read_topology(machine.root(), {2, 3});
  ASSERT_EQ(topology->cores.size(), 2u);
  EXPECT_THAT(topology->cores[0].threads, ElementsAre(2));
  EXPECT_THAT(topology->cores[1].threads, ElementsAre(3));
}

TEST(Topology, FindsTheTightestQuotaOnTheWayToTheRoot) {
  FakeMachine machine;
  machine.write("/proc/self/cgroup", "0::/kubepods/pod1");
  machine.write("/sys/fs/cgroup/kubepods/pod1/cpu.max", "max 100000");
  machine.write("/sys/fs/cgroup/kubepods/cpu.max", "250000 100000");
  const auto topology = read_topology(machine.root(), {0, 1, 2, 3});
  EXPECT_DOUBLE_EQ(topology->quota, 2.5);
  EXPECT_EQ(topology->usable(), 2u);
}

TEST(Topology, AMachineThatSaysNothingHasOneCoreForEachCpu) {
  FakeMachine machine;
  const auto topology = read_topology(machine.root(), {0, 1, 5});
  EXPECT_EQ(topology->cores.size(), 3u);
  EXPECT_EQ(topology->quota, 0);
  EXPECT_FALSE(read_topology(machine.root(), {}).ok());
}

TEST(Topology, ThisMachineHasAtLeastOneCore) {
  const auto topology = read_topology();
  ASSERT_TRUE(topology.ok());
  EXPECT_GE(topology->cores.size(), 1u);
}

TEST(CpuList, ReadsAndWritesTheKernelsNotation) {
  EXPECT_THAT(parse_cpu_list("0-2,8\n"), ElementsAre(0, 1, 2, 8));
  EXPECT_EQ(cpu_list_text({0, 1, 2, 8}), "0-2,8");
  EXPECT_THAT(parse_cpu_list(""), IsEmpty());
  for (const char* bad : {"x", "3-1", "1-", "1,,2", "0-4294967295", "-1"})
    EXPECT_THAT(parse_cpu_list(bad), IsEmpty()) << bad;
}

}  // namespace
}  // namespace corolla::slice
