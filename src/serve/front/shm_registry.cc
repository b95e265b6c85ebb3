#include "serve/front/shm_registry.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "wire/json_text.h"

namespace corolla::front {
namespace {

Error invalid(std::string what) { return {Code::kInvalidArgument, std::move(what)}; }

// shm_open's names: one component, with or without a slash before it.
bool is_key(std::string_view key) {
  return !key.empty() && key.size() <= 255 && key != "." && key != ".." &&
         key.find('/') == std::string_view::npos && key.find('\0') == std::string_view::npos;
}

Result<Fd> open_object(const std::string& folder, const std::string& component,
                       const std::string& shown) {
  Fd dir(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!dir) return Error{Code::kInternal, folder + ": " + std::strerror(errno)};
  constexpr int kFlags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  Fd fd(openat(dir.get(), component.c_str(), O_RDWR | kFlags));
  if (fd) return fd;
  switch (errno) {
    case ENOENT:
      return Error{Code::kNotFound, shown + " does not exist; create it before registering"};
    case EACCES:
    case EPERM:
      return Error{Code::kPermission, shown + " may not be opened by the server's user (uid " +
                                          std::to_string(geteuid()) + ")"};
    case ELOOP:
    case EISDIR:
    case ENXIO:
      return invalid(shown + " is no shared memory object");
    default:
      return Error{Code::kInternal, shown + ": " + std::strerror(errno)};
  }
}

}  // namespace

bool ShmRegion::unlinked() const {
  struct stat info {};
  return fstat(fd.get(), &info) != 0 || info.st_nlink == 0;
}

ShmRegistry::ShmRegistry(std::function<void(uint32_t)> gone, ShmAllowed allowed, std::string folder)
    : gone_(std::make_shared<std::function<void(uint32_t)>>(std::move(gone))),
      allowed_(std::move(allowed)),
      folder_(std::move(folder)) {}

Result<ShmRef> ShmRegistry::add(const std::string& name, const std::string& key, uint64_t offset,
                                uint64_t bytes, Fd opened) {
  if (name.empty() || name.size() > 1024 || !wire::is_utf8(name))
    return invalid("a shared memory region needs a name of 1 to 1024 bytes of UTF-8");
  std::string component = key.starts_with('/') ? key.substr(1) : key;
  std::string shown = "shared memory object '" + wire::to_utf8(key.substr(0, 255)) + "'";
  if (!is_key(component) || !wire::is_utf8(key))
    return invalid(shown + " cannot be: a key is a slash and one name, as for shm_open");
  if (!allowed_.any)
    return Error{Code::kUnsupported,
                 "this server takes no shared memory of clients (limits.client_shm is off)"};
  if (!component.starts_with(allowed_.prefix))
    return Error{Code::kUnsupported, shown +
                                         " cannot be registered: this server takes only those "
                                         "whose names begin with '/" +
                                         allowed_.prefix + "' (limits.client_shm)"};
  if (bytes == 0) return invalid("shared memory region '" + name + "' has a byte_size of 0");
  uint64_t end = 0;
  if (__builtin_add_overflow(offset, bytes, &end) || end > uint64_t{INT64_MAX})
    return invalid("shared memory region '" + name + "': offset " + std::to_string(offset) +
                   " and byte_size " + std::to_string(bytes) + " overflow");
  // A region whose release runs `gone` must not be dropped under the lock.
  std::shared_ptr<ShmRegion> stale;
  Fd fd = std::move(opened);
  if (!fd) {
    ASSIGN_OR_RETURN(fd, open_object(folder_, component, shown));
  }
  struct stat info {};
  if (fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))
    return invalid(shown + " is no shared memory object");
  if (end > static_cast<uint64_t>(info.st_size))
    return invalid("shared memory region '" + name + "': offset " + std::to_string(offset) +
                   " and byte_size " + std::to_string(bytes) + " reach past the " +
                   std::to_string(info.st_size) + " bytes of " + shown);

