#include "slice/worker_cgroups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace corolla::slice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A folder that looks like /sys/fs/cgroup to a process in the group /svc. The kernel's own answers
// to what is written there are not played.
class WorkerCgroupsTest : public ::testing::Test {
 protected:
  WorkerCgroupsTest() {
    char name[] = "/tmp/corolla_cgroups_XXXXXX";
    root = ::mkdtemp(name);
    write("/proc/self/cgroup", "9:cpu:/old\n0::/svc\n");
    write(own + "/cgroup.controllers", "cpuset cpu io memory pids\n");
    write(own + "/cgroup.type", "domain\n");
    write(own + "/cgroup.procs", std::to_string(::getpid()) + "\n");
  }
  ~WorkerCgroupsTest() override { std::filesystem::remove_all(root); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root + path).parent_path());
    std::ofstream(root + path) << text;
  }
  std::string read(const std::string& path) {
    std::ifstream file(root + path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  std::string refusal() {
    const auto groups = WorkerCgroups::open("rose", root);
    return groups.ok() ? "(accepted)" : groups.error().what;
  }

  std::string root;
  const std::string own = "/sys/fs/cgroup/svc";
};

Slice two_cores() {
  Slice slice;
  slice.kind = "cores";
  slice.cores = {2, 3};
  slice.memory_bytes = 4ull << 30;
  return slice;
}

TEST_F(WorkerCgroupsTest, AWorkerIsHeldToItsCpusTimeAndMemory) {
  auto groups = WorkerCgroups::open("rose", root);
  ASSERT_TRUE(groups.ok()) << groups.error().what;
  EXPECT_EQ(read(own + "/corolla-keeper/cgroup.procs"), std::to_string(::getpid()));
  EXPECT_EQ(read(own + "/cgroup.subtree_control"), "+cpuset +cpu +memory");
  ASSERT_TRUE(groups->place(7, two_cores(), 4321).ok());
  const std::string group = own + "/corolla-rose/worker-7";
  EXPECT_EQ(read(group + "/cpuset.cpus"), "2-3");
  EXPECT_EQ(read(group + "/cpu.max"), "200000 100000");
  EXPECT_EQ(read(group + "/memory.max"), std::to_string(4ull << 30));
  EXPECT_EQ(read(group + "/cgroup.procs"), "4321");
  const auto held = groups->held(7);
  ASSERT_TRUE(held.ok());
  EXPECT_THAT(held->cpus, ElementsAre(2, 3));
  EXPECT_EQ(held->memory_bytes, 4ull << 30);
  EXPECT_FALSE(groups->held(8).ok());
}

TEST_F(WorkerCgroupsTest, WhatTheKernelSaysCounts) {
  auto groups = WorkerCgroups::open("rose", root);
  ASSERT_TRUE(groups.ok());
  ASSERT_TRUE(groups->place(1, two_cores(), 1).ok());
  write(own + "/corolla-rose/worker-1/cpuset.cpus.effective", "2\n");
  write(own + "/corolla-rose/worker-1/memory.max", "max\n");
  EXPECT_EQ(*groups->held(1), (WorkerCgroups::Held{{2}, 0}));
}

TEST_F(WorkerCgroupsTest, SaysWhyThereAreNone) {
  EXPECT_EQ(refusal(), "(accepted)");
  write(own + "/cgroup.procs", std::to_string(::getpid()) + "\n1\n");
  EXPECT_THAT(refusal(), HasSubstr("process 1 is in"));
  write(own + "/cgroup.controllers", "cpu memory\n");
  EXPECT_THAT(refusal(), HasSubstr("the controller cpuset was not given to"));
  write("/proc/self/cgroup", "9:cpu:/old\n");
  EXPECT_THAT(refusal(), HasSubstr("no control groups of version 2"));
}

TEST_F(WorkerCgroupsTest, AGroupThatCannotBeMadeIsAnError) {
  auto groups = WorkerCgroups::open("rose", root);
  ASSERT_TRUE(groups.ok());
  std::filesystem::remove_all(root + own + "/corolla-rose");
  const Status placed = groups->place(1, two_cores(), 1);
  ASSERT_FALSE(placed.ok());
  EXPECT_THAT(placed.error().what, HasSubstr("worker-1: No such file or directory"));
}

TEST_F(WorkerCgroupsTest, NothingIsDelegatedByChance) {
  EXPECT_FALSE(WorkerCgroups::delegated(root));
}

}  // namespace
}  // namespace corolla::slice
