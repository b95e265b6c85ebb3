#include "serve/worker/front_link.h"

#include <gtest/gtest.h>

#include <map>

namespace corolla::worker {
namespace {

// Remembers the memory that it may use, and whether it may write there.
class Noting final : public engine::Engine {
 public:
  std::string name() const override { return "noting"; }
  Result<std::unique_ptr<engine::Model>> load(const engine::ModelSource&) override {
    return Error{Code::kUnsupported, "it loads nothing"};
  }
  int depth() const override { return 1; }
  void submit(engine::Model&, std::span<engine::Request>, engine::Done) override {}
  void use_memory(std::span<const std::byte> memory, bool writable) override {
    EXPECT_TRUE(used.emplace(memory.data(), std::pair(memory.size(), writable)).second);
  }
  void forget_memory(std::span<const std::byte> memory) override {
    EXPECT_EQ(used.erase(memory.data()), 1u);
    EXPECT_LE(memory[0], std::byte{1}) << "it can still be read";
  }
  std::map<const std::byte*, std::pair<size_t, bool>> used;
};

TEST(FrontLink, TheEngineMayUseItsMemoryWhileItLives) {
  Noting engine;
  link::Attach attach;
  attach.set_io_threads(1);
  attach.set_arena_bytes(1 << 20);
  const OwnedMemory arena = *create_sealed_memory("arena", 1 << 20);
  std::vector<Fd> fds;
  fds.emplace_back(::dup(arena.fd.get()));
  fds.push_back(std::move(link::create_submit_region()->fd));
  fds.push_back(*link::create_doorbell());
  fds.push_back(*link::create_doorbell());
  auto front = *open_front_link(attach, std::move(fds), 1 << 16, engine);
  using Used = std::pair<size_t, bool>;
  ASSERT_EQ(engine.used.size(), 2u);
  EXPECT_EQ(engine.used[front->arena.data()], Used(1 << 20, false));
  EXPECT_EQ(engine.used[front->reply.map.data()], Used(front->reply.map.size(), true));

  const OwnedMemory client = *create_sealed_memory("client", 4096);
  ASSERT_TRUE(front->regions.map(7, client.fd, 4096).ok());
  const auto held = front->regions.find(7);
  EXPECT_EQ(engine.used[held->bytes().data()], Used(4096, false));
  front->regions.unmap(7);
  EXPECT_EQ(engine.used.size(), 3u) << "a batch still has it";

  std::weak_ptr<FrontLink> gone = front;
  front.reset();
  EXPECT_TRUE(gone.expired());
  EXPECT_EQ(engine.used.size(), 1u);
}

}  // namespace
}  // namespace corolla::worker
