#include "engine/openvino/blob_cache.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/fd.h"
#include "plan/mapped_file.h"

namespace corolla::engine {
namespace {

constexpr char kMagic[16] = "corolla-blob-2\n";

struct Header {
  char magic[16];
  uint64_t bytes, hash;
  char key[64];
};
static_assert(sizeof(Header) <= Blob::kHeaderBytes);

Error failed(const std::string& call, const std::string& path) {
  return {Code::kInternal, call + " of " + path + " failed: " + std::strerror(errno)};
}

Status write_all(int fd, const char* data, size_t size, const std::string& path) {
  while (size > 0) {
    const ssize_t n = ::write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return failed("writing", path);
    data += n;
    size -= static_cast<size_t>(n);
  }
  return ok();
}

std::optional<Mapping> map_file(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat st {};
  if (!fd || ::fstat(fd.get(), &st) != 0 || st.st_size <= 0) return std::nullopt;
  void* data = ::mmap(nullptr, static_cast<size_t>(st.st_size), PROT_READ,
                      MAP_SHARED | MAP_POPULATE, fd.get(), 0);
  if (data == MAP_FAILED) return std::nullopt;
  return Mapping(static_cast<std::byte*>(data), static_cast<size_t>(st.st_size));
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_sha256(), nullptr) == 1 &&
        length == 32);
  std::string text;
  for (unsigned i = 0; i < length; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 15];
  }
  return text;
}

}  // namespace

Result<std::string> file_hash(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0)
    return Error{Code::kInvalidArgument,
                 "the model file " + path + " cannot be read: " + std::strerror(errno)};
  if (!S_ISREG(st.st_mode) || st.st_size == 0)
    return Error{
        Code::kInvalidArgument,
        "the model file " + path + (st.st_size == 0 ? " is empty" : " is no regular file")};
  auto map = map_file(path);
  if (!map)
    return Error{Code::kInvalidArgument,
                 "the model file " + path + " cannot be read: " + std::strerror(errno)};
  return std::to_string(st.st_size) + " " + plan::hash_text(plan::content_hash(map->bytes()));
}

BlobCache::BlobCache(std::string directory) : directory_(std::move(directory)) {
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::create_directories(directory_, ignored);
}

std::string BlobCache::path(const std::string& key, const char* end) const {
  return directory_ + "/" + sha256_hex(std::as_bytes(std::span(key))).substr(0, 40) + end;
}

std::optional<Blob> BlobCache::find(const std::string& key) const {
  if (directory_.empty()) return std::nullopt;
  const std::string file = path(key, ".blob");
  auto map = map_file(file);
  if (!map || map->size() < Blob::kHeaderBytes) return std::nullopt;
  Header header;
  std::memcpy(&header, map->data(), sizeof header);
  const auto content = map->bytes().subspan(Blob::kHeaderBytes);
  const std::string own_key = sha256_hex(std::as_bytes(std::span(key)));
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.bytes != content.size() ||
      std::memcmp(header.key, own_key.data(), sizeof header.key) != 0 ||
      header.hash != plan::content_hash(content))
    return std::nullopt;
  (void)::utimensat(AT_FDCWD, file.c_str(), nullptr, 0);  // used just now
  return Blob(*std::move(map));
}

Status BlobCache::put(const std::string& key, const std::string& content) {
  if (directory_.empty()) return ok();
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.bytes = content.size();
  header.hash = plan::content_hash(std::as_bytes(std::span(content)));
  std::memcpy(header.key, sha256_hex(std::as_bytes(std::span(key))).data(), sizeof header.key);
  std::string head(Blob::kHeaderBytes, '\0');
  std::memcpy(head.data(), &header, sizeof header);

  std::string temporary = path(key, ".XXXXXX");
  Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return failed("making", temporary);
  Status written = write_all(fd.get(), head.data(), head.size(), temporary);
  if (written.ok()) written = write_all(fd.get(), content.data(), content.size(), temporary);
  if (written.ok() && ::rename(temporary.c_str(), path(key, ".blob").c_str()) != 0)
    written = failed("renaming", temporary);
  if (!written.ok()) {
    ::unlink(temporary.c_str());
    return written;
  }
  prune();
  return ok();
}

void BlobCache::prune() const {
  namespace fs = std::filesystem;
  std::vector<std::pair<fs::file_time_type, fs::path>> blobs;
  std::error_code ignored;
  for (fs::directory_iterator it(directory_, ignored), end; !ignored && it != end;
       it.increment(ignored))
    if (it->path().extension() == ".blob")
      blobs.emplace_back(it->last_write_time(ignored), it->path());
  if (blobs.size() <= kMostFiles) return;
  std::sort(blobs.begin(), blobs.end());
  for (size_t i = 0; i < blobs.size() - kMostFiles; ++i) fs::remove(blobs[i].second, ignored);
}

BlobCache::Lock::Lock(const BlobCache& cache, const std::string& key) {
  if (cache.directory_.empty()) return;
  file_ = Fd(::open(cache.path(key, ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file_) return;
  while (::flock(file_.get(), LOCK_EX) != 0 && errno == EINTR) {
  }
}

}  // namespace corolla::engine
