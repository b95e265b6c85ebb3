#include "serve/worker/keeper_sharing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include <future>

namespace corolla::worker {
namespace {

using namespace std::chrono_literals;

class KeeperSharingTest : public testing::Test {
 protected:
  KeeperSharingTest() : ends(*link::Channel::pair()) {}
  // What the worker has to say next, as its control thread sends it.
  link::Received hear() {
    pollfd watched{sharing.event_fd(), POLLIN, 0};
    CHECK(::poll(&watched, 1, 30000) == 1 && sharing.send(ends.first).ok());
    return *ends.second.receive_within(30s);
  }

  std::pair<link::Channel, link::Channel> ends;
  KeeperSharing sharing;
};

ino_t file_of(int descriptor) {
  struct stat st {};
  return ::fstat(descriptor, &st) == 0 ? st.st_ino : 0;
}

TEST_F(KeeperSharingTest, GivesTheEngineWhatTheKeeperSends) {
  auto wanted = std::async(std::launch::async, [&] { return sharing.want("w"); });
  EXPECT_EQ(hear().message.want_shared().name(), "w");
  std::vector<Fd> sent;
  sent.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const ino_t file = file_of(sent[0].get());
  sharing.answered("something else", {});
  sharing.answered("w", std::move(sent));
  const std::optional<Fd> got = wanted.get();
  ASSERT_TRUE(got && *got);
  EXPECT_EQ(file_of(got->get()), file);
}

TEST_F(KeeperSharingTest, WhatIsMadeGoesToTheKeeperWithItsDescriptor) {
  auto wanted = std::async(std::launch::async, [&] { return sharing.want("w"); });
  (void)hear();
  sharing.answered("w", {});
  const std::optional<Fd> got = wanted.get();
  ASSERT_TRUE(got);
  EXPECT_FALSE(*got) << "nobody has it: this worker makes it";
  sharing.made("w", Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
  sharing.made("v", Fd());
  sharing.drop("w");
  auto heard = hear();
  EXPECT_EQ(heard.message.shared_made().name(), "w");
  EXPECT_EQ(heard.fds.size(), 1u);
  heard = *ends.second.receive_within(30s);
  EXPECT_EQ(heard.message.shared_made().name(), "v");
  EXPECT_TRUE(heard.fds.empty());
  EXPECT_EQ(ends.second.receive_within(30s)->message.drop_shared().name(), "w");
}

TEST(KeeperSharing, DoesNotWaitForEver) {
  KeeperSharing sharing(10ms);
  auto ends = *link::Channel::pair();
  EXPECT_FALSE(sharing.want("w").has_value());
  ASSERT_TRUE(sharing.send(ends.first).ok());
  EXPECT_TRUE(ends.second.receive_within(30s)->message.has_want_shared());
  EXPECT_EQ(ends.second.receive_within(30s)->message.drop_shared().name(), "w");
  sharing.answered("w", {});  // too late: nobody is there to take it
}

}  // namespace
}  // namespace corolla::worker
