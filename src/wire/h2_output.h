// What waits to be written on an HTTP/2 connection: frame heads and small frames copied, large
// payloads borrowed where they lie.
//
// Threads: the connection's loop.
#pragma once
#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace corolla::wire {

class H2Output {
 public:
  bool empty() const { return bytes_ == 0; }
  size_t bytes() const { return bytes_; }

  void append(std::span<const std::byte> copied);
  // `keep` holds the memory; it is let go once these bytes are written, or the output is destroyed.
  void append(std::span<const std::byte> borrowed, std::shared_ptr<const void> keep);

  // Parts to be written next, in order; as many as fit. Valid until the next append() or written().
  std::span<const iovec> parts();
  // The first `n` bytes are out.
  void written(size_t n);

 private:
  struct Segment {
    const std::byte* borrowed;  // nullptr: at `at` of copied_
    size_t at;
    size_t size;
    std::shared_ptr<const void> keep;
  };

  std::vector<std::byte> copied_;
  std::vector<Segment> segments_;
  size_t first_ = 0;  // segments before it are out
  size_t bytes_ = 0;
  std::vector<iovec> parts_;
};

}  // namespace corolla::wire
