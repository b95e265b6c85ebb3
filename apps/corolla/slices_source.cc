#include "slices_source.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>

#include "fleet/config.h"
#include "fleet/control.h"
#include "slice/mig_parted.h"
#include "slice/mig_provider.h"
#include "slice/nvml_library.h"

namespace corolla::app {
namespace {

using slice::Gpu;
using slice::MigWishes;

constexpr size_t kLargestFile = 1 << 20;

Result<std::string> read_all(const std::string& file) {
  if (file == "-") {
    std::string text(std::istreambuf_iterator<char>(std::cin), {});
    return text;
  }
  std::error_code error;
  if (std::filesystem::is_directory(file, error))
    return Error{Code::kInvalidArgument, file + " is a folder; a layout is a YAML file"};
  std::ifstream in(file, std::ios::binary);
  if (!in)
    return Error{Code::kInvalidArgument, "cannot read " + file + ": " + std::strerror(errno)};
  std::string text;
  char part[4096];  // a file without an end, such as a device, is not read to it
  while (text.size() <= kLargestFile && (in.read(part, sizeof part) || in.gcount() > 0))
    text.append(part, static_cast<size_t>(in.gcount()));
  return text;
}

// The MIG slices of a fleet's file. GPUs that it does not name stay as they are.
Result<MigWishes> fleet_wishes(const std::string& text, const std::string& name,
                               const std::string& directory, const std::vector<Gpu>& gpus) {
  ASSIGN_OR_RETURN(const fleet::FleetConfig config, fleet::read_config(text, name, directory));
  MigWishes wishes;
  for (const fleet::SliceEntry& entry : config.slices) {
    if (entry.wish.kind != "mig") continue;
    if (entry.wish.device >= gpus.size())
      return Error{Code::kInvalidArgument,
                   name + ": slices of GPU " + std::to_string(entry.wish.device) +
                       " are wished, and this machine has " + std::to_string(gpus.size())};
    slice::MigWish& wish = wishes[entry.wish.device];
    for (const auto& [profile, count] : slice::carve_of(entry.wish)) wish.carve[profile] += count;
  }
  if (wishes.empty())
    return Error{Code::kInvalidArgument,
                 name +
                     " asks for no MIG slices; write for example 'slices: {profile: 1g.5gb, "
                     "count: 7}', or a mig-parted file"};
  return wishes;
}

// The names of this user's running fleets: their control sockets stand in the kernel's list.
std::set<std::string> fleet_names() {
  std::set<std::string> names;
  const std::string prefix = "@corolla/" + std::to_string(::geteuid()) + "/";
  std::ifstream list("/proc/net/unix");
  for (std::string line; std::getline(list, line);)
    if (const size_t at = line.find(prefix); at != std::string::npos)
      names.insert(line.substr(at + prefix.size()));
  return names;
}

slice::Walls walls_of(const std::string& name) {
  for (const slice::Walls walls : {slice::Walls::kHardware, slice::Walls::kCompute,
                                   slice::Walls::kShare, slice::Walls::kCores})
    if (name == slice::walls_name(walls)) return walls;
  return slice::Walls::kCores;
}

// Adds the slices on which the fleet's workers live to what the drivers told.
void add_fleet(const fleet::control::FleetStatus& status, Listing& listing) {
  for (const auto& worker : status.workers()) {
    std::vector<slice::Process> processes;
    if (worker.pid() > 0)
      processes.push_back(
          {static_cast<uint32_t>(worker.pid()), "worker " + std::to_string(worker.worker())});
    ListedGpu* gpu = nullptr;
    for (ListedGpu& one : listing.gpus) {
      for (ListedSlice& known : one.slices)
        if (known.slice.id == worker.slice()) {
          known.fleet = status.name();
          gpu = &one;
        }
      if (gpu) break;
    }
    if (gpu) continue;
    ListedSlice one;
    one.slice.id = worker.slice();
    one.slice.kind = worker.kind();
    one.slice.profile = worker.profile();
    one.slice.walls = walls_of(worker.walls());
    one.slice.cores = {worker.cores().begin(), worker.cores().end()};
    one.slice.sm_count = static_cast<int>(worker.sm_count());
    one.slice.memory_bytes = worker.memory_limit_bytes();
    one.fleet = status.name();
    one.processes = std::move(processes);
    if (!slice::on_gpu(worker.kind())) {
      listing.cores.push_back(std::move(one));
      continue;
    }
    // A GPU that only the fleet's own driver knows.
    while (listing.gpus.size() <= worker.device()) {
      ListedGpu unknown;
      unknown.gpu.index = static_cast<uint32_t>(listing.gpus.size());
      unknown.gpu.name = "not seen through NVML";
      listing.gpus.push_back(std::move(unknown));
    }
    listing.gpus[worker.device()].slices.push_back(std::move(one));
  }
}

}  // namespace

Result<std::vector<Gpu>> all_gpus(slice::Nvml& nvml) {
  ASSIGN_OR_RETURN(const uint32_t count, nvml.device_count());
  std::vector<Gpu> gpus;
  for (uint32_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(Gpu gpu, nvml.gpu(i));
    gpus.push_back(std::move(gpu));
  }
  return gpus;
}

Result<MigWishes> read_wishes(const std::string& file, const std::string& label,
                              const std::vector<Gpu>& gpus) {
  ASSIGN_OR_RETURN(const std::string text, read_all(file));
  const std::string name = file == "-" ? "standard input" : file;
  if (slice::looks_like_mig_parted(text)) {
    ASSIGN_OR_RETURN(const slice::MigPartedFile parsed, slice::read_mig_parted(text, name));
    return slice::wishes_of(parsed, label, gpus);
  }
  if (!label.empty())
    return Error{Code::kInvalidArgument,
                 name + " is no mig-parted file (it has no mig-configs), so -c means nothing"};
  std::error_code error;
  const std::string directory = file == "-"
                                    ? std::filesystem::current_path(error).string()
                                    : std::filesystem::absolute(file, error).parent_path().string();
  return fleet_wishes(text, name, directory, gpus);
}

Result<MigWishes> present_wishes(slice::Nvml& nvml, const std::vector<Gpu>& gpus) {
  MigWishes present;
  for (const Gpu& gpu : gpus) {
    slice::MigWish& wish = present[gpu.index];
    wish.mig = gpu.mig_on;
    ASSIGN_OR_RETURN(const std::vector<slice::MigDevice> devices, nvml.mig_devices(gpu.index));
    for (const slice::MigDevice& device : devices) ++wish.carve[device.profile];
  }
  return present;
}

Result<Listing> look_around() {
  Listing listing;
  if (auto nvml = slice::open_nvml(); !nvml) {
    listing.no_gpus = nvml.error().what;
  } else {
    listing.driver = (*nvml)->driver_version();
    ASSIGN_OR_RETURN(const std::vector<Gpu> gpus, all_gpus(**nvml));
    for (const Gpu& gpu : gpus) {
      ListedGpu one{gpu, {}, {}};
      ASSIGN_OR_RETURN(const std::vector<slice::MigDevice> devices,
                       (*nvml)->mig_devices(gpu.index));
      for (const slice::MigDevice& device : devices)
        one.slices.push_back({slice::slice_of(device), "", device.processes});
      if (!gpu.mig_on) {
        ASSIGN_OR_RETURN(one.processes, (*nvml)->processes(gpu.index));
      }
      listing.gpus.push_back(std::move(one));
    }
  }
  ASSIGN_OR_RETURN(listing.cpu, slice::read_topology());
  for (const std::string& name : fleet_names()) {
    auto client = fleet::ControlClient::connect(name);
    if (!client) continue;  // it has just ended
    fleet::control::Request request;
    request.mutable_status();
    if (!client->ask(request)) continue;
    auto answer = client->next(std::chrono::seconds(2));
    if (answer && answer->has_status()) add_fleet(answer->status(), listing);
  }
  return listing;
}

}  // namespace corolla::app
