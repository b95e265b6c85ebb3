// How long a request and its completion take between two processes, and what they cost, when each
// side sleeps until it is rung. The engine's time is nought: this is the price of keeping workers
// in processes of their own.
#include <benchmark/benchmark.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/time.h"
#include "link/rings.h"

namespace corolla::link {
namespace {

struct Ends {
  OwnedMemory submit = *create_submit_region();
  OwnedMemory reply = *create_reply_region(4096);
  Mapping submit_view = *map_submit_region(submit.fd);
  Mapping reply_view = *map_reply_region(reply.fd);
  Fd worker_bell = *create_doorbell();
  Fd io_bell = *create_doorbell();
};

template <class Reader>
void sleep_on(Reader& reader, int bell) {
  if (!reader.prepare_sleep()) return;
  pollfd wait{bell, POLLIN, 0};
  (void)::poll(&wait, 1, -1);
  clear_doorbell(bell);
  reader.woke();
}

// Answers until a request of number 0 comes.
void answer(Ends& ends) {
  SubmitReader reader(reply_region(ends.reply), submit_region(ends.submit_view));
  CompletionWriter writer(reply_region(ends.reply), submit_region(ends.submit_view),
                          {ends.io_bell.get()});
  for (;;) {
    const auto batch = reader.take();
    if (!batch.ok()) return;
    for (const SubmitEntry& entry : *batch) {
      if (entry.request == 0) return;
      writer.push(0, {.request = entry.request});
    }
    if (batch->empty())
      sleep_on(reader, ends.worker_bell.get());
    else
      writer.publish();
  }
}

double cpu_us(int who) {
  rusage used{};
  ::getrusage(who, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

// Argument: requests outstanding.
void BM_RoundTrip(benchmark::State& state) {
  Ends ends;
  const pid_t child = ::fork();
  if (child == 0) {
    answer(ends);
    ::_exit(0);
  }
  SubmitWriter writer(submit_region(ends.submit), reply_region(ends.reply_view),
                      ends.worker_bell.get());
  CompletionReader reader(submit_region(ends.submit), reply_region(ends.reply_view), 0);
  const auto send = [&](uint64_t request) {
    const SubmitEntry entry{.request = request, .batch = request, .batch_size = 1};
    (void)writer.push({&entry, 1}).ok();
  };
  const auto outstanding = static_cast<uint64_t>(state.range(0));
  std::vector<TimePoint> sent(kRingEntries);
  std::vector<double> us;
  uint64_t request = 0;
  const double before = cpu_us(RUSAGE_SELF);
  for (; request < outstanding;) send(++request), sent[request % kRingEntries] = now();
  for (auto _ : state) {
    Completion done;
    while (*reader.read({&done, 1}) == 0) sleep_on(reader, ends.io_bell.get());
    us.push_back(to_seconds(now() - sent[done.request % kRingEntries]) * 1e6);
    ++request;
    sent[request % kRingEntries] = now();
    send(request);
  }
  const double front_us = cpu_us(RUSAGE_SELF) - before;
  send(0);
  const double children_before = cpu_us(RUSAGE_CHILDREN);
  ::waitpid(child, nullptr, 0);
  std::sort(us.begin(), us.end());
  const auto each = static_cast<double>(us.size());
  state.counters["p50_us"] = us[us.size() / 2];
  state.counters["p99_us"] = us[us.size() * 99 / 100];
  state.counters["front_cpu_us"] = front_us / each;
  state.counters["worker_cpu_us"] = (cpu_us(RUSAGE_CHILDREN) - children_before) / each;
}
BENCHMARK(BM_RoundTrip)->Arg(1)->Arg(2)->Arg(16)->UseRealTime();

}  // namespace
}  // namespace corolla::link
