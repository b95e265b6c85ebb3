// A file mapped read-only, and the hash by which models and weights are told apart.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "base/result.h"

namespace corolla::plan {

class MappedFile {
 public:
  // kNotFound or kInvalidArgument (no regular file, empty), with the path. `what` says what it is:
  // "the model file".
  static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path,
                                                        const std::string& what);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

// 64 bits that differ for different bytes, but for bad luck: for finding equal weights and naming
// models, not against forgery. The same on every machine.
uint64_t content_hash(std::span<const std::byte> bytes, uint64_t seed = 0);
std::string hash_text(uint64_t hash);  // 16 hexadecimal digits

}  // namespace corolla::plan
