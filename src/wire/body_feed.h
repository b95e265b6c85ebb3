// One message's bytes from a transport into the handler's BodySink, inflated on the way if need be.
//
// Threads: the connection's loop. Knows no protocol.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "base/result.h"
#include "wire/compression.h"
#include "wire/exchange.h"

namespace corolla::wire {

class BodyFeed {
 public:
  // Begins a message of at most `limit` bytes after inflating. `sink` may be null: the bytes are
  // dropped.
  void begin(BodySink* sink, Coding coding, size_t limit);
  void drop() { sink_ = nullptr; }

  // Where the next bytes could be read to directly, so that take() of the same memory need not
  // copy. Empty: nowhere.
  std::span<std::byte> direct_room();

  // Takes from the front of `data`: how many bytes. Fewer than all: blocked(). Errors: the sink's;
  // kTooLarge; kInvalidArgument for broken compression.
  Result<size_t> take(std::span<const std::byte> data);
  // All bytes were given. True: the sink has the whole message. False: blocked().
  Result<bool> end();
  // The sink had no room at the last call: try again when it has.
  bool blocked() const { return blocked_; }

 private:
  Result<size_t> inflate(std::span<const std::byte> data);

  BodySink* sink_ = nullptr;
  Coding coding_ = Coding::kIdentity;
  size_t limit_ = 0, produced_ = 0;
  bool blocked_ = false;
  std::unique_ptr<Inflater> inflater_;
};

}  // namespace corolla::wire
