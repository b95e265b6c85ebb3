#include "slice/cuda_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "slice/child_probe.h"
#include "slice/testing_paths.h"

namespace corolla::slice {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

void devices(const char* list) { ::setenv("COROLLA_FAKE_CUDA", list, 1); }

TEST(CudaDriver, TellsTheFactsOfEachDevice) {
  devices("A100-40GB,H100");
  const auto first = read_gpu_facts(kFakeCuda, 0), second = read_gpu_facts(kFakeCuda, 1);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->name, "NVIDIA A100-SXM4-40GB");
  EXPECT_EQ(first->sm_count, 108u);
  EXPECT_EQ(second->sm_count, 132u);
  EXPECT_EQ(second->major, 9u);
  EXPECT_GT(second->memory_bytes, 70ull << 30);
  EXPECT_EQ(first->uuid, "GPU-f0dfcebd-ac9b-8a79-6857-4635241302f1");
  EXPECT_NE(first->uuid, second->uuid);
}

TEST(CudaDriver, MissingThingsAreNamed) {
  devices("H100");
  EXPECT_EQ(read_gpu_facts(kFakeCuda, 3).error(),
            (Error{Code::kNotFound, "there is no GPU 3: the driver shows 1"}));
  devices("none");
  EXPECT_THAT(read_gpu_facts(kFakeCuda, 0).error().what,
              HasSubstr("CUDA_ERROR_NO_DEVICE (100) to cuInit"));
  const Error no_driver = read_gpu_facts("libcorolla-nowhere.so.1", 0).error();
  EXPECT_EQ(no_driver.code, Code::kUnavailable);
  EXPECT_THAT(no_driver.what, AllOf(HasSubstr("there is no CUDA driver: libcorolla-nowhere.so.1"),
                                    HasSubstr("need NVIDIA's driver")));
  // A library, but of another kind.
  EXPECT_THAT(read_gpu_facts("libm.so.6", 0).error().what,
              HasSubstr("the CUDA driver is too old: libm.so.6 has no cuInit"));
}

TEST(CudaDriver, SplitsAsTheHardwareAllows) {
  devices("A100-80GB,H100,T4");
  const auto split = [](uint32_t device, std::vector<uint32_t> sizes) {
    auto given = split_sms(kFakeCuda, device, sizes);
    EXPECT_TRUE(given.ok()) << given.error().what;
    return given.ok() ? *given : std::vector<uint32_t>();
  };
  // 132 SMs are 15 groups of 8 and 12 more, which the last one takes, too.
  EXPECT_THAT(split(1, {16, 16, 100}), ElementsAre(16, 16, 100));
  EXPECT_THAT(split(1, {100, 16, 16}), ElementsAre(100, 16, 16));
  EXPECT_THAT(split(1, {1, 9}), ElementsAre(8, 16));
  EXPECT_THAT(split(1, std::vector<uint32_t>(7, 16)), ElementsAre(16, 16, 16, 16, 16, 16, 16));
  EXPECT_THAT(split(0, {13, 14}), ElementsAre(16, 16));
  EXPECT_THAT(split(2, {3, 1}), ElementsAre(4, 2));
}

TEST(CudaDriver, WhatDoesNotFitIsSaidWithTheNumbers) {
  devices("H100");
  const Error error = split_sms(kFakeCuda, 0, {17, 110}).error();
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_EQ(error.what,
            "green contexts of 17, 110 SMs do not fit: GPU 0 has 132, in groups of 8, of which the "
            "smaller ones take 24, and 108 are left for one of 110");
  EXPECT_THAT(split_sms(kFakeCuda, 0, {200}).error().what,
              HasSubstr("GPU 0 has 132, in groups of 8, and 132 are left for one of 200"));
}

TEST(ChildProbe, BringsBackValuesErrorsAndDeaths) {
  using std::chrono::milliseconds, std::chrono::seconds;
  const std::string large(1 << 20, 'x');
  EXPECT_EQ(*ask_in_child([&] { return Result<std::string>(large); }, seconds(10)), large);
  EXPECT_EQ(*ask_in_child([] { return Result<std::string>(std::string()); }, seconds(10)), "");
  const Error no{Code::kNotFound, "there is none"};
  EXPECT_EQ(ask_in_child([&] { return Result<std::string>(no); }, seconds(10)).error(), no);
  const auto dies = [] {
    ::raise(SIGKILL);
    return Result<std::string>(std::string());
  };
  EXPECT_THAT(ask_in_child(dies, seconds(10)).error().what, HasSubstr("died of SIGKILL"));
  const auto hangs = [] {
    std::this_thread::sleep_for(seconds(100));
    return Result<std::string>(std::string());
  };
  EXPECT_THAT(ask_in_child(hangs, milliseconds(20)).error().what, HasSubstr("no answer within"));
}

}  // namespace
}  // namespace corolla::slice
