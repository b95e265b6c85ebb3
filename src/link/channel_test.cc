#include "link/channel.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

namespace corolla::link {
namespace {

TEST(Channel, CarriesMessagesAndDescriptors) {
  auto ends = Channel::pair();
  ASSERT_TRUE(ends.ok());
  auto& [a, b] = *ends;
  Fd event(::eventfd(7, EFD_NONBLOCK));

  Message out;
  out.mutable_attach()->set_io_threads(2);
  ASSERT_TRUE(a.send(out, {event.get(), event.get()}).ok());
  auto in = b.receive_within(std::chrono::seconds(5));
  ASSERT_TRUE(in.ok()) << in.error().what;
  EXPECT_EQ(in->message.attach().io_threads(), 2u);
  ASSERT_EQ(in->fds.size(), 2u);
  uint64_t value = 0;
  EXPECT_EQ(::read(in->fds[1].get(), &value, 8), 8);
  EXPECT_EQ(value, 7u);

  auto none = b.receive();
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
}

TEST(Channel, ALargeMessageStaysWhole) {
  auto ends = Channel::pair();
  ASSERT_TRUE(ends.ok());
  Message out;
  out.mutable_status_answer()->set_json(std::string(100000, 'x'));
  ASSERT_TRUE(ends->first.send(out).ok());
  auto in = ends->second.receive_within(std::chrono::seconds(5));
  ASSERT_TRUE(in.ok());
  EXPECT_EQ(in->message.status_answer().json().size(), 100000u);
}

TEST(Channel, ADeadPeerIsAnErrorOnBothVerbs) {
  auto ends = Channel::pair();
  ASSERT_TRUE(ends.ok());
  { Channel dead = std::move(ends->second); }
  EXPECT_EQ(ends->first.receive().error().code, Code::kUnavailable);
  EXPECT_EQ(ends->first.send(Message()).error().code, Code::kUnavailable);
}

TEST(Channel, GarbageIsAnErrorAndNotACrash) {
  auto ends = Channel::pair();
  ASSERT_TRUE(ends.ok());
  ASSERT_GT(::send(ends->first.fd(), "\xff\xff\xff", 3, 0), 0);
  EXPECT_FALSE(ends->second.receive().ok());
}

}  // namespace
}  // namespace corolla::link
