#include "base/shared_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

namespace corolla {
namespace {

TEST(SharedMemory, ReaderSeesTheOwnersWritesAndCannotWriteItself) {
  auto owned = create_sealed_memory("test", 10000);
  ASSERT_TRUE(owned.ok()) << owned.error().what;
  EXPECT_EQ(owned->map.size() % 4096, 0u);
  owned->map.data()[5000] = std::byte{42};

  auto reader = map_sealed_readonly(owned->fd, 10000);
  ASSERT_TRUE(reader.ok()) << reader.error().what;
  EXPECT_EQ(reader->data()[5000], std::byte{42});

  EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, owned->fd.get(), 0),
            MAP_FAILED);
  EXPECT_NE(::mprotect(reader->data(), 4096, PROT_READ | PROT_WRITE), 0);
  EXPECT_LT(::pwrite(owned->fd.get(), "x", 1, 0), 0);
  const std::string path = "/proc/self/fd/" + std::to_string(owned->fd.get());
  Fd again(::open(path.c_str(), O_RDWR));
  if (again) {
    EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, again.get(), 0),
              MAP_FAILED);
    EXPECT_LT(::pwrite(again.get(), "x", 1, 0), 0);
  }
}

TEST(SharedMemory, RefusesMemoryThatCouldShrinkOrIsTooSmall) {
  Fd loose(::memfd_create("loose", MFD_ALLOW_SEALING | MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(loose.get(), 8192), 0);
  EXPECT_EQ(map_sealed_readonly(loose, 1).error().code, Code::kInvalidArgument);

  auto owned = create_sealed_memory("small", 4096);
  ASSERT_TRUE(owned.ok());
  EXPECT_NE(map_sealed_readonly(owned->fd, 5000).error().what.find("5000"), std::string::npos);
}

}  // namespace
}  // namespace corolla
