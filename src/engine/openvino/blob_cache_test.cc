#include "engine/openvino/blob_cache.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace corolla::engine {
namespace {

namespace fs = std::filesystem;

class BlobCacheTest : public testing::Test {
 protected:
  BlobCacheTest() {
    std::string name = (fs::temp_directory_path() / "blob_cache_XXXXXX").string();
    directory = ::mkdtemp(name.data());
  }
  ~BlobCacheTest() override { fs::remove_all(directory); }
  fs::path only_blob() {
    for (const auto& entry : fs::directory_iterator(directory))
      if (entry.path().extension() == ".blob") return entry.path();
    return {};
  }
  static std::string text(const Blob& blob) {
    return {reinterpret_cast<const char*>(blob.bytes().data()), blob.bytes().size()};
  }
  fs::path directory;
};

TEST_F(BlobCacheTest, KeepsWhatItIsGivenUnderItsKey) {
  BlobCache cache((directory / "deep" / "er").string());
  EXPECT_FALSE(cache.find("a"));
  ASSERT_TRUE(cache.put("a", "one").ok());
  ASSERT_TRUE(cache.put("a", "two").ok());
  auto found = cache.find("a");
  ASSERT_TRUE(found);
  EXPECT_EQ(text(*found), "two");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(found->bytes().data()) % 4096, 0u);
  EXPECT_FALSE(cache.find("b"));
}

TEST_F(BlobCacheTest, AnyDamageCountsAsNone) {
  BlobCache cache(directory.string());
  const std::string content(10000, 'x');
  for (size_t at : {size_t{0}, size_t{17}, size_t{27}, size_t{90}, size_t{4096}, size_t{14095}}) {
    ASSERT_TRUE(cache.put("a", content).ok());
    std::fstream file(only_blob(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file.put('~');
    file.close();
    EXPECT_FALSE(cache.find("a")) << at;
  }
  for (size_t size : {0, 1, 4095, 4096, 14095}) {
    ASSERT_TRUE(cache.put("a", content).ok());
    fs::resize_file(only_blob(), size);
    EXPECT_FALSE(cache.find("a")) << size;
  }
  // Another key's file under this name.
  ASSERT_TRUE(cache.put("a", content).ok());
  const fs::path stolen = only_blob();
  fs::rename(stolen, directory / "aside");
  ASSERT_TRUE(cache.put("b", content).ok());
  fs::rename(directory / "aside", only_blob());
  EXPECT_FALSE(cache.find("b"));
}

TEST_F(BlobCacheTest, WithoutADirectoryNothingIsKeptAndNothingFails) {
  BlobCache none("");
  EXPECT_TRUE(none.put("a", "one").ok());
  EXPECT_FALSE(none.find("a"));
  BlobCache::Lock lock(none, "a");
  BlobCache impossible("/proc/no/such/place");
  EXPECT_FALSE(impossible.put("a", "one").ok());
  EXPECT_FALSE(impossible.find("a"));
  BlobCache::Lock nor(impossible, "a");
}

TEST_F(BlobCacheTest, TheLongestUnusedGoFirst) {
  BlobCache cache(directory.string());
  for (size_t i = 0; i <= BlobCache::kMostFiles; ++i) {
    ASSERT_TRUE(cache.put(std::to_string(i), "x").ok());
    fs::last_write_time(only_blob(), fs::last_write_time(only_blob()));
  }
  size_t kept = 0;
  for (const auto& entry : fs::directory_iterator(directory))
    kept += entry.path().extension() == ".blob";
  EXPECT_EQ(kept, BlobCache::kMostFiles);
}

TEST_F(BlobCacheTest, OneMakesAndTheOthersWait) {
  // Eight processes that all miss: each makes the blob only if it is not there once it has the
  // lock.
  for (int i = 0; i < 8; ++i) {
    if (::fork() != 0) continue;
    BlobCache cache(directory.string());
    BlobCache::Lock lock(cache, "a");
    if (!cache.find("a")) {
      std::ofstream(directory / "made", std::ios::app) << "x";
      (void)cache.put("a", "one").ok();
    }
    ::_exit(0);
  }
  while (::wait(nullptr) > 0) {
  }
  EXPECT_EQ(fs::file_size(directory / "made"), 1u);
}

TEST_F(BlobCacheTest, FilesAreToldApartByTheirContent) {
  const auto hash = [&](const std::string& content) {
    std::ofstream(directory / "file", std::ios::trunc) << content;
    return *file_hash((directory / "file").string());
  };
  const std::string some = hash(std::string(5000, 'a'));
  EXPECT_EQ(hash(std::string(5000, 'a')), some);
  EXPECT_NE(hash(std::string(5001, 'a')), some);
  EXPECT_NE(hash(std::string(4999, 'a') + 'b'), some);
  EXPECT_EQ(file_hash((directory / "none").string()).error().code, Code::kInvalidArgument);
  EXPECT_EQ(file_hash(directory.string()).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace corolla::engine
