#include "serve/worker/region_table.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace corolla::worker {

Status RegionTable::map(uint32_t region, const Fd& fd, uint64_t bytes) {
  if (region == 0 || bytes == 0)
    return Error{Code::kInvalidArgument, "region " + std::to_string(region) + " of " +
                                             std::to_string(bytes) +
                                             " bytes cannot be mapped: both must be over 0"};
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0)
    return Error{Code::kInternal,
                 std::string("fstat of a client's shared memory failed: ") + std::strerror(errno)};
  if (st.st_size < 0 || static_cast<uint64_t>(st.st_size) < bytes)
    return Error{Code::kInvalidArgument, "the shared memory has " + std::to_string(st.st_size) +
                                             " bytes where " + std::to_string(bytes) +
                                             " were registered"};
  void* data = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED)
    return Error{Code::kInternal,
                 "mmap of " + std::to_string(bytes) +
                     " bytes of a client's shared memory failed: " + std::strerror(errno)};
  auto made =
      std::make_shared<ClientRegion>(Mapping(static_cast<std::byte*>(data), bytes), engine_);
  if (!made->guarded())
    return Error{Code::kOverloaded, "over " + std::to_string(kMaxGuardedRanges) +
                                        " shared memory regions are registered; unregister some"};
  std::lock_guard lock(mutex_);
  regions_[region] = std::move(made);
  return ok();
}

void RegionTable::unmap(uint32_t region) {
  std::shared_ptr<ClientRegion> last;  // unmapped without the lock
  std::lock_guard lock(mutex_);
  if (auto found = regions_.find(region); found != regions_.end()) {
    last = std::move(found->second);
    regions_.erase(found);
  }
}

std::shared_ptr<ClientRegion> RegionTable::find(uint32_t region) const {
  std::lock_guard lock(mutex_);
  auto found = regions_.find(region);
  return found == regions_.end() ? nullptr : found->second;
}

}  // namespace corolla::worker
