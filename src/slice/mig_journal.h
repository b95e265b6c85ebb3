// What an apply is about to do, on disk before it does it: so that the next one can complete or
// undo what was killed half-way.
//
// A text file of one line a fact, ended by a checksum; written beside and renamed, so that it is
// there wholly or not at all. It lies in /run, which goes with a reboot, as MIG instances do.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "slice/mig_planner.h"

namespace corolla::slice {

struct MigState {
  bool mig = false;
  std::vector<Placement> layout;  // by extent
  bool operator==(const MigState&) const = default;
};

struct MigJournal {
  struct Entry {
    std::string gpu;  // its UUID
    MigState before, after;
    bool operator==(const Entry&) const = default;
  };
  std::string boot;  // the kernel's id of this boot
  std::vector<Entry> entries;
  bool operator==(const MigJournal&) const = default;
};

// This boot's id; empty where the kernel tells none.
std::string boot_id();

std::string journal_text(const MigJournal& journal);
// nullopt: damaged.
std::optional<MigJournal> parse_journal(std::string_view text);

// On disk when it returns.
Status write_journal(const std::string& path, const MigJournal& journal);
// nullopt: there is none. kInternal: there is one that cannot be read; the sentence says what to
// do.
Result<std::optional<MigJournal>> read_journal(const std::string& path);
Status remove_journal(const std::string& path);

}  // namespace corolla::slice
