// Sends load from its own threads and keeps a Sample of every request.
//
// Closed loop: a fixed number of requests is outstanding; each answer is followed by the next
// request. Open loop: the schedule decides when a request is due, and nothing that the server does
// can slow it down. Latency is always counted from when the request was DUE, not from when it left.
//
// Threads: one controlling thread calls the methods below; the load's own threads are inside.
// Requests are never copied: every thread sends the same ClientCalls.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "load/arrivals.h"
#include "load/sample.h"
#include "wire/client_address.h"
#include "wire/client_call.h"

namespace corolla::load {

struct GeneratorOptions {
  wire::Protocol protocol = wire::Protocol::kHttp;
  std::vector<wire::ClientAddress> addresses;
  // For each address the calls to send, in turn. REQUIRES: as many lists as addresses, none empty.
  std::vector<std::vector<std::shared_ptr<const wire::ClientCall>>> calls;
  size_t threads = 1;
  size_t max_connections =
      4096;  // HTTP, all threads together: a request beyond is an error Sample, never a wait
  std::optional<Duration> timeout;
};

class Generator {
 public:
  // kInternal when the machine gives no event loop or thread.
  static Result<std::unique_ptr<Generator>> start(GeneratorOptions options);
  ~Generator();  // drops what is outstanding

  // Closed loop with `outstanding` requests from now on; 0 stops sending. At most `limit` requests
  // in all.
  void run_closed(size_t outstanding, uint64_t limit = UINT64_MAX);

  // Open loop: `make` is called once a thread and must give the same schedule each time; its
  // offsets count from `start`.
  using MakeArrivals = std::function<std::unique_ptr<Arrivals>()>;
  void run_open(MakeArrivals make, TimePoint start, uint64_t limit = UINT64_MAX);

  // Sends no more. Outstanding requests go on; see wait_idle().
  void stop_sending();
  // True once nothing is outstanding and no schedule runs; false if that takes longer.
  bool wait_idle(Duration at_most);

  // All samples finished since the last take(), of all threads, in no particular order.
  std::vector<Sample> take();

  uint64_t finished() const;   // requests that have ended so far
  size_t outstanding() const;  // at this moment

  // CPU time used so far by the busiest load thread, and by all of them.
  struct CpuUse {
    Duration busiest, sum;
  };
  CpuUse cpu() const;

  // The most recent error's sentence, if any request has failed.
  std::optional<std::string> last_error() const;

 private:
  class Worker;
  explicit Generator(GeneratorOptions options);
  GeneratorOptions options_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace corolla::load
