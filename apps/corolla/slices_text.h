// What `corolla slices` prints, for people and as JSON. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "slice/mig_control.h"
#include "slice/nvml.h"
#include "slice/slice_provider.h"
#include "slice/topology.h"

namespace corolla::app {

// A slice of any kind, and who runs on it.
struct ListedSlice {
  slice::Slice slice;
  std::string fleet;  // whose it is; empty: nobody's that is known
  std::vector<slice::Process> processes;
};

struct ListedGpu {
  slice::Gpu gpu;
  std::vector<slice::Process> processes;  // on the whole of it
  std::vector<ListedSlice> slices;        // MIG devices, MPS shares, green contexts
};

struct Listing {
  std::string no_gpus;  // why none are listed; empty: they are
  std::string driver;
  std::vector<ListedGpu> gpus;
  slice::Topology cpu;
  std::vector<ListedSlice> cores;
};

std::string listing_text(const Listing& listing);
std::string listing_json(const Listing& listing);

struct GpuProfiles {
  slice::Gpu gpu;
  slice::ProfileTable table;
  std::vector<std::optional<uint32_t>> room;  // as table.profiles; nothing: root alone is told
};
std::string profiles_text(const std::vector<GpuProfiles>& gpus);
std::string profiles_json(const std::vector<GpuProfiles>& gpus);

// `done`: the plan was carried out.
std::string plans_text(const std::vector<slice::MigPlan>& plans, bool done);
std::string plans_json(const std::vector<slice::MigPlan>& plans, bool done);

// mig-parted's form as JSON.
std::string mig_parted_json(const std::string& label, const slice::MigWishes& present);

}  // namespace corolla::app
