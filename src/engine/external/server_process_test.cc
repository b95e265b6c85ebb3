#include "engine/external/server_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <fstream>
#include <sstream>

namespace corolla::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

bool readable(int fd, int limit_ms = 20000) {
  pollfd watched{fd, POLLIN, 0};
  return ::poll(&watched, 1, limit_ms) == 1;
}

// A descriptor that becomes readable when the process, no child of ours, has ended.
Fd watch(pid_t pid) { return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

struct Folder {
  Folder() {
    char name[] = "/tmp/corolla-external-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { (void)!::system(("rm -rf " + path).c_str()); }
  std::string text(const std::string& file) const {
    std::ifstream in(path + "/" + file);
    std::ostringstream all;
    all << in.rdbuf();
    return all.str();
  }
  std::string path;
};

ServerSpec shell(const std::string& script) { return {.command = {"sh", "-c", script}}; }

TEST(ServerProcess, SaysHowItEnded) {
  auto server = *ServerProcess::start(shell("exit 7"));
  ASSERT_TRUE(readable(server->ended_fd()));
  EXPECT_EQ(server->how_it_ended(), "exit code 7");
  server = *ServerProcess::start({.command = {"sleep", "1000"}});
  EXPECT_FALSE(readable(server->ended_fd(), 0));
  ::kill(server->pid(), SIGKILL);
  ASSERT_TRUE(readable(server->ended_fd()));
  EXPECT_EQ(server->how_it_ended(), "killed by SIGKILL");
}

TEST(ServerProcess, AProgramThatIsNotThereIsAnError) {
  const auto server = ServerProcess::start({.command = {"/no/such/server", "--port=1"}});
  ASSERT_FALSE(server.ok());
  EXPECT_EQ(server.error().code, Code::kNotFound);
  EXPECT_THAT(server.error().what, HasSubstr("'/no/such/server'"));
}

TEST(ServerProcess, EndsWithItsOwnerPolitelyAndThenNot) {
  const Folder folder;
  {
    auto server = *ServerProcess::start(shell("trap 'echo bye >" + folder.path +
                                              "/said; exit 0' TERM; echo >" + folder.path +
                                              "/up; while :; do sleep 0.01; done"));
    while (folder.text("up").empty()) ::poll(nullptr, 0, 5);
  }
  EXPECT_EQ(folder.text("said"), "bye\n");

  auto spec = shell("trap '' TERM; echo >" + folder.path + "/deaf; while :; do sleep 0.01; done");
  spec.stop_limit = milliseconds(100);
  auto server = *ServerProcess::start(spec);
  const Fd gone = watch(server->pid());
  while (folder.text("deaf").empty()) ::poll(nullptr, 0, 5);
  server.reset();
  EXPECT_TRUE(readable(gone.get(), 0));
}

TEST(ServerProcess, CleansUpBeforeAndAfter) {
  const Folder folder;
  auto spec = shell("echo server >>" + folder.path + "/order");
  spec.cleanup = {"sh", "-c", "echo cleanup >>" + folder.path + "/order"};
  auto server = *ServerProcess::start(spec);
  ASSERT_TRUE(readable(server->ended_fd()));
  EXPECT_EQ(folder.text("order"), "cleanup\nserver\ncleanup\n");
}

TEST(ServerProcess, LeavesNothingWhenItsOwnerIsKilled) {
  int told[2];
  ASSERT_EQ(::pipe2(told, O_CLOEXEC), 0);
  const pid_t owner = ::fork();
  if (owner == 0) {
    // A grandchild in the server's process group has to go too.
    auto server = *ServerProcess::start(shell("sleep 1000 & exec sleep 1000"));
    const pid_t pid = server->pid();
    (void)!::write(told[1], &pid, sizeof pid);
    ::pause();
    ::_exit(1);
  }
  pid_t server = 0;
  ASSERT_EQ(::read(told[0], &server, sizeof server), static_cast<ssize_t>(sizeof server));
  const Fd gone = watch(server);
  ASSERT_TRUE(gone);
  ::kill(owner, SIGKILL);
  ::waitpid(owner, nullptr, 0);
  EXPECT_TRUE(readable(gone.get()));
  for (int i = 0; i < 1000 && ::kill(-server, 0) == 0; ++i) ::poll(nullptr, 0, 10);
  EXPECT_EQ(::kill(-server, 0), -1);
  ::close(told[0]);
  ::close(told[1]);
}

TEST(ServerProcess, InheritsNoDescriptor) {
  const Folder folder;
  const Fd open(::open("/dev/null", O_RDONLY));  // without close-on-exec
  auto server = *ServerProcess::start(shell("exec ls /proc/self/fd >" + folder.path + "/fds"));
  ASSERT_TRUE(readable(server->ended_fd()));
  EXPECT_EQ(folder.text("fds"), "0\n1\n2\n3\n");  // 3 is the folder that ls reads
}

}  // namespace
}  // namespace corolla::engine
