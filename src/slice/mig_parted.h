// mig-parted's YAML (`version: v1`, `mig-configs`), read strictly and unchanged: named layouts,
// each a list of entries that say for which GPUs they are and what those are cut into.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "slice/mig_control.h"
#include "slice/nvml.h"

namespace corolla::slice {

// "0x20B010DE": PCI device and vendor; "0x233010DE:0x16C110DE" with those of the subsystem.
struct GpuModelFilter {
  uint32_t device_id = 0;
  std::optional<uint32_t> subsystem_id;
  bool matches(const Gpu& gpu) const;
  bool operator==(const GpuModelFilter&) const = default;
};

struct MigPartedEntry {
  int line = 0;                                  // in the file, for sentences
  std::vector<GpuModelFilter> models;            // empty: any
  std::optional<std::vector<uint32_t>> devices;  // nothing: all
  MigWish wish;
  bool operator==(const MigPartedEntry&) const = default;
};

struct MigPartedFile {
  std::string name;                                                          // for sentences
  std::vector<std::pair<std::string, std::vector<MigPartedEntry>>> layouts;  // by label, as written
};

// kInvalidArgument: one sentence that begins with "<file_name>:<line>: " and names the key.
Result<MigPartedFile> read_mig_parted(std::string_view text, const std::string& file_name);

// Whether a file is meant to be mig-parted's: it has `mig-configs` or `version` at its top.
bool looks_like_mig_parted(std::string_view text);

// What the layout `label` means for these GPUs; an empty label means the only one there is.
// kInvalidArgument: no such label (the sentence tells which there are); an entry names a GPU that
// is not there; two entries want different things of one GPU; no entry concerns any of the GPUs.
Result<MigWishes> wishes_of(const MigPartedFile& file, const std::string& label,
                            const std::vector<Gpu>& gpus);

// The present layout in the same form, as a file of one label. Equal devices share an entry.
std::string mig_parted_yaml(const std::string& label, const MigWishes& present);

}  // namespace corolla::slice
