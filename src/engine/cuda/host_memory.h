// Host memory of others that the device reads and writes directly: where requests and replies lie.
//
// Registering takes the memory's pages for good and up to a millisecond a megabyte, so it is done
// on a thread of its own; until it is done, and where it is refused, holds() says no, and copies go
// through memory of ours.
//
// Thread-safe.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"

namespace corolla::engine::cuda {

class HostMemory {
 public:
  // How memory is made known to the device, on the thread of this class, and taken back.
  struct Driver {
    std::function<Status(std::span<const std::byte>, bool writable)> add;
    std::function<void(std::span<const std::byte>)> remove;
  };
  static Driver cuda_driver(int device);

  // More than `most_bytes` in all are not registered: pages that are taken are missed elsewhere.
  HostMemory(Driver driver, size_t most_bytes);
  // REQUIRES: everything was removed.
  ~HostMemory();

  void add(std::span<const std::byte> memory, bool writable);
  // Ends the use of what was added: at the end it is not registered any more, or never will be.
  // REQUIRES: no copy of it is under way.
  void remove(std::span<const std::byte> memory);

  // Whether the device may read (write) all of `piece`.
  bool holds(std::span<const std::byte> piece, bool to_write) const;

 private:
  struct Part {
    std::span<const std::byte> memory;
    bool writable = false;
    enum class State { kWaiting, kUnderWay, kReady, kRefused } state = State::kWaiting;
  };
  void run();

  const Driver driver_;
  const size_t most_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Part> parts_;
  bool stop_ = false, refused_before_ = false;
  std::thread thread_;
};

}  // namespace corolla::engine::cuda
