// System shared memory that clients have registered, by name. The front never maps it: inputs are
// mapped read-only by the workers (by descriptor, under the region's number), outputs are written
// with pwrite. A client that cuts its memory short can spoil only its own answers.
//
// A region lives until it is unregistered, or until its memory has been unlinked and no request has
// used it for a lease (docs/decisions/020-shared-memory-leases.md). Requests hold a reference: a
// region that is unregistered meanwhile has no name any more, but stays until the last of them is
// done.
//
// Thread-safe.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/time.h"
#include "wire/infer_message.h"

namespace corolla::front {

struct ShmRegion {
  uint32_t number = 0;  // link::MapRegion's; never reused
  std::string name, key;
  uint64_t offset = 0;  // where the region begins in the shared memory object
  uint64_t bytes = 0;
  Fd fd;
  bool writable = false;

  // What a worker has to map: the object from its beginning.
  uint64_t mapped_bytes() const { return offset + bytes; }
  // Has its owner unlinked it?
  bool unlinked() const;
};
using ShmRef = std::shared_ptr<const ShmRegion>;

// A stretch of a region, checked to lie in it.
struct ShmStretch {
  ShmRef region;
  uint64_t begin = 0;  // from the beginning of the object: TensorRecord::offset
  uint64_t bytes = 0;
};

// Which objects clients may register.
struct ShmAllowed {
  bool any = true;
  std::string prefix;  // of the name, without the slash
};

class ShmRegistry {
 public:
  static constexpr size_t kMaxRegions = 1024;

  // `gone` runs once for each region, when it has no name and no request uses it any more: workers
  // can forget the number. It runs on whichever thread dropped the last reference, with no lock
  // held; before the region's descriptor is closed.
  explicit ShmRegistry(std::function<void(uint32_t number)> gone, ShmAllowed allowed = {},
                       std::string folder = "/dev/shm");

  // Opens the object `key` ("/name", as for shm_open). kInvalidArgument: key, offset or size cannot
  // be; kNotFound: no such object; kPermission; kAlreadyExists: the name is taken (but one whose
  // memory was unlinked gives way); kTooLarge: over kMaxRegions;
  // kUnsupported: not allowed.
  // `opened`: the object, opened for us by somebody who may; kPermission tells that it is needed,
  // also where we may only read.
  Result<ShmRef> add(const std::string& name, const std::string& key, uint64_t offset,
                     uint64_t bytes, Fd opened = Fd());

  // An unknown name is no error, as with Triton.
  void remove(const std::string& name);
  void remove_all();

  // By name. `name` empty: all. kNotFound for a name that is not registered.
  Result<std::vector<ShmRef>> list(const std::string& name = {}) const;

  // The place a request names, for `use`: counts as a use of the lease. kNotFound: no such region;
  // kInvalidArgument: not inside it.
  enum class Use { kInput, kOutput };
  Result<ShmStretch> resolve(const wire::ShmPlace& place, Use use);

  // Drops regions that are unlinked and were not used in the last `lease`. Returns their names.
  std::vector<std::string> sweep(TimePoint now, Duration lease);

 private:
  struct Held {
    std::shared_ptr<ShmRegion> region;
    TimePoint used;
  };
  const std::shared_ptr<std::function<void(uint32_t)>> gone_;
  const ShmAllowed allowed_;
  const std::string folder_;
  mutable std::mutex mutex_;
  std::map<std::string, Held, std::less<>> regions_;
  uint32_t last_number_ = 0;
};

// Writes an output. REQUIRES: bytes.size() <= stretch.bytes, and it was resolved for kOutput.
// kInvalidArgument when the memory has been cut short meanwhile; kInternal when the system cannot
// write it.
Status write_shm(const ShmStretch& stretch, std::span<const std::byte> bytes);

}  // namespace corolla::front
