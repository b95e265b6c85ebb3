#include "serve/front/shm_registry.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <thread>

namespace corolla::front {
namespace {

using Use = ShmRegistry::Use;

// A real shared memory object with a name of its own.
class Object {
 public:
  explicit Object(size_t bytes) {
    static int count = 0;
    key_ = "/corolla_test_" + std::to_string(getpid()) + "_" + std::to_string(++count);
    fd_ = Fd(shm_open(key_.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
    EXPECT_TRUE(fd_);
    EXPECT_EQ(ftruncate(fd_.get(), static_cast<off_t>(bytes)), 0);
  }
  ~Object() { unlink(); }
  void unlink() {
    if (!key_.empty()) shm_unlink(key_.c_str());
    unlinked_ = true;
  }
  const std::string& key() const { return key_; }
  int fd() const { return fd_.get(); }

 private:
  std::string key_;
  Fd fd_;
  bool unlinked_ = false;
};

class ShmRegistryTest : public ::testing::Test {
 protected:
  std::vector<uint32_t> gone_;
  ShmRegistry registry_{[this](uint32_t number) { gone_.push_back(number); }};

  void refused(const std::string& key, uint64_t offset, uint64_t bytes, Code code) {
    auto result = registry_.add("r", key, offset, bytes);
    ASSERT_FALSE(result.ok()) << key;
    EXPECT_EQ(result.error().code, code) << result.error().what;
  }
};

TEST_F(ShmRegistryTest, ResolvesPlacesInsideARegion) {
  Object object(8192);
  auto region = registry_.add("in", object.key(), 4096, 4096);
  ASSERT_TRUE(region.ok()) << region.error().what;
  EXPECT_EQ((*region)->mapped_bytes(), 8192u);
  auto stretch = registry_.resolve({"in", 96, 4000}, Use::kInput);
  ASSERT_TRUE(stretch.ok()) << stretch.error().what;
  EXPECT_EQ(stretch->begin, 4192u);
  EXPECT_EQ(stretch->region->number, (*region)->number);
  uint64_t most = std::numeric_limits<uint64_t>::max();
  for (auto [offset, bytes] : {std::pair<uint64_t, uint64_t>{0, 4097},
                               {4096, 1},
                               {4097, 0},
                               {most, 1},
                               {1, most},
                               {most, most},
                               {1, most - 0}})
    EXPECT_EQ(registry_.resolve({"in", offset, bytes}, Use::kInput).error().code,
              Code::kInvalidArgument)
        << offset << " " << bytes;
  EXPECT_EQ(registry_.resolve({"out", 0, 1}, Use::kInput).error().code, Code::kNotFound);
}

// Inference into memory that was registered with an offset ended a real server's process.
TEST_F(ShmRegistryTest, WritesOutputsBehindAnOffset) {
  Object object(8192);
  ASSERT_TRUE(registry_.add("out", object.key(), 4096, 16).ok());
  auto stretch = registry_.resolve({"out", 8, 8}, Use::kOutput);
  ASSERT_TRUE(stretch.ok());
  ASSERT_TRUE(write_shm(*stretch, std::as_bytes(std::span("corolla", 8))).ok());
  char back[8];
  ASSERT_EQ(pread(object.fd(), back, 8, 4104), 8);
  EXPECT_STREQ(back, "corolla");
}

TEST_F(ShmRegistryTest, SurvivesMemoryThatIsCutShort) {
  Object object(4096);
  ASSERT_TRUE(registry_.add("out", object.key(), 0, 4096).ok());
  auto stretch = registry_.resolve({"out", 0, 4096}, Use::kOutput);
  ASSERT_EQ(ftruncate(object.fd(), 0), 0);
  std::vector<std::byte> data(4096);
  EXPECT_EQ(write_shm(*stretch, data).error().code, Code::kInvalidArgument);
  struct stat info {};
  ASSERT_EQ(fstat(object.fd(), &info), 0);
  EXPECT_EQ(info.st_size, 0) << "and is not made longer again";
}

TEST_F(ShmRegistryTest, RefusesWhatCannotBe) {
  Object object(4096);
  uint64_t most = std::numeric_limits<uint64_t>::max();
  refused(object.key(), 0, 4097, Code::kInvalidArgument);
  refused(object.key(), 4096, 1, Code::kInvalidArgument);
  refused(object.key(), most, 1, Code::kInvalidArgument);
  refused(object.key(), 1, most, Code::kInvalidArgument);
  refused(object.key(), uint64_t{1} << 63, uint64_t{1} << 63, Code::kInvalidArgument);
  refused(object.key(), 0, 0, Code::kInvalidArgument);
  refused("/no_such_object_here", 0, 1, Code::kNotFound);
  for (std::string key :
       {"", "/", "/..", "..", ".", "/../etc/passwd", "//etc/passwd", "/a/b", "/a\xff"})
    refused(key, 0, 1, Code::kInvalidArgument);
  refused(std::string("/a\0b", 4), 0, 1, Code::kInvalidArgument);
  refused("/" + std::string(256, 'a'), 0, 1, Code::kInvalidArgument);
  std::string link = "/dev/shm" + object.key() + "_link";
  ASSERT_EQ(symlink("/etc/passwd", link.c_str()), 0);
  refused(object.key() + "_link", 0, 1, Code::kInvalidArgument);
  unlink(link.c_str());
  ASSERT_EQ(mkfifo(link.c_str(), 0600), 0);
  refused(object.key() + "_link", 0, 1, Code::kInvalidArgument);
  unlink(link.c_str());
  EXPECT_FALSE(registry_.add("", object.key(), 0, 1).ok());
  EXPECT_FALSE(registry_.add("\xff", object.key(), 0, 1).ok());
  EXPECT_TRUE(registry_.list()->empty());
}

TEST_F(ShmRegistryTest, TakesOnlyWhatIsAllowed) {
  Object object(4096);
  const auto why = [&](ShmAllowed allowed) -> std::string {
    ShmRegistry registry([](uint32_t) {}, std::move(allowed));
    const auto added = registry.add("a", object.key(), 0, 8);
    if (added.ok()) return "";
    EXPECT_EQ(added.error().code, Code::kUnsupported);
    return added.error().what;
  };
  EXPECT_EQ(why({}), "");
  EXPECT_EQ(why({.any = true, .prefix = object.key().substr(1, 4)}), "");
  EXPECT_NE(why({.any = true, .prefix = "triton_"}).find("'/triton_'"), std::string::npos);
  EXPECT_NE(why({.any = false, .prefix = ""}).find("off"), std::string::npos);
}

TEST_F(ShmRegistryTest, NamesAreTakenUntilUnregistered) {
  Object object(4096);
  uint32_t first = (*registry_.add("a", object.key(), 0, 8))->number;
  EXPECT_EQ(registry_.add("a", object.key(), 0, 8).error().code, Code::kAlreadyExists);
  EXPECT_TRUE(registry_.add("b", object.key(), 8, 8).ok());
  EXPECT_EQ(registry_.list()->size(), 2u);
  EXPECT_EQ(registry_.list("b")->at(0)->offset, 8u);
  EXPECT_EQ(registry_.list("c").error().code, Code::kNotFound);
  registry_.remove("c");
  registry_.remove("a");
  EXPECT_EQ(gone_, (std::vector<uint32_t>{first}));
  EXPECT_NE((*registry_.add("a", object.key(), 0, 8))->number, first) << "numbers are never reused";
  registry_.remove_all();
  EXPECT_EQ(gone_.size(), 3u);
  EXPECT_TRUE(registry_.list()->empty());
}

TEST_F(ShmRegistryTest, ARegionInUseOutlivesItsName) {
  Object object(4096);
  ASSERT_TRUE(registry_.add("a", object.key(), 0, 8).ok());
  auto stretch = registry_.resolve({"a", 0, 8}, Use::kOutput);
  registry_.remove("a");
  EXPECT_TRUE(gone_.empty());
  EXPECT_TRUE(write_shm(*stretch, std::as_bytes(std::span("1234567", 8))).ok());
  EXPECT_EQ(registry_.resolve({"a", 0, 8}, Use::kInput).error().code, Code::kNotFound);
  *stretch = {};
  EXPECT_EQ(gone_.size(), 1u);
}

TEST_F(ShmRegistryTest, LeasesEndWhenUnlinkedAndIdle) {
  Object object(4096), kept(4096);
  ASSERT_TRUE(registry_.add("a", object.key(), 0, 8).ok());
  ASSERT_TRUE(registry_.add("b", kept.key(), 0, 8).ok());
  Duration lease = std::chrono::seconds(10);
  TimePoint later = now() + std::chrono::minutes(1);
  EXPECT_TRUE(registry_.sweep(later, lease).empty()) << "its name is still there";
  object.unlink();
  EXPECT_TRUE(registry_.sweep(now(), lease).empty()) << "used just now";
  EXPECT_EQ(registry_.sweep(later, lease), (std::vector<std::string>{"a"}));
  EXPECT_EQ(gone_.size(), 1u);
  EXPECT_EQ(registry_.list()->size(), 1u);
}

TEST_F(ShmRegistryTest, AnUnlinkedRegionGivesWayToANewOneOfItsName) {
  Object old(4096), fresh(64);
  ASSERT_TRUE(registry_.add("a", old.key(), 0, 4096).ok());
  old.unlink();
  auto region = registry_.add("a", fresh.key(), 0, 64);
  ASSERT_TRUE(region.ok()) << region.error().what;
  EXPECT_EQ(gone_.size(), 1u);
}

TEST_F(ShmRegistryTest, ThreadsMayRegisterAndUseAtOnce) {
  Object object(4096);
  std::atomic<int> released = 0;
  ShmRegistry registry([&](uint32_t) { ++released; });
  std::atomic<bool> stop = false;
  std::thread user([&] {
    while (!stop) {
      auto stretch = registry.resolve({"a", 0, 8}, Use::kOutput);
      if (!stretch.ok()) continue;
      EXPECT_TRUE(write_shm(*stretch, std::as_bytes(std::span("1234567", 8))).ok());
    }
  });
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(registry.add("a", object.key(), 0, 8).ok());
    registry.remove("a");
  }
  stop = true;
  user.join();
  EXPECT_EQ(released, 500);
}

}  // namespace
}  // namespace corolla::front
