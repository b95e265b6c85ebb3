#include "base/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace corolla {

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    if (data_) ::munmap(data_, size_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Mapping::~Mapping() {
  if (data_) ::munmap(data_, size_);
}

namespace {

Error failed(const char* call, const std::string& name, size_t size) {
  return {Code::kInternal, std::string(call) + " of " + std::to_string(size) + " bytes for " +
                               name + " failed: " + std::strerror(errno)};
}

}  // namespace

Result<OwnedMemory> create_sealed_memory(const std::string& name, size_t size) {
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  size = (size + page - 1) / page * page;
  Fd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return failed("memfd_create", name, size);
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return failed("ftruncate", name, size);
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return failed("mmap", name, size);
  Mapping map(static_cast<std::byte*>(data), size);
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE) != 0)
    return failed("sealing", name, size);
  return OwnedMemory{std::move(fd), std::move(map)};
}

namespace {

Result<Mapping> map_peers(const Fd& fd, size_t least_size, int protection) {
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || !(seals & F_SEAL_SHRINK))
    return Error{Code::kInvalidArgument, "shared memory is not sealed against shrinking"};
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0 || static_cast<size_t>(st.st_size) < least_size)
    return Error{Code::kInvalidArgument, "shared memory has " + std::to_string(st.st_size) +
                                             " bytes where at least " + std::to_string(least_size) +
                                             " are needed"};
  const size_t size = static_cast<size_t>(st.st_size);
  void* data = ::mmap(nullptr, size, protection, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return failed("mmap", "a peer's shared memory", size);
  return Mapping(static_cast<std::byte*>(data), size);
}

}  // namespace

Result<Mapping> map_sealed_readonly(const Fd& fd, size_t least_size) {
  return map_peers(fd, least_size, PROT_READ);
}

Result<Fd> create_shared_memory(const std::string& name, size_t size) {
  Fd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return failed("memfd_create", name, size);
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return failed("ftruncate", name, size);
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
    return failed("sealing", name, size);
  return fd;
}

Result<Mapping> map_shared(const Fd& fd, size_t least_size) {
  return map_peers(fd, least_size, PROT_READ | PROT_WRITE);
}

}  // namespace corolla
