#include "fleet/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>

namespace corolla::fleet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Ended {
  Death death;
  std::string output;
};

Ended run_to_end(const ProcessSpec& spec) {
  auto process = spawn(spec);
  EXPECT_TRUE(process.ok()) << process.error().what;
  pollfd dead{process->pidfd.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&dead, 1, 10000), 1);
  Ended ended;
  ended.death = reap(*process).value();
  char bytes[4096];
  ssize_t got;
  while ((got = ::read(process->output.get(), bytes, sizeof bytes)) > 0)
    ended.output.append(bytes, static_cast<size_t>(got));
  return ended;
}

ProcessSpec shell(const std::string& script) {
  ProcessSpec spec;
  spec.binary = "/bin/sh";
  spec.arguments = {"-c", script};
  return spec;
}

TEST(Process, ReportsHowItEnded) {
  EXPECT_EQ(run_to_end(shell("exit 0")).death.text(), "exit code 0");
  EXPECT_EQ(run_to_end(shell("exit 7")).death.text(), "exit code 7");
  EXPECT_THAT(run_to_end(shell("kill -SEGV $$")).death.text(), HasSubstr("killed by SIGSEGV"));
  EXPECT_EQ(run_to_end(shell("kill -KILL $$")).death.text(), "killed by SIGKILL");
}

TEST(Process, GetsItsEnvironmentAndBothStreamsArriveHere) {
  ProcessSpec spec = shell("echo out $CUDA_VISIBLE_DEVICES; echo err >&2; cat");
  spec.env = {{"CUDA_VISIBLE_DEVICES", "MIG-1"}};
  EXPECT_EQ(run_to_end(spec).output, "out MIG-1\nerr\n");
}

TEST(Process, InheritsNothingButItsChannel) {
  // Without close-on-exec, as a careless parent may leave them.
  Fd leak(::open("/dev/null", O_RDONLY));
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  Fd ours(pair[0]), theirs(pair[1]);
  // The shell's own listing opens one more, which is gone again when it is looked at.
  ProcessSpec spec = shell(
      "for f in 0 1 2 3 4 5 6 7 8 9 10 20 64 65 66 67; do "
      "[ -e /proc/$$/fd/$f ] && printf '%s ' $f; done");
  spec.channel = theirs.get();
  EXPECT_EQ(run_to_end(spec).output, "0 1 2 3 ");
  spec.channel = -1;
  EXPECT_EQ(run_to_end(spec).output, "0 1 2 ");
}

TEST(Process, RunsOnItsCpusOnly) {
  const std::vector<uint32_t> own = affinity_of(::getpid());
  ASSERT_FALSE(own.empty());
  ProcessSpec spec = shell("grep Cpus_allowed_list /proc/self/status");
  spec.cpus = {own.back()};
  EXPECT_EQ(run_to_end(spec).output, "Cpus_allowed_list:\t" + std::to_string(own.back()) + "\n");
}

TEST(Process, HasAProcessGroupOfItsOwnAndTheSignalsAtTheirDefaults) {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t term, before;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &term, &before);
  const Ended ended = run_to_end(shell(
      "[ $(ps -o pgid= -p $$) = $$ ] && echo own; grep -E 'SigBlk|SigIgn' /proc/self/status"));
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  EXPECT_THAT(ended.output, HasSubstr("SigBlk:\t0000000000000000"));
  EXPECT_THAT(ended.output, HasSubstr("SigIgn:\t0000000000000000"));
  EXPECT_THAT(ended.output, HasSubstr("own"));
}

TEST(Process, WhatCannotRunIsNamed) {
  ProcessSpec missing;
  missing.binary = "/nowhere/corolla-front";
  EXPECT_THAT(spawn(missing).error().what,
              HasSubstr("could not start /nowhere/corolla-front: execute it: No such file"));
  ProcessSpec folder;
  folder.binary = "/tmp";
  EXPECT_EQ(spawn(folder).error().code, Code::kPermission);
  ProcessSpec cpus = shell("true");
  cpus.cpus = {1023};
  EXPECT_THAT(spawn(cpus).error().what, HasSubstr("pin it to its cores"));
}

}  // namespace
}  // namespace corolla::fleet
