// Brings the GPUs of this machine to a wished MIG layout, all or nothing.
//
// plan() looks and decides; apply() does it under a lock, writes down beforehand what it is about
// to do (mig_journal.h), puts the old layout back on any error, and completes or undoes first what
// an apply that was killed left half-way.
//
// Thread-safety: none; different processes may meet, the lock keeps them apart.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "slice/mig_planner.h"
#include "slice/nvml.h"

namespace corolla::slice {

struct MigWish {
  bool mig = true;  // false: MIG off; then `carve` is empty
  Carve carve;      // how many MIG devices of each profile; empty: none
  bool operator==(const MigWish&) const = default;
};
using MigWishes = std::map<uint32_t, MigWish>;  // by device; those not named stay as they are

// One MIG device of a plan.
struct PlannedDevice {
  std::string profile;
  Extent extent;                   // of its GPU instance; empty where root alone is told
  std::string uuid;                // empty: does not exist yet (apply() fills it in)
  std::vector<Process> processes;  // that run on it now
  bool operator==(const PlannedDevice&) const = default;
};

// What apply() would do to one GPU.
struct MigPlan {
  Gpu gpu;
  bool mig = false;               // as it will be
  std::vector<Placement> layout;  // as it will be
  std::vector<PlannedDevice> kept, created, destroyed;
  std::vector<Process> in_the_way;  // on the whole GPU, where the mode is to change
  // Bare GPU instances (without any MIG device) that will be removed or filled.
  uint32_t bare_removed = 0;
  bool changes() const;
  bool operator==(const MigPlan&) const = default;
};

// /run/corolla, or $RUNTIME_DIRECTORY where systemd says another.
std::string mig_state_directory();

class MigControl {
 public:
  // `nvml` must outlive it. `state_directory` holds lock and journal, and is made when needed.
  explicit MigControl(Nvml& nvml, std::string state_directory = mig_state_directory());

  // Whether an apply was killed half-way: the next one completes or undoes it first.
  bool interrupted() const;

  // Changes nothing. Errors: kInvalidArgument (this GPU cannot hold it), kUnsupported (no MIG
  // here), kPermission.
  Result<std::vector<MigPlan>> plan(const MigWishes& wishes);

  // Makes it so, and answers what was done. Besides plan()'s errors: kBusy (a process runs on what
  // must go, or another apply is at work), kUnavailable (MIG is pending until a reset). After an
  // error the old layout stands; if it could not be restored, the sentence says what is there.
  Result<std::vector<MigPlan>> apply(const MigWishes& wishes);

 private:
  std::string journal_path() const;

  Nvml& nvml_;
  std::string directory_;
};

}  // namespace corolla::slice
