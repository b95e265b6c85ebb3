#include "fleet/listeners.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace corolla::fleet {
namespace {

using ::testing::HasSubstr;

TEST(Listeners, PortZeroBecomesAFreeOne) {
  const auto all = open_listeners({{"http", {"127.0.0.1", 0}}, {"grpc", {"::1", 0}}});
  if (!all.ok()) GTEST_SKIP() << all.error().what;  // no IPv6 here
  ASSERT_EQ(all->size(), 2u);
  for (const Listening& one : *all) EXPECT_GT(one.endpoint.port, 0);
}

TEST(Listeners, ATakenPortNamesTheProcessThatHasIt) {
  const auto first = open_listeners({{"http", {"127.0.0.1", 0}}});
  ASSERT_TRUE(first.ok());
  const Endpoint taken = (*first)[0].endpoint;
  const auto second = open_listeners({{"any", taken}});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kBusy);
  EXPECT_THAT(second.error().what, HasSubstr("any " + taken.text() + " is taken by process " +
                                             std::to_string(::getpid()) + " ("));
}

TEST(Listeners, AllOrNone) {
  const auto first = open_listeners({{"http", {"127.0.0.1", 0}}});
  const Endpoint taken = (*first)[0].endpoint;
  uint16_t freed = 0;
  {
    const auto probe = open_listeners({{"grpc", {"127.0.0.1", 0}}});
    freed = (*probe)[0].endpoint.port;
  }
  EXPECT_FALSE(open_listeners({{"grpc", {"127.0.0.1", freed}}, {"http", taken}}).ok());
  EXPECT_TRUE(open_listeners({{"grpc", {"127.0.0.1", freed}}}).ok());
}

TEST(Listeners, AnAddressThatIsNotOursIsNamed) {
  const auto foreign = open_listeners({{"http", {"192.0.2.1", 0}}});
  ASSERT_FALSE(foreign.ok());
  EXPECT_THAT(foreign.error().what, HasSubstr("this machine has no such address"));
}

TEST(Listeners, PortsBelow1024WithoutRightsSayWhatIsMissing) {
  const pid_t child = ::fork();
  if (child == 0) {
    // As nobody, unless the machine lets everybody have low ports.
    if (::getuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    const auto low = open_listeners({{"http", {"127.0.0.1", 1}}});
    if (low.ok()) ::_exit(2);
    ::_exit(low.error().code == Code::kPermission &&
                    low.error().what.find("CAP_NET_BIND_SERVICE") != std::string::npos
                ? 0
                : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  if (WEXITSTATUS(status) == 2) GTEST_SKIP() << "low ports are free for all on this machine";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Listeners, WhoListensIsEmptyWhenNobodyDoes) {
  uint16_t freed = 0;
  {
    const auto probe = open_listeners({{"grpc", {"127.0.0.1", 0}}});
    freed = (*probe)[0].endpoint.port;
  }
  EXPECT_EQ(who_listens({"127.0.0.1", freed}), "");
}

}  // namespace
}  // namespace corolla::fleet
