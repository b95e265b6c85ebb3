#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "slice/cores_provider.h"
#include "slice/green_provider.h"
#include "slice/mig_provider.h"
#include "slice/mps_provider.h"
#include "slice/slice_provider_contract.h"
#include "slice/testing/fake_gpus.h"
#include "slice/testing_paths.h"

namespace corolla::slice {
namespace {

using Made = Result<std::unique_ptr<SliceProvider>>;

std::string runtime_dir() { return "/tmp/corolla-contract-" + std::to_string(::getpid()); }

Topology four_cores() {
  Topology topology;
  for (uint32_t i = 0; i < 4; ++i) topology.cores.push_back({{i, i + 4}, 0, 0});
  return topology;
}

Made fake_mps() {
  ::setenv("COROLLA_FAKE_CUDA", "A100-80GB,H100", 1);
  return Made(
      std::make_unique<MpsProvider>(1, MpsSetup{runtime_dir(), kFakeMpsControl, kFakeCuda}));
}
Made fake_green() {
  ::setenv("COROLLA_FAKE_CUDA", "A100-80GB,H100", 1);
  return Made(std::make_unique<GreenProvider>(1, kFakeCuda));
}

Made fake_mig() {
  static std::unique_ptr<FakeGpus> gpus;
  gpus.reset();
  gpus = std::make_unique<FakeGpus>("t4,a100-40gb");
  return Made(std::make_unique<MigProvider>(gpus->open(), 1, gpus->folder()));
}

// The real thing, where all that it needs is there.
Made real_mps() {
  MpsSetup setup;
  setup.runtime_dir = runtime_dir();
  auto provider = std::make_unique<MpsProvider>(0, std::move(setup));
  RETURN_IF_ERROR(provider->check({{"mps:50", 1}}));
  return Made(std::move(provider));
}
Made real_green() {
  auto provider = std::make_unique<GreenProvider>(0);
  RETURN_IF_ERROR(provider->check({{"sm:16", 1}}));
  return Made(std::move(provider));
}

// Removes whatever MIG slices the GPU has, so it must be named: COROLLA_TEST_MIG_GPU=0.
ContractCase real_mig() {
  const char* chosen = std::getenv("COROLLA_TEST_MIG_GPU");
  ContractCase mig{"mig",
                   [] {
                     return Made(Error{Code::kUnavailable, "COROLLA_TEST_MIG_GPU names no GPU"});
                   },
                   {},
                   {},
                   {}};
  if (!chosen) return mig;
  const uint32_t device = static_cast<uint32_t>(std::atoi(chosen));
  mig.make = [device]() -> Made {
    ASSIGN_OR_RETURN(auto providers, make_mig_providers({device}));
    RETURN_IF_ERROR(providers.front()->apply({}));
    return Made(std::move(providers.front()));
  };
  const auto nvml = open_nvml();
  const auto table = nvml.ok() ? (*nvml)->profiles(device) : Result<ProfileTable>(nvml.error());
  if (!table.ok()) return mig;
  for (const MigProfile& profile : table->profiles) {
    if (profile.slices == 1 && profile.instances == 7)
      mig.few[profile.name] = mig.more[profile.name] = 2;
    if (profile.slices == 3) mig.more[profile.name] = 1;
    if (profile.slices == 7) mig.impossible[profile.name] = 2;
  }
  return mig;
}

const Carve kShares = {{"mps:25", 2}, {"mps:50@1GiB", 1}};
const Carve kMoreShares = {{"mps:25", 3}, {"mps:50@1GiB", 1}, {"mps:10", 1}};
const Carve kHuge = {{"mps:50@1000GiB", 1}};
const Carve kSplit = {{"sm:16+16", 1}};
const Carve kMoreSplits = {{"sm:16+16", 1}, {"sm:8+8", 2}};
const Carve kTooMany = {{"sm:100+100", 1}};

INSTANTIATE_TEST_SUITE_P(
    Fake, SliceProviderContract,
    ::testing::Values(ContractCase{"cores",
                                   [] {
                                     return Made(std::make_unique<CoresProvider>(four_cores()));
                                   },
                                   {{"cores:1", 2}},
                                   {{"cores:1", 2}, {"cores:2", 1}},
                                   {{"cores:5", 1}}},
                      ContractCase{"mps", fake_mps, kShares, kMoreShares, kHuge},
                      ContractCase{"green", fake_green, kSplit, kMoreSplits, kTooMany},
                      ContractCase{"mig",
                                   fake_mig,
                                   {{"1g.5gb", 2}},
                                   {{"1g.5gb", 2}, {"1c.3g.20gb", 2}},
                                   {{"7g.40gb", 2}}}),
    [](const auto& info) { return info.param.name; });

// Under the CTest labels mig, mps and green.
INSTANTIATE_TEST_SUITE_P(
    Real, SliceProviderContract,
    ::testing::Values(ContractCase{"mps", real_mps, kShares, kMoreShares, kHuge},
                      ContractCase{"green", real_green, kSplit, kMoreSplits, kTooMany}, real_mig()),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace corolla::slice
