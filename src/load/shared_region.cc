#include "load/shared_region.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

#include "base/fd.h"

namespace corolla::load {

Result<SharedRegion> SharedRegion::create(const std::string& key, size_t bytes) {
  const auto failed = [&](const char* what) {
    return Error{Code::kInternal, std::string("cannot ") + what + " " + std::to_string(bytes) +
                                      " bytes of shared memory '" + key + "': " + strerror(errno)};
  };
  Fd fd(shm_open(key.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) return failed("create");
  SharedRegion region;
  region.key_ = key;
  // posix_fallocate instead of ftruncate: a full /dev/shm must be an error here, not a SIGBUS
  // later.
  if (const int error = posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes)); error != 0) {
    errno = error;
    return failed("reserve");
  }
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) return failed("map");
  region.map_ = Mapping(static_cast<std::byte*>(at), bytes);
  return region;
}

SharedRegion& SharedRegion::operator=(SharedRegion&& other) noexcept {
  std::swap(key_, other.key_);
  std::swap(map_, other.map_);
  return *this;
}

SharedRegion::~SharedRegion() {
  if (!key_.empty()) shm_unlink(key_.c_str());
}

}  // namespace corolla::load
