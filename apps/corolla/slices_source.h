// Where `corolla slices` gets its wishes and its facts from.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "slice/mig_control.h"
#include "slice/nvml.h"
#include "slices_text.h"

namespace corolla::app {

Result<std::vector<slice::Gpu>> all_gpus(slice::Nvml& nvml);

// The layout that `file` ("-": standard input) describes for these GPUs: mig-parted's form, of
// which `label` names one layout, or the MIG slices of a fleet's corolla.yaml.
Result<slice::MigWishes> read_wishes(const std::string& file, const std::string& label,
                                     const std::vector<slice::Gpu>& gpus);

// What the GPUs hold now, in the form of a wish.
Result<slice::MigWishes> present_wishes(slice::Nvml& nvml, const std::vector<slice::Gpu>& gpus);

// Every device and slice of this machine. A machine without a driver has a CPU.
Result<Listing> look_around();

}  // namespace corolla::app
