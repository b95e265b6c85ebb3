#include "serve/worker/sigbus_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "base/check.h"

namespace corolla::worker {
namespace {

struct Range {
  std::atomic<bool> taken{false};
  std::atomic<uintptr_t> begin{0}, end{0};
  std::atomic<bool> broken{false};
};
Range ranges[kMaxGuardedRanges];
std::atomic<size_t> ranges_used{0};  // no range beyond this was ever taken

// Runs in a signal handler: nothing but atomics and one system call.
void on_sigbus(int, siginfo_t* info, void*) {
  const int saved = errno;
  const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  const size_t used = ranges_used.load();
  for (size_t i = 0; i < used; ++i) {
    const uintptr_t begin = ranges[i].begin.load(), end = ranges[i].end.load();
    if (address < begin || address >= end) continue;
    const uintptr_t page = address & ~uintptr_t{4095};
    const long mapped = ::syscall(SYS_mmap, page, ((end + 4095) & ~uintptr_t{4095}) - page,
                                  PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (mapped == -1) break;
    ranges[i].broken.store(true);
    errno = saved;
    return;
  }
  ::signal(SIGBUS, SIG_DFL);  // the faulting read runs again and ends the process
  errno = saved;
}

}  // namespace

void install_sigbus_guard() {
  struct sigaction action {};
  action.sa_sigaction = on_sigbus;
  action.sa_flags = SA_SIGINFO;
  CHECK(::sigaction(SIGBUS, &action, nullptr) == 0);
}

GuardedRange::GuardedRange(const std::byte* data, size_t size) : index_(kMaxGuardedRanges) {
  for (size_t i = 0; i < kMaxGuardedRanges; ++i) {
    if (ranges[i].taken.exchange(true)) continue;
    ranges[i].broken = false;
    ranges[i].begin = reinterpret_cast<uintptr_t>(data);
    ranges[i].end = reinterpret_cast<uintptr_t>(data) + size;
    size_t used = ranges_used.load();
    while (used < i + 1 && !ranges_used.compare_exchange_weak(used, i + 1)) {
    }
    index_ = i;
    return;
  }
}

GuardedRange::~GuardedRange() {
  if (!ok()) return;
  ranges[index_].end = 0;
  ranges[index_].begin = 0;
  ranges[index_].taken = false;
}

bool GuardedRange::broken() const { return ok() && ranges[index_].broken.load(); }

}  // namespace corolla::worker
