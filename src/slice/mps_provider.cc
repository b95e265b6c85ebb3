#include "slice/mps_provider.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/log.h"
#include "slice/program.h"

namespace corolla::slice {
namespace {

constexpr auto kTerminateLimit = std::chrono::seconds(3);
constexpr auto kDaemonAgain = std::chrono::seconds(5);
constexpr uint32_t kFirstWithShares = 7;  // compute capability: shares came with Volta

// The driver reads whole mebibytes as "M".
std::string limit_text(uint64_t bytes) { return "0=" + std::to_string(bytes >> 20) + "M"; }

bool tells_of_fault(const std::string& line) {
  return line.find("FAULT") != std::string::npos || line.find("fatal") != std::string::npos;
}

}  // namespace

Result<std::vector<SizedProfile>> MpsProvider::profiles_of_carve(const Carve& want) const {
  std::vector<SizedProfile> all;
  for (const auto& [name, count] : want) {
    auto profile = parse_profile(name);
    if (!profile.ok() || profile->kind != "mps" || profile->sizes[0] > 100)
      return Error{Code::kInvalidArgument,
                   "'" + name + "' is no share of a GPU; write mps:N with N from 1 to 100 percent"};
    if (count < 0)
      return Error{Code::kInvalidArgument, std::to_string(count) + " slices of " + name};
    if (profile->memory_bytes > 0 && profile->memory_bytes < 1 << 20)
      return Error{Code::kInvalidArgument, name + ": MPS limits memory in whole MiB"};
    all.insert(all.end(), static_cast<size_t>(count), *profile);
  }
  return all;
}

Status MpsProvider::check(const Carve& want) {
  ASSIGN_OR_RETURN(const std::vector<SizedProfile> wanted, profiles_of_carve(want));
  if (wanted.empty()) return ok();
  const std::string gpu = "GPU " + std::to_string(device_);
  if (!facts_) {
    ASSIGN_OR_RETURN(facts_, read_gpu_facts(setup_.cuda_library, device_));
  }
  auto program = find_program(setup_.control);
  if (!program.ok())
    return Error{Code::kUnavailable,
                 program.error().what + "; MPS slices need it, and it comes with NVIDIA's driver"};
  program_ = *std::move(program);
  if (facts_->major < kFirstWithShares)
    return Error{Code::kInvalidArgument, gpu + " (" + facts_->name + ") has compute capability " +
                                             std::to_string(facts_->major) + "." +
                                             std::to_string(facts_->minor) +
                                             "; shares of SMs need 7.0 or later"};
  for (const SizedProfile& profile : wanted)
    if (profile.memory_bytes > facts_->memory_bytes)
      return Error{Code::kInvalidArgument, profile_text(profile) + ": " + gpu + " has " +
                                               std::to_string(facts_->memory_bytes >> 20) +
                                               " MiB of memory"};
  return ok();
}

Status MpsProvider::start_daemon() {
  ASSIGN_OR_RETURN(
      daemon_, MpsDaemon::start({.program = program_,
                                 .folder = setup_.runtime_dir + "/mps" + std::to_string(device_),
                                 .gpu_uuid = facts_->uuid}));
  servers_.clear();
  (void)new_in_logs();  // what an earlier daemon wrote there is not about this one
  return ok();
}

Slice MpsProvider::make_slice(const SizedProfile& profile, uint32_t number) const {
  Slice slice;
  slice.id = "mps:" + std::to_string(device_) + "." + std::to_string(number);
  slice.kind = "mps";
  slice.profile = profile_text(profile);
  slice.device = device_;
  slice.walls = Walls::kShare;
  slice.memory_bytes = profile.memory_bytes;
  slice.worker_env = daemon_->client_env();
  slice.worker_env["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] = std::to_string(profile.sizes[0]);
  if (profile.memory_bytes > 0)
    slice.worker_env["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] = limit_text(profile.memory_bytes);
  return slice;
}

Status MpsProvider::apply(const Carve& want) {
  RETURN_IF_ERROR(check(want));
  ASSIGN_OR_RETURN(const std::vector<SizedProfile> wanted, profiles_of_carve(want));
  if (wanted.empty()) {
    slices_.clear();
    daemon_.reset();
    return ok();
  }
  if (!daemon_) RETURN_IF_ERROR(start_daemon());
  // Slices that stay keep their numbers; a number is not given to another share at once, since the
  // worker of the old one may still be there.
  std::map<uint32_t, Slice> next;
  std::vector<SizedProfile> fresh;
  for (const SizedProfile& profile : wanted) {
    const auto same = std::find_if(slices_.begin(), slices_.end(), [&](const auto& entry) {
      return entry.second.profile == profile_text(profile) && !next.contains(entry.first);
    });
    if (same == slices_.end())
      fresh.push_back(profile);
    else
      next.insert(*same);
  }
  uint32_t number = 0, percent = 0;
  uint64_t memory = 0;
  for (const SizedProfile& profile : fresh) {
    while (next.contains(number) || slices_.contains(number)) ++number;
    next[number] = make_slice(profile, number);
  }
  for (const SizedProfile& profile : wanted) {
    percent += profile.sizes[0];
    memory += profile.memory_bytes;
  }
  if (percent > 100 && next != slices_)
    log::warn("mps_oversubscribed",
              {{"device", device_},
               {"percent", percent},
               {"meaning", "the shares add up to more than the GPU has; slices slow each other"}});
  if (memory > facts_->memory_bytes && next != slices_)
    log::warn("mps_memory_oversubscribed", {{"device", device_},
                                            {"limits_mib", memory >> 20},
                                            {"gpu_mib", facts_->memory_bytes >> 20}});
  slices_ = std::move(next);
  return ok();
}

Result<std::vector<Slice>> MpsProvider::observe() {
  std::vector<Slice> all;
  for (const auto& [number, slice] : slices_) all.push_back(slice);
  return all;
}

std::vector<SliceFault> MpsProvider::all_failed(const std::string& reason) const {
  std::vector<SliceFault> all;
  for (const auto& [number, slice] : slices_) all.push_back({slice.id, reason});
  return all;
}

std::string MpsProvider::new_in_logs() {
  std::string text;
  for (const char* name : {"/control.log", "/server.log"}) {
    const std::string path = daemon_->log_directory() + name;
    std::ifstream file(path, std::ios::binary);
    if (!file) continue;
    file.seekg(0, std::ios::end);
    const auto size = static_cast<uint64_t>(file.tellg());
    uint64_t& seen = log_seen_[path];
    if (size < seen) seen = 0;  // somebody has begun it anew
    if (size == seen) continue;
    file.seekg(static_cast<std::streamoff>(seen));
    seen = size;
    text.append(std::istreambuf_iterator<char>(file), {});
    text += '\n';
  }
  return text;
}

std::optional<std::string> MpsProvider::what_broke() {
  const std::string news = new_in_logs();
  const std::vector<pid_t> there = daemon_->servers();
  const std::set<pid_t> before = std::exchange(servers_, {there.begin(), there.end()});
  for (const pid_t server : before) {
    if (servers_.contains(server)) continue;
    const std::string name = "Server " + std::to_string(server) + " exited with status 0";
    if (news.find(name) == std::string::npos)
      return "the MPS server " + std::to_string(server) + " has died";
  }
  std::istringstream lines(news);
  for (std::string line; std::getline(lines, line);)
    if (tells_of_fault(line)) return "the MPS server reports: " + line.substr(0, 200);
  return std::nullopt;
}

std::vector<SliceFault> MpsProvider::faults() {
  if (slices_.empty()) return {};
  if (daemon_ && daemon_->alive()) {
    const auto reason = what_broke();
    return reason ? all_failed(*reason) : std::vector<SliceFault>();
  }
  const bool noticed = daemon_ != nullptr;
  if (!noticed && now() < daemon_again_) return {};
  daemon_.reset();
  const Status started = start_daemon();
  if (!started.ok()) {
    daemon_again_ = now() + kDaemonAgain;
    log::error("mps_daemon_not_started", {{"device", device_}, {"why", started.error().what}});
  }
  return noticed ? all_failed("the MPS control daemon has died") : std::vector<SliceFault>();
}

void MpsProvider::before_kill(const Slice&, pid_t worker) {
  if (!daemon_ || !daemon_->alive()) return;
  for (const pid_t server : daemon_->servers()) {
    const auto told = daemon_->command(
        "terminate_client " + std::to_string(server) + " " + std::to_string(worker),
        kTerminateLimit);
    log::info("mps_client_terminated", {{"worker_pid", worker},
                                        {"server", server},
                                        {"answer", told.ok() ? *told : told.error().what}});
  }
}

}  // namespace corolla::slice
