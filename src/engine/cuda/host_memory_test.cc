#include "engine/cuda/host_memory.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <mutex>
#include <semaphore>
#include <set>
#include <thread>
#include <vector>

namespace corolla::engine::cuda {
namespace {

using namespace std::chrono_literals;

// A driver that remembers, and can be made to refuse or to take its time.
class HostMemoryTest : public testing::Test {
 protected:
  HostMemory::Driver driver() {
    return {[this](std::span<const std::byte> memory, bool writable) -> Status {
              begun.release();
              gate.acquire();
              if (!writable && refuses_read_only)
                return Error{Code::kUnsupported, "not read-only memory"};
              const std::lock_guard lock(mutex);
              registered.insert(memory.data());
              return ok();
            },
            [this](std::span<const std::byte> memory) {
              const std::lock_guard lock(mutex);
              EXPECT_EQ(registered.erase(memory.data()), 1u);
            }};
  }
  // As holds(), once what was added was dealt with.
  bool held(const HostMemory& memory, std::span<const std::byte> piece, bool to_write) {
    for (int i = 0; i < 3000 && !memory.holds(piece, to_write); ++i)
      std::this_thread::sleep_for(1ms);
    return memory.holds(piece, to_write);
  }

  std::counting_semaphore<> gate{0}, begun{0};
  bool refuses_read_only = false;
  std::mutex mutex;
  std::set<const std::byte*> registered;
  std::vector<std::byte> bytes = std::vector<std::byte>(1000);
  std::span<const std::byte> all{bytes};
};

TEST_F(HostMemoryTest, HoldsWhatLiesWithinAndMayBeDoneThere) {
  gate.release(2);
  HostMemory memory(driver(), 5000);
  std::vector<std::byte> other(100);
  memory.add(all, false);
  memory.add(other, true);
  EXPECT_TRUE(held(memory, all.subspan(10, 990), false));
  EXPECT_TRUE(held(memory, other, true));
  EXPECT_FALSE(memory.holds(all, true)) << "read-only";
  EXPECT_FALSE(memory.holds({all.data() + 1, all.size()}, false)) << "a byte too far";
  memory.remove(all);
  EXPECT_FALSE(memory.holds(all.first(1), false));
  memory.remove(other);
  EXPECT_TRUE(registered.empty());
}

TEST_F(HostMemoryTest, NothingIsHeldBeforeItIsRegistered) {
  HostMemory memory(driver(), 5000);
  memory.add(all, true);
  begun.acquire();
  EXPECT_FALSE(memory.holds(all, false));
  auto removed = std::async(std::launch::async, [&] { memory.remove(all); });
  EXPECT_EQ(removed.wait_for(20ms), std::future_status::timeout) << "it is being registered";
  gate.release();
  removed.get();
  EXPECT_TRUE(registered.empty());
}

TEST_F(HostMemoryTest, WhatIsRefusedOrTooMuchIsNotHeld) {
  gate.release(2);
  refuses_read_only = true;
  HostMemory memory(driver(), 1050);
  std::vector<std::byte> most(1000), more(51);
  memory.add(all, false);
  memory.add(most, true);
  memory.add(more, true);
  EXPECT_TRUE(held(memory, most, true));
  memory.remove(more);
  EXPECT_FALSE(memory.holds(all, false));
  memory.remove(all);
  memory.remove(most);
  EXPECT_TRUE(registered.empty());
}

}  // namespace
}  // namespace corolla::engine::cuda
