// `corolla slices`: what this machine is cut into, and changing that. MIG layouts come from
// mig-parted's YAML or from corolla.yaml.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "slice/mig_control.h"
#include "slice/mig_parted.h"
#include "slice/nvml_library.h"
#include "slices_source.h"
#include "slices_text.h"
#include "subcommand.h"

namespace corolla::app {
namespace {

struct Options {
  std::string file;
  std::string label;
  std::vector<uint32_t> devices;  // empty: all
  bool mig_off = false;
  bool json = false;
};

void print(const std::string& text) { std::fputs(text.c_str(), stdout); }

// The same command again, as root.
std::string as_root(const std::string& verb, const Options& options) {
  std::string command = "sudo corolla slices " + verb;
  if (!options.file.empty()) command += " -f " + options.file;
  if (!options.label.empty()) command += " -c " + options.label;
  for (const uint32_t device : options.devices) command += " --gpu " + std::to_string(device);
  if (options.mig_off) command += " --mig-off";
  return command;
}

int refuse(const Error& error, const std::string& verb, const Options& options) {
  switch (error.code) {
    case Code::kPermission:
      return fail(kFailed, error.what + "; this needs root: run '" + as_root(verb, options) + "'");
    case Code::kNotFound:  // a GPU, not a fleet
      return fail(kUsage, error.what);
    default:
      return fail(error);
  }
}

int list(const Options& options) {
  auto listing = look_around();
  if (!listing) return refuse(listing.error(), "list", options);
  print(options.json ? listing_json(*listing) : listing_text(*listing));
  return kSuccess;
}

// The GPUs that were asked for, or all.
Result<std::vector<slice::Gpu>> chosen_gpus(slice::Nvml& nvml, const Options& options) {
  if (options.devices.empty()) return all_gpus(nvml);
  std::vector<slice::Gpu> gpus;
  for (const uint32_t device : options.devices) {
    ASSIGN_OR_RETURN(slice::Gpu gpu, nvml.gpu(device));
    gpus.push_back(std::move(gpu));
  }
  return gpus;
}

Result<std::vector<GpuProfiles>> all_profiles(slice::Nvml& nvml, const Options& options) {
  ASSIGN_OR_RETURN(const std::vector<slice::Gpu> gpus, chosen_gpus(nvml, options));
  std::vector<GpuProfiles> all;
  for (const slice::Gpu& gpu : gpus) {
    GpuProfiles one{gpu, {}, {}};
    ASSIGN_OR_RETURN(one.table, nvml.profiles(gpu.index));
    for (const slice::MigProfile& profile : one.table.profiles) {
      auto room = nvml.room_for(gpu.index, profile.id);
      if (room)
        one.room.push_back(*room);
      else if (!gpu.mig_on && room.error().code == Code::kUnsupported)
        one.room.push_back(profile.instances);
      else
        one.room.push_back(std::nullopt);
    }
    all.push_back(std::move(one));
  }
  return all;
}

int profiles(const Options& options) {
  auto nvml = slice::open_nvml();
  if (!nvml) return refuse(nvml.error(), "profiles", options);
  auto all = all_profiles(**nvml, options);
  if (!all) return refuse(all.error(), "profiles", options);
  print(options.json ? profiles_json(*all) : profiles_text(*all));
  return kSuccess;
}

// Reads the file, and has MigControl plan or apply it.
Result<std::vector<slice::MigPlan>> work(slice::Nvml& nvml, const Options& options, bool apply) {
  ASSIGN_OR_RETURN(const std::vector<slice::Gpu> gpus, all_gpus(nvml));
  ASSIGN_OR_RETURN(const slice::MigWishes wishes, read_wishes(options.file, options.label, gpus));
  slice::MigControl control(nvml);
  return apply ? control.apply(wishes) : control.plan(wishes);
}

int plan(const Options& options) {
  auto nvml = slice::open_nvml();
  if (!nvml) return refuse(nvml.error(), "plan", options);
  auto plans = work(**nvml, options, false);
  if (!plans) return refuse(plans.error(), "plan", options);
  print(options.json ? plans_json(*plans, false) : plans_text(*plans, false));
  if (slice::MigControl(**nvml).interrupted())
    std::fputs(
        "corolla: an apply was ended half-way; the next one completes or undoes that first, so "
        "the plan may differ\n",
        stderr);
  return kSuccess;
}

int apply(const Options& options) {
  auto nvml = slice::open_nvml();
  if (!nvml) return refuse(nvml.error(), "apply", options);
  auto plans = work(**nvml, options, true);
  if (!plans) return refuse(plans.error(), "apply", options);
  print(options.json ? plans_json(*plans, true) : plans_text(*plans, true));
  return kSuccess;
}

int assert_layout(const Options& options) {
  auto nvml = slice::open_nvml();
  if (!nvml) return refuse(nvml.error(), "assert", options);
  auto plans = work(**nvml, options, false);
  if (!plans) return refuse(plans.error(), "assert", options);
  const bool differs = std::any_of(plans->begin(), plans->end(),
                                   [](const slice::MigPlan& one) { return one.changes(); });
  if (options.json)
    print(plans_json(*plans, false));
  else if (differs)
    print(plans_text(*plans, false));
  return differs ? kFailed : kSuccess;
}

int export_layout(const Options& options) {
  auto nvml = slice::open_nvml();
  if (!nvml) return refuse(nvml.error(), "export", options);
  auto gpus = chosen_gpus(**nvml, options);
  if (!gpus) return refuse(gpus.error(), "export", options);
  auto present = present_wishes(**nvml, *gpus);
  if (!present) return refuse(present.error(), "export", options);
  const std::string label = options.label.empty() ? "current" : options.label;
  print(options.json ? mig_parted_json(label, *present) : slice::mig_parted_yaml(label, *present));
  return kSuccess;
}

int destroy(const Options& options) {
  auto nvml = slice::open_nvml();
  if (!nvml) return refuse(nvml.error(), "destroy", options);
  auto gpus = chosen_gpus(**nvml, options);
  if (!gpus) return refuse(gpus.error(), "destroy", options);
  slice::MigWishes wishes;
  for (const slice::Gpu& gpu : *gpus)
    if (gpu.mig_on) wishes[gpu.index] = {!options.mig_off, {}};
  auto plans = slice::MigControl(**nvml).apply(wishes);
  if (!plans) return refuse(plans.error(), "destroy", options);
  print(options.json ? plans_json(*plans, true) : plans_text(*plans, true));
  if (plans->empty() && !options.json) print("no GPU here has MIG on\n");
  return kSuccess;
}

struct Verb {
  const char* name;
  const char* what;
  int (*run)(const Options&);
  enum { kNothing, kFile, kDevices } needs;
  std::vector<std::pair<std::string_view, std::string_view>> examples;
};

void add(CLI::App& app, Chosen& chosen) {
  CLI::App* slices = app.add_subcommand(
      "slices", "Show what this machine is cut into; plan, make and remove MIG slices");
  slices->require_subcommand(1);
  const std::vector<Verb> verbs = {
      {"list",
       "Every device and slice, and who runs on it",
       list,
       Verb::kNothing,
       {{"corolla slices list", "a table"}, {"corolla slices list --json", "for programs"}}},
      {"profiles",
       "What the GPUs can be cut into, and how many of each still fit",
       profiles,
       Verb::kDevices,
       {{"corolla slices profiles", "of all GPUs"},
        {"corolla slices profiles --gpu 1", "of the second"}}},
      {"plan",
       "What apply would do; changes nothing",
       plan,
       Verb::kFile,
       {{"corolla slices plan -f mig.yaml -c all-1g.5gb", "one layout of a mig-parted file"},
        {"corolla slices plan -f corolla.yaml", "the MIG slices of a fleet's file"}}},
      {"apply",
       "Make the GPUs what the file says, or leave them as they were",
       apply,
       Verb::kFile,
       {{"sudo corolla slices apply -f mig.yaml -c all-1g.5gb", "slices that stay are not touched"},
        {"corolla slices export | sudo corolla slices apply -f -", "from standard input"}}},
      {"assert",
       "Exit with 0 if the GPUs are what the file says, with 1 if not",
       assert_layout,
       Verb::kFile,
       {{"corolla slices assert -f mig.yaml -c all-1g.5gb && echo yes", "in scripts"}}},
      {"export",
       "The present layout as a mig-parted file",
       export_layout,
       Verb::kDevices,
       {{"corolla slices export > now.yaml", "to come back to"},
        {"corolla slices export -c before --json", "the label is yours to choose"}}},
      {"destroy",
       "Remove all MIG slices",
       destroy,
       Verb::kDevices,
       {{"sudo corolla slices destroy", "of all GPUs; MIG stays on"},
        {"sudo corolla slices destroy --gpu 0 --mig-off", "of one, and turn MIG off there"}}},
  };
  for (const Verb& verb : verbs) {
    auto options = std::make_shared<Options>();
    CLI::App* sub = slices->add_subcommand(verb.name, verb.what);
    if (verb.needs == Verb::kFile) {
      sub->add_option("-f,--file", options->file,
                      "mig-parted's YAML, or corolla.yaml; - is standard input")
          ->required();
      sub->add_option("-c,--config", options->label, "Which layout of a mig-parted file");
    }
    if (verb.needs == Verb::kDevices)
      sub->add_option("--gpu", options->devices, "Only this GPU; may be repeated")->type_name("N");
    if (verb.run == export_layout)
      sub->add_option("-c,--config", options->label, "The layout's name in the file (current)");
    if (verb.run == destroy) sub->add_flag("--mig-off", options->mig_off, "Turn MIG off as well");
    sub->add_flag("--json", options->json, "For programs");
    examples(*sub, verb.examples);
    sub->callback(
        [&chosen, options, run = verb.run] { chosen = [options, run] { return run(*options); }; });
  }
}

const Subcommand kSlices(25, add);

}  // namespace
}  // namespace corolla::app
