// Plans on disk. One file, little-endian:
//
//   0      header, 128 bytes: magic "corolla-plan 1\n", then offsets, sizes and hashes of the parts
//   4096   description: a message of plan.proto
//   ...    weights, at a multiple of 4096: raw bytes, to be mapped
//
// The same plan makes the same file, byte for byte. A reader maps the file, so workers share its
// pages. Files are hostile input: hashes catch accidents, verify() everything else.
#pragma once
#include <filesystem>

#include "base/result.h"
#include "plan/plan.h"

namespace corolla::plan {

// Written to one side and renamed into place. kInternal when the file system refuses.
Status write_plan(const Plan& plan, const std::filesystem::path& path);

// Mapped; plan.owner keeps the mapping. kNotFound; kInvalidArgument, saying what is wrong: not a
// plan, of another version, cut off, damaged, or inconsistent.
Result<Plan> read_plan(const std::filesystem::path& path);

// Of a file's bytes, which `owner` keeps. `check_weights`: hash them, too (20 ms for 100 MB).
Result<Plan> parse_plan(std::span<const std::byte> file, std::shared_ptr<const void> owner,
                        bool check_weights = true);

// Does this file begin as plans do?
bool is_plan(const std::filesystem::path& path);

}  // namespace corolla::plan
