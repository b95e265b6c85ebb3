#include "slices_text.h"

#include <algorithm>
#include <cstdio>

#include "json_object.h"

namespace corolla::app {
namespace {

using slice::Gpu;
using slice::MigPlan;
using slice::PlannedDevice;
using slice::Process;

using Rows = std::vector<std::vector<std::string>>;

// Aligned columns, two spaces apart.
std::string table(const Rows& rows, const std::string& indent) {
  std::vector<size_t> widths;
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) {
      widths.resize(std::max(widths.size(), row.size()));
      widths[i] = std::max(widths[i], row[i].size());
    }
  std::string out;
  for (const auto& row : rows) {
    std::string line = indent;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      line.append(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string gib(uint64_t bytes) {
  if (bytes == 0) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1ull << 30));
  return text;
}

std::string mode_of(const Gpu& gpu) {
  if (!gpu.mig_capable) return "no MIG";
  std::string text = gpu.mig_on ? "MIG on" : "MIG off";
  if (gpu.mig_pending != gpu.mig_on)
    text += std::string(", pending ") + (gpu.mig_pending ? "on" : "off") + " until the next reset";
  return text;
}

std::string heading(const Gpu& gpu) {
  return "GPU " + std::to_string(gpu.index) + "  " + gpu.name + "  " + gib(gpu.memory_bytes) +
         "  " + mode_of(gpu) + "  " + gpu.uuid + "\n";
}

std::string users(const ListedSlice& one) {
  std::string text = processes_text(one.processes);
  if (!one.fleet.empty()) text += (text.empty() ? "" : ", ") + ("fleet " + one.fleet);
  return text.empty() ? "-" : text;
}

std::string slice_rows(const std::vector<ListedSlice>& slices) {
  Rows rows = {{"SLICE", "PROFILE", "SMS", "MEMORY", "WALLS", "IN USE BY"}};
  for (const ListedSlice& one : slices) {
    const slice::Slice& s = one.slice;
    rows.push_back({s.id, s.profile, s.sm_count > 0 ? std::to_string(s.sm_count) : "-",
                    gib(s.memory_bytes), slice::walls_name(s.walls), users(one)});
  }
  return table(rows, "  ");
}

std::string processes_json(const std::vector<Process>& processes) {
  return json_list(processes, [](const Process& process) {
    return JsonObject().number("pid", process.pid).text("name", process.name).str();
  });
}

std::string slice_json(const ListedSlice& one) {
  const slice::Slice& s = one.slice;
  return JsonObject()
      .text("id", s.id)
      .text("kind", s.kind)
      .text("profile", s.profile)
      .text("walls", slice::walls_name(s.walls))
      .raw("cores", json_list(s.cores, [](uint32_t cpu) { return std::to_string(cpu); }))
      .number("sm_count", static_cast<uint64_t>(std::max(s.sm_count, 0)))
      .number("memory_bytes", s.memory_bytes)
      .text("fleet", one.fleet)
      .raw("processes", processes_json(one.processes))
      .str();
}

JsonObject gpu_object(const Gpu& gpu) {
  char id[16], subsystem[16];
  std::snprintf(id, sizeof id, "0x%08X", gpu.pci_device_id);
  std::snprintf(subsystem, sizeof subsystem, "0x%08X", gpu.pci_subsystem_id);
  return JsonObject()
      .number("gpu", gpu.index)
      .text("uuid", gpu.uuid)
      .text("name", gpu.name)
      .text("pci_device_id", id)
      .text("pci_subsystem_id", subsystem)
      .number("memory_bytes", gpu.memory_bytes)
      .flag("mig_capable", gpu.mig_capable)
      .flag("mig_on", gpu.mig_on)
      .flag("mig_pending", gpu.mig_pending);
}

// "2 from 0,2,4": how many it takes, and where they may begin.
std::string places(const slice::MigProfile& profile) {
  if (profile.placements.empty()) return "?";
  std::string text;
  for (const slice::Extent& extent : profile.placements)
    text += (text.empty() ? "" : ",") + std::to_string(extent.start);
  return std::to_string(profile.placements.front().size) + " from " + text;
}

// "4", "4-7"
std::string extent_text(const slice::Extent& extent) {
  const std::string first = std::to_string(extent.start);
  return extent.size == 1 ? first : first + "-" + std::to_string(extent.start + extent.size - 1);
}

std::string planned_json(const std::vector<PlannedDevice>& devices) {
  return json_list(devices, [](const PlannedDevice& one) {
    return JsonObject()
        .text("profile", one.profile)
        .number("start", one.extent.start)
        .number("size", one.extent.size)
        .text("uuid", one.uuid)
        .raw("processes", processes_json(one.processes))
        .str();
  });
}

void planned_rows(Rows& rows, const std::string& sign, const std::vector<PlannedDevice>& devices) {
  for (const PlannedDevice& one : devices)
    rows.push_back({sign, one.profile, "memory " + extent_text(one.extent), one.uuid,
                    one.processes.empty() ? "" : "in use by " + processes_text(one.processes)});
}

}  // namespace

std::string listing_text(const Listing& listing) {
  std::string out;
  if (!listing.no_gpus.empty()) out += "No GPUs: " + listing.no_gpus + "\n";
  for (const ListedGpu& one : listing.gpus) {
    out += heading(one.gpu);
    if (!one.processes.empty())
      out += "  the whole GPU is in use by " + processes_text(one.processes) + "\n";
    out += one.slices.empty() ? "  no slices\n" : slice_rows(one.slices);
  }
  size_t threads = listing.cpu.threads();
  out += "CPU    " + std::to_string(listing.cpu.cores.size()) + " cores, " +
         std::to_string(threads) + " hardware threads\n";
  out += listing.cores.empty() ? "  no slices\n" : slice_rows(listing.cores);
  return out;
}

std::string listing_json(const Listing& listing) {
  return JsonObject()
             .text("driver", listing.driver)
             .text("problem", listing.no_gpus)
             .raw("gpus", json_list(listing.gpus,
                                    [](const ListedGpu& one) {
                                      return gpu_object(one.gpu)
                                          .raw("processes", processes_json(one.processes))
                                          .raw("slices", json_list(one.slices, slice_json))
                                          .str();
                                    }))
             .raw("cpu", JsonObject()
                             .number("cores", listing.cpu.cores.size())
                             .number("threads", listing.cpu.threads())
                             .raw("slices", json_list(listing.cores, slice_json))
                             .str())
             .str() +
         "\n";
}

std::string profiles_text(const std::vector<GpuProfiles>& gpus) {
  std::string out;
  for (const GpuProfiles& one : gpus) {
    out += heading(one.gpu);
    if (one.table.profiles.empty()) continue;
    Rows rows = {
        {"PROFILE", "ID", "COMPUTE", "SMS", "MEMORY", "MOST", "STILL FIT", "MEMORY SLICES"}};
    for (size_t i = 0; i < one.table.profiles.size(); ++i) {
      const slice::MigProfile& p = one.table.profiles[i];
      rows.push_back({p.name, std::to_string(p.id), std::to_string(p.slices),
                      std::to_string(p.sm_count), gib(p.memory_mib << 20),
                      std::to_string(p.instances), one.room[i] ? std::to_string(*one.room[i]) : "?",
                      places(p)});
    }
    out += table(rows, "  ");
  }
  return out;
}

std::string profiles_json(const std::vector<GpuProfiles>& gpus) {
  return JsonObject()
             .raw("gpus",
                  json_list(gpus,
                            [](const GpuProfiles& one) {
                              size_t at = 0;
                              return gpu_object(one.gpu)
                                  .raw("profiles",
                                       json_list(
                                           one.table.profiles,
                                           [&](const slice::MigProfile& p) {
                                             const auto room = one.room[at++];
                                             return JsonObject()
                                                 .text("profile", p.name)
                                                 .number("id", p.id)
                                                 .number("compute_slices", p.slices)
                                                 .number("sm_count", p.sm_count)
                                                 .number("memory_bytes", p.memory_mib << 20)
                                                 .number("instances", p.instances)
                                                 .raw("room", room ? std::to_string(*room) : "null")
                                                 .raw("placements",
                                                      json_list(p.placements,
                                                                [](const slice::Extent& e) {
                                                                  return JsonObject()
                                                                      .number("start", e.start)
                                                                      .number("size", e.size)
                                                                      .str();
                                                                }))
                                                 .str();
                                           }))
                                  .str();
                            }))
             .str() +
         "\n";
}

std::string plans_text(const std::vector<MigPlan>& plans, bool done) {
  std::string out;
  for (const MigPlan& plan : plans) {
    out += "GPU " + std::to_string(plan.gpu.index) + "  " + plan.gpu.name + "  ";
    if (plan.mig != plan.gpu.mig_on)
      out += std::string("MIG ") + (plan.gpu.mig_on ? "on" : "off") + " -> " +
             (plan.mig ? "on" : "off");
    else
      out += mode_of(plan.gpu);
    out += plan.changes() ? "\n" : ", nothing to change\n";
    if (!plan.in_the_way.empty())
      out += "  in the way of the change of mode: " + processes_text(plan.in_the_way) + "\n";
    Rows rows;
    planned_rows(rows, done ? "kept" : "keep", plan.kept);
    planned_rows(rows, done ? "removed" : "remove", plan.destroyed);
    planned_rows(rows, done ? "created" : "create", plan.created);
    if (plan.bare_removed > 0)
      rows.push_back({done ? "removed" : "remove",
                      std::to_string(plan.bare_removed) + " GPU instances without slices", "", "",
                      ""});
    out += table(rows, "  ");
  }
  return out;
}

std::string plans_json(const std::vector<MigPlan>& plans, bool done) {
  const bool changes =
      std::any_of(plans.begin(), plans.end(), [](const MigPlan& plan) { return plan.changes(); });
  return JsonObject()
             .flag("changes", changes)
             .flag("done", done)
             .raw("gpus", json_list(plans,
                                    [](const MigPlan& plan) {
                                      return gpu_object(plan.gpu)
                                          .flag("mig_wanted", plan.mig)
                                          .flag("changes", plan.changes())
                                          .raw("kept", planned_json(plan.kept))
                                          .raw("removed", planned_json(plan.destroyed))
                                          .raw("created", planned_json(plan.created))
                                          .raw("in_the_way", processes_json(plan.in_the_way))
                                          .str();
                                    }))
             .str() +
         "\n";
}

std::string mig_parted_json(const std::string& label, const slice::MigWishes& present) {
  std::string entries;
  for (const auto& [device, wish] : present) {
    JsonObject devices;
    for (const auto& [profile, count] : wish.carve)
      devices.number(profile, static_cast<uint64_t>(count));
    entries +=
        (entries.empty() ? "" : ",") + JsonObject()
                                           .raw("devices", "[" + std::to_string(device) + "]")
                                           .flag("mig-enabled", wish.mig)
                                           .raw("mig-devices", devices.str())
                                           .str();
  }
  return JsonObject()
             .text("version", "v1")
             .raw("mig-configs", JsonObject().raw(label, "[" + entries + "]").str())
             .str() +
         "\n";
}

}  // namespace corolla::app
