#include "engine/cuda/shareable_memory.h"

#include <cuda.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "engine/cuda/cuda_error.h"
#include "engine/cuda/driver_function.h"

namespace corolla::engine::cuda {
namespace {

struct Driver {
  decltype(&cuMemGetAllocationGranularity) granularity;
  decltype(&cuMemCreate) create;
  decltype(&cuMemRelease) release;
  decltype(&cuMemExportToShareableHandle) export_handle;
  decltype(&cuMemImportFromShareableHandle) import_handle;
  decltype(&cuMemRetainAllocationHandle) retain;
  decltype(&cuMemAddressReserve) reserve;
  decltype(&cuMemAddressFree) free_addresses;
  decltype(&cuMemMap) map;
  decltype(&cuMemUnmap) unmap;
  decltype(&cuMemSetAccess) set_access;
  decltype(&cuGetErrorName) error_name;
};

const Driver* driver() {
  static const Driver* const found = []() -> const Driver* {
    static Driver d;
    const bool all = find_driver_function("cuMemGetAllocationGranularity", d.granularity) &&
                     find_driver_function("cuMemCreate", d.create) &&
                     find_driver_function("cuMemRelease", d.release) &&
                     find_driver_function("cuMemExportToShareableHandle", d.export_handle) &&
                     find_driver_function("cuMemImportFromShareableHandle", d.import_handle) &&
                     find_driver_function("cuMemRetainAllocationHandle", d.retain) &&
                     find_driver_function("cuMemAddressReserve", d.reserve) &&
                     find_driver_function("cuMemAddressFree", d.free_addresses) &&
                     find_driver_function("cuMemMap", d.map) &&
                     find_driver_function("cuMemUnmap", d.unmap) &&
                     find_driver_function("cuMemSetAccess", d.set_access) &&
                     find_driver_function("cuGetErrorName", d.error_name);
    return all ? &d : nullptr;
  }();
  return found;
}

Result<const Driver*> ready_driver() {
  CUDA_OR_RETURN("cannot make the device's context", cudaFree(nullptr));
  if (const Driver* d = driver()) return d;
  return Error{Code::kUnsupported, "this driver has no memory that processes can share"};
}

Status check(const Driver& d, const char* what, CUresult result, Code code = Code::kUnsupported) {
  if (result == CUDA_SUCCESS) return ok();
  const char* name = "?";
  (void)d.error_name(result, &name);
  return Error{code, std::string(what) + ": " + name};
}

Result<CUmemAllocationProp> properties() {
  int device = 0;
  CUDA_OR_RETURN("cannot find the device", cudaGetDevice(&device));
  CUmemAllocationProp made = {};
  made.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  made.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  made.location.id = device;
  made.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  return made;
}

Status allow(const Driver& d, CUdeviceptr at, size_t bytes, CUmemAccess_flags access) {
  ASSIGN_OR_RETURN(const CUmemAllocationProp ours, properties());
  const CUmemAccessDesc how = {ours.location, access};
  return check(d, "cannot have access to shared memory", d.set_access(at, bytes, &how, 1));
}

// Takes the caller's reference of `handle`, also when it fails: a map holds one of its own.
Result<std::byte*> map(const Driver& d, CUmemGenericAllocationHandle handle, size_t bytes,
                       CUmemAccess_flags access) {
  CUdeviceptr at = 0;
  Status status =
      check(d, "cannot have addresses for shared memory", d.reserve(&at, bytes, 0, 0, 0));
  if (status.ok()) status = check(d, "cannot map shared memory", d.map(at, bytes, 0, handle, 0));
  const bool mapped = status.ok();
  if (mapped) status = allow(d, at, bytes, access);
  (void)d.release(handle);
  if (status.ok()) return reinterpret_cast<std::byte*>(at);
  if (mapped) (void)d.unmap(at, bytes);
  if (at != 0) (void)d.free_addresses(at, bytes);
  return status.error();
}

Result<size_t> whole_granules(const Driver& d, size_t bytes) {
  ASSIGN_OR_RETURN(const CUmemAllocationProp wanted, properties());
  size_t granule = 0;
  RETURN_IF_ERROR(check(d, "cannot share memory of this device",
                        d.granularity(&granule, &wanted, CU_MEM_ALLOC_GRANULARITY_MINIMUM)));
  return (std::max<size_t>(bytes, 1) + granule - 1) / granule * granule;
}

}  // namespace

Result<ShareableMemory> ShareableMemory::make(size_t bytes) {
  ASSIGN_OR_RETURN(const Driver* d, ready_driver());
  ASSIGN_OR_RETURN(const CUmemAllocationProp wanted, properties());
  ASSIGN_OR_RETURN(const size_t whole, whole_granules(*d, bytes));
  CUmemGenericAllocationHandle handle;
  RETURN_IF_ERROR(
      check(*d, "cannot make memory that processes share", d->create(&handle, whole, &wanted, 0)));
  ShareableMemory made;
  ASSIGN_OR_RETURN(made.data_, map(*d, handle, whole, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
  made.bytes_ = bytes;
  made.mapped_ = whole;
  return made;
}

Result<ShareableMemory> ShareableMemory::import(const Fd& descriptor, size_t bytes) {
  ASSIGN_OR_RETURN(const Driver* d, ready_driver());
  ASSIGN_OR_RETURN(const size_t whole, whole_granules(*d, bytes));
  CUmemGenericAllocationHandle handle;
  RETURN_IF_ERROR(check(
      *d, "cannot take another process's memory",
      d->import_handle(&handle, reinterpret_cast<void*>(static_cast<intptr_t>(descriptor.get())),
                       CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)));
  ShareableMemory made;
  ASSIGN_OR_RETURN(made.data_, map(*d, handle, whole, CU_MEM_ACCESS_FLAGS_PROT_READ));
  made.bytes_ = bytes;
  made.mapped_ = whole;
  return made;
}

ShareableMemory::~ShareableMemory() {
  if (data_ == nullptr) return;
  const Driver& d = *driver();
  const auto at = reinterpret_cast<CUdeviceptr>(data_);
  (void)d.unmap(at, mapped_);
  (void)d.free_addresses(at, mapped_);
}

Status ShareableMemory::make_read_only() {
  return allow(*driver(), reinterpret_cast<CUdeviceptr>(data_), mapped_,
               CU_MEM_ACCESS_FLAGS_PROT_READ);
}

Result<Fd> ShareableMemory::descriptor() const {
  const Driver& d = *driver();
  CUmemGenericAllocationHandle handle;
  RETURN_IF_ERROR(check(d, "cannot find the handle of shared memory", d.retain(&handle, data_),
                        Code::kInternal));
  int fd = -1;
  const Status made =
      check(d, "cannot make a descriptor of shared memory",
            d.export_handle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
  (void)d.release(handle);
  if (!made.ok()) return made.error();
  return Fd(fd);
}

}  // namespace corolla::engine::cuda
