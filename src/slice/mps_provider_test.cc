#include "slice/mps_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "slice/testing_paths.h"

namespace corolla::slice {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

template <class Condition>
bool eventually(Condition condition) {
  for (const TimePoint until = now() + seconds(20); now() < until;) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return false;
}

bool lives(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  return std::getline(file, line) && line.find(") Z ") == std::string::npos;
}

class MpsProviderTest : public ::testing::Test {
 protected:
  MpsProviderTest() {
    char name[] = "/tmp/corolla_mps_XXXXXX";
    folder = ::mkdtemp(name);
    ::setenv("COROLLA_FAKE_CUDA", "H100", 1);
    ::unsetenv("FAKE_MPS_FAIL");
  }
  ~MpsProviderTest() override { std::filesystem::remove_all(folder); }

  MpsSetup setup() const { return {folder, kFakeMpsControl, kFakeCuda}; }
  // As the driver's library does it in a process that uses CUDA.
  void be_client(pid_t pid) {
    std::ofstream(folder + "/mps0/pipe/clients/" + std::to_string(pid)).put('\n');
  }
  std::string commands() const {
    std::ifstream file(folder + "/mps0/log/commands");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string folder;
};

TEST_F(MpsProviderTest, EachWorkerIsToldItsShare) {
  MpsProvider provider(0, setup());
  ASSERT_TRUE(provider.apply({{"mps:50@20GiB", 1}, {"mps:25", 2}}).ok());
  const auto slices = *provider.observe();
  ASSERT_THAT(slices, SizeIs(3));
  std::map<std::string, int> shares;
  for (const Slice& slice : slices) {
    ++shares[slice.worker_env.at("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE")];
    EXPECT_EQ(slice.worker_env.at("CUDA_VISIBLE_DEVICES"),
              "GPU-f0dfcebd-ac9b-8a79-6857-4635241302f1");
    EXPECT_EQ(slice.worker_env.at("CUDA_MPS_PIPE_DIRECTORY"), folder + "/mps0/pipe");
    EXPECT_EQ(slice.worker_env.at("CUDA_MPS_LOG_DIRECTORY"), folder + "/mps0/log");
    EXPECT_EQ(slice.worker_env.contains("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"),
              slice.profile == "mps:50@20GiB");
    if (slice.profile == "mps:50@20GiB") {
      EXPECT_EQ(slice.worker_env.at("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"), "0=20480M");
      EXPECT_EQ(slice.memory_bytes, 20ull << 30);
    }
    EXPECT_EQ(slice.walls, Walls::kShare);
    EXPECT_EQ(slice.sm_count, 0) << "as the driver reports it, never as it was asked for";
  }
  EXPECT_EQ(shares, (std::map<std::string, int>{{"25", 2}, {"50", 1}}));
}

TEST_F(MpsProviderTest, TheDaemonRunsWhileThereAreSlices) {
  MpsProvider provider(0, setup());
  EXPECT_TRUE(provider.check({{"mps:50", 2}}).ok());
  EXPECT_EQ(provider.daemon(), nullptr);
  ASSERT_TRUE(provider.apply({{"mps:50", 2}}).ok());
  const pid_t daemon = provider.daemon()->pid();
  EXPECT_TRUE(lives(daemon));
  ASSERT_TRUE(provider.apply({{"mps:50", 1}}).ok());
  EXPECT_EQ(provider.daemon()->pid(), daemon);
  ASSERT_TRUE(provider.apply({}).ok());
  EXPECT_FALSE(lives(daemon));
  EXPECT_THAT(commands(), HasSubstr("quit"));
}

TEST_F(MpsProviderTest, TheDaemonEndsWithItsProviderAlsoWhenItIsDeaf) {
  ::setenv("FAKE_MPS_FAIL", "quit", 1);
  pid_t daemon = 0, server = 0;
  {
    MpsProvider provider(0, setup());
    ASSERT_TRUE(provider.apply({{"mps:50", 1}}).ok());
    daemon = provider.daemon()->pid();
    be_client(::getpid());
    ASSERT_TRUE(eventually([&] { return provider.daemon()->servers().size() == 1; }));
    server = provider.daemon()->servers()[0];
  }
  EXPECT_FALSE(lives(daemon));
  EXPECT_TRUE(eventually([&] { return !lives(server); }));
}

// The keeper may be killed: whoever comes next must find no orphan.
TEST_F(MpsProviderTest, TheDaemonEndsWhenItsKeeperIsKilled) {
  for (const char* fail : {"", "quit"}) {
    ::setenv("FAKE_MPS_FAIL", fail, 1);
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t keeper = ::fork();
    if (keeper == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      MpsProvider provider(0, setup());
      (void)provider.apply({{"mps:50", 1}});
      const pid_t daemon = provider.daemon() ? provider.daemon()->pid() : -1;
      (void)!::write(ends[1], &daemon, sizeof daemon);
      ::pause();
      ::_exit(0);
    }
    pid_t daemon = 0;
    ASSERT_EQ(::read(ends[0], &daemon, sizeof daemon), static_cast<ssize_t>(sizeof daemon));
    ::close(ends[0]);
    ::close(ends[1]);
    ASSERT_TRUE(lives(daemon));
    ::kill(keeper, SIGKILL);
    ::waitpid(keeper, nullptr, 0);
    EXPECT_TRUE(eventually([&] { return !lives(daemon); })) << "FAKE_MPS_FAIL=" << fail;
  }
}

TEST_F(MpsProviderTest, ADaemonThatWasLeftBehindIsReplaced) {
  const pid_t keeper = ::fork();
  if (keeper == 0) {
    MpsDaemonSetup left{kFakeMpsControl, folder + "/mps0", "GPU-x"};
    auto daemon = MpsDaemon::start(left);
    // Without its guard, as if that had been killed too.
    std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    for (pid_t child = 0; children >> child;) ::kill(child, SIGKILL);
    ::_exit(daemon.ok() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(keeper, &status, 0);
  ASSERT_EQ(status, 0);
  std::ifstream file(folder + "/mps0/pipe/nvidia-cuda-mps-control.pid");
  pid_t old = 0;
  ASSERT_TRUE(file >> old);
  ASSERT_TRUE(lives(old));
  MpsProvider provider(0, setup());
  ASSERT_TRUE(provider.apply({{"mps:50", 1}}).ok());
  EXPECT_FALSE(lives(old));
  EXPECT_TRUE(lives(provider.daemon()->pid()));
}

TEST_F(MpsProviderTest, AServerThatDiesIsNoticedOnce) {
  MpsProvider provider(0, setup());
  ASSERT_TRUE(provider.apply({{"mps:50", 2}}).ok());
  be_client(::getpid());
  ASSERT_TRUE(eventually([&] { return !provider.daemon()->servers().empty(); }));
  EXPECT_THAT(provider.faults(), IsEmpty());
  const pid_t server = provider.daemon()->servers()[0];
  ::kill(server, SIGKILL);
  std::vector<SliceFault> faults;
  ASSERT_TRUE(eventually([&] { return !(faults = provider.faults()).empty(); }));
  ASSERT_THAT(faults, SizeIs(2));
  EXPECT_EQ(faults[0].slice, "mps:0.0");
  EXPECT_EQ(faults[1].slice, "mps:0.1");
  EXPECT_EQ(faults[0].reason, "the MPS server " + std::to_string(server) + " has died");
  ASSERT_TRUE(eventually([&] { return !provider.daemon()->servers().empty(); }));
  EXPECT_THAT(provider.faults(), IsEmpty());
}

TEST_F(MpsProviderTest, AFaultInTheServersLogIsNoticed) {
  MpsProvider provider(0, setup());
  ASSERT_TRUE(provider.apply({{"mps:50", 1}}).ok());
  std::ofstream log(folder + "/mps0/log/server.log", std::ios::app);
  log << "Volta MPS: status of client {1, 1} is ACTIVE" << std::endl;
  EXPECT_THAT(provider.faults(), IsEmpty());
  log << "Volta MPS: Server is handling a fatal GPU error." << std::endl;
  const auto faults = provider.faults();
  ASSERT_THAT(faults, SizeIs(1));
  EXPECT_THAT(faults[0].reason, HasSubstr("reports: Volta MPS: Server is handling a fatal"));
  EXPECT_THAT(provider.faults(), IsEmpty());
}

TEST_F(MpsProviderTest, ADaemonThatDiesIsStartedAgain) {
  MpsProvider provider(0, setup());
  ASSERT_TRUE(provider.apply({{"mps:50", 1}}).ok());
  const auto before = *provider.observe();
  const pid_t daemon = provider.daemon()->pid();
  ::kill(daemon, SIGKILL);
  std::vector<SliceFault> faults;
  ASSERT_TRUE(eventually([&] { return !(faults = provider.faults()).empty(); }));
  EXPECT_EQ(faults[0].reason, "the MPS control daemon has died");
  ASSERT_NE(provider.daemon(), nullptr);
  EXPECT_NE(provider.daemon()->pid(), daemon);
  EXPECT_TRUE(lives(provider.daemon()->pid()));
  EXPECT_EQ(*provider.observe(), before);
  EXPECT_THAT(provider.faults(), IsEmpty());
}

TEST_F(MpsProviderTest, AClientIsTerminatedBeforeItIsKilled) {
  MpsProvider provider(0, setup());
  ASSERT_TRUE(provider.apply({{"mps:50", 1}}).ok());
  be_client(::getpid());
  ASSERT_TRUE(eventually([&] { return !provider.daemon()->servers().empty(); }));
  const auto slices = *provider.observe();
  provider.before_kill(slices[0], ::getpid());
  EXPECT_THAT(commands(),
              HasSubstr("terminate_client " + std::to_string(provider.daemon()->servers()[0]) +
                        " " + std::to_string(::getpid())));
}

TEST_F(MpsProviderTest, ANewShareNeverTakesTheNumberOfOneThatGoes) {
  MpsProvider provider(0, setup());
  ASSERT_TRUE(provider.apply({{"mps:50", 2}}).ok());
  ASSERT_TRUE(provider.apply({{"mps:50", 1}, {"mps:25", 2}}).ok());
  std::vector<std::string> ids;
  const auto slices = *provider.observe();
  for (const Slice& slice : slices) ids.push_back(slice.id);
  EXPECT_THAT(ids, ElementsAre("mps:0.0", "mps:0.2", "mps:0.3"));
}

TEST_F(MpsProviderTest, WhatIsMissingIsNamedAndNothingIsStarted) {
  MpsSetup no_driver = setup();
  no_driver.cuda_library = "libcorolla-nowhere.so.1";
  EXPECT_THAT(MpsProvider(0, no_driver).check({{"mps:50", 1}}).error().what,
              HasSubstr("there is no CUDA driver"));
  MpsSetup no_control = setup();
  no_control.control = "corolla-no-such-program";
  EXPECT_EQ(MpsProvider(0, no_control).check({{"mps:50", 1}}).error().what,
            "the program corolla-no-such-program is not on PATH; MPS slices need it, and it comes "
            "with NVIDIA's driver");
  EXPECT_EQ(MpsProvider(1, setup()).check({{"mps:50", 1}}).error().code, Code::kNotFound);
  EXPECT_THAT(MpsProvider(0, setup()).check({{"mps:50@100GiB", 1}}).error().what,
              HasSubstr("mps:50@100GiB: GPU 0 has 81007 MiB of memory"));
  ::setenv("COROLLA_FAKE_CUDA", "P100", 1);
  EXPECT_THAT(MpsProvider(0, setup()).check({{"mps:50", 1}}).error().what,
              HasSubstr("has compute capability 6.0; shares of SMs need 7.0 or later"));
  EXPECT_FALSE(std::filesystem::exists(folder + "/mps0"));
}

TEST_F(MpsProviderTest, ADaemonThatDoesNotStartSaysWhy) {
  ::setenv("FAKE_MPS_FAIL", "start", 1);
  MpsProvider provider(0, setup());
  const Status applied = provider.apply({{"mps:50", 1}});
  ASSERT_FALSE(applied.ok());
  EXPECT_THAT(applied.error().what, HasSubstr("the driver is in an error state"));
  const auto slices = provider.observe();
  EXPECT_THAT(*slices, IsEmpty());
}

TEST_F(MpsProviderTest, AFolderThatIsTooDeepOrNotOursIsRefused) {
  MpsSetup deep = setup();
  deep.runtime_dir += "/" + std::string(80, 'd');
  MpsProvider provider(0, deep);
  EXPECT_THAT(provider.apply({{"mps:50", 1}}).error().what, HasSubstr("too long a name"));
  if (::geteuid() != 0) return;  // only root can lay a folder for somebody else
  std::filesystem::create_directories(folder + "/mps0");
  ASSERT_EQ(::chown((folder + "/mps0").c_str(), 65534, 65534), 0);
  MpsProvider foreign(0, setup());
  EXPECT_THAT(foreign.apply({{"mps:50", 1}}).error().what, HasSubstr("is not a folder of this"));
}

}  // namespace
}  // namespace corolla::slice
