// Compiled models on disk, one file a key. Written to one side and renamed into place, so a reader
// sees a whole file or none; checked by a hash when read, so a damaged file counts as none. Knows
// nothing of OpenVINO.
//
// Safe between threads and processes. Several workers that miss the same key at once wait for the
// first to make it.
#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "base/shared_memory.h"

namespace corolla::engine {

// Size and hash of a whole file, as text: tells models apart, and guards against nobody. 5 ms for
// 25 MB, where SHA-256 takes 17. kInvalidArgument with the path when it cannot be read.
Result<std::string> file_hash(const std::string& path);

// A blob in the page cache: workers that map the same file share its memory.
class Blob {
 public:
  explicit Blob(Mapping file) : file_(std::move(file)) {}
  std::span<const std::byte> bytes() const { return file_.bytes().subspan(kHeaderBytes); }
  static constexpr size_t kHeaderBytes = 4096;  // keeps the content page-aligned

 private:
  Mapping file_;
};

class BlobCache {
 public:
  // `directory` is made if need be; empty: nothing is ever found or kept.
  explicit BlobCache(std::string directory);

  // The blob of `key`, if it is there and whole.
  std::optional<Blob> find(const std::string& key) const;
  // Keeps `content`. An error (full disk, no permission) only means that the next worker compiles,
  // too. At most kMostFiles blobs are kept; the longest unused go first.
  Status put(const std::string& key, const std::string& content);

  // While it lives, no other Lock of the same key does, in any process. Without a usable directory
  // it locks nothing.
  class Lock {
   public:
    Lock(const BlobCache& cache, const std::string& key);

   private:
    Fd file_;
  };

  static constexpr size_t kMostFiles = 64;

 private:
  std::string path(const std::string& key, const char* end) const;
  void prune() const;
  std::string directory_;
};

}  // namespace corolla::engine