  std::lock_guard lock(mutex_);
  auto it = regions_.find(name);
  if (it != regions_.end()) {
    if (!it->second.region->unlinked())
      return Error{Code::kAlreadyExists,
                   "shared memory region '" + name + "' already in manager; unregister it first"};
    stale = std::move(it->second.region);
    regions_.erase(it);
  }
  if (regions_.size() >= kMaxRegions)
    return Error{Code::kTooLarge, "there are " + std::to_string(kMaxRegions) +
                                      " shared memory regions already, which is the limit; "
                                      "unregister some"};
  // The deleter outlives the registry when requests do.
  std::shared_ptr<ShmRegion> region(new ShmRegion, [gone = gone_](ShmRegion* r) {
    if (*gone) (*gone)(r->number);
    delete r;
  });
  region->number = ++last_number_;
  region->name = name;
  region->key = key;
  region->offset = offset;
  region->bytes = bytes;
  region->fd = std::move(fd);
  region->writable = (fcntl(region->fd.get(), F_GETFL) & O_ACCMODE) == O_RDWR;
  regions_[name] = {region, corolla::now()};
  return ShmRef(region);
}

void ShmRegistry::remove(const std::string& name) {
  std::shared_ptr<ShmRegion> dropped;
  std::lock_guard lock(mutex_);
  auto it = regions_.find(name);
  if (it == regions_.end()) return;
  dropped = std::move(it->second.region);
  regions_.erase(it);
}

void ShmRegistry::remove_all() {
  std::map<std::string, Held, std::less<>> dropped;
  std::lock_guard lock(mutex_);
  dropped.swap(regions_);
}

Result<std::vector<ShmRef>> ShmRegistry::list(const std::string& name) const {
  std::lock_guard lock(mutex_);
  std::vector<ShmRef> all;
  for (const auto& [key, held] : regions_)
    if (name.empty() || key == name) all.push_back(held.region);
  if (!name.empty() && all.empty())
    return Error{Code::kNotFound, "Unable to find system shared memory region: '" +
                                      wire::to_utf8(name.substr(0, 255)) + "'"};
  return all;
}

Result<ShmStretch> ShmRegistry::resolve(const wire::ShmPlace& place, Use use) {
  std::lock_guard lock(mutex_);
  auto it = regions_.find(place.region);
  if (it == regions_.end())
    return Error{Code::kNotFound, "Unable to find shared memory region: '" +
                                      wire::to_utf8(place.region.substr(0, 255)) + "'"};
  const auto& region = it->second.region;
  if (place.offset > region->bytes || place.bytes > region->bytes - place.offset)
    return invalid("Invalid offset + byte size for shared memory region: '" + region->name +
                   "': " + std::to_string(place.offset) + " + " + std::to_string(place.bytes) +
                   " is past its " + std::to_string(region->bytes) + " bytes");
  if (use == Use::kOutput && !region->writable)
    return Error{Code::kPermission, "shared memory region '" + region->name +
                                        "' may be read but not written by the server's user"};
  it->second.used = corolla::now();
  return ShmStretch{region, region->offset + place.offset, place.bytes};
}

std::vector<std::string> ShmRegistry::sweep(TimePoint now, Duration lease) {
  std::vector<std::shared_ptr<ShmRegion>> dropped;
  std::vector<std::string> names;
  std::lock_guard lock(mutex_);
  for (auto it = regions_.begin(); it != regions_.end();) {
    Held& held = it->second;
    if (now - held.used < lease || !held.region->unlinked()) {
      ++it;
      continue;
    }
    names.push_back(it->first);
    dropped.push_back(std::move(held.region));
    it = regions_.erase(it);
  }
  return names;
}

Status write_shm(const ShmStretch& stretch, std::span<const std::byte> bytes) {
  CHECK(bytes.size() <= stretch.bytes && stretch.region->writable, stretch.region->name);
  // pwrite past the end would make the client's memory longer again.
  struct stat info {};
  if (fstat(stretch.region->fd.get(), &info) != 0 ||
      static_cast<uint64_t>(info.st_size) < stretch.begin + bytes.size())
    return invalid("shared memory region '" + stretch.region->name +
                   "' has been made shorter since it was registered");
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = pwrite(stretch.region->fd.get(), bytes.data() + done, bytes.size() - done,
                       static_cast<off_t>(stretch.begin + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      return Error{Code::kInternal,
                   "shared memory region '" + stretch.region->name +
                       "' cannot be written: " + (n < 0 ? std::strerror(errno) : "no room")};
    done += static_cast<size_t>(n);
  }
  return ok();
}

}  // namespace corolla::front
