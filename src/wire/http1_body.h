// The body of one HTTP/1.1 request on its way into a BodySink: takes off the framing
// (Content-Length or chunks), inflates it when it is compressed, and holds it to its limit. Reused
// from request to request.
//
// Threads: the loop's own. Does not touch the socket: its connection reads, either into an
// InputBuffer and then feed(), or, for direct() bytes, straight into the sink's room and then
// took_direct().
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "wire/compression.h"
#include "wire/exchange.h"
#include "wire/http1_chunks.h"
#include "wire/input_buffer.h"

namespace corolla::wire {

class Http1Body {
 public:
  // `length` nullopt: chunked. `limit`: bytes of the body as sent, and again once inflated.
  void begin(std::optional<uint64_t> length, Coding coding, size_t limit);

  enum class Outcome : uint8_t {
    kMore,    // all that could be used of the buffer is used
    kNoRoom,  // the sink has none
    kDone,    // the body is complete; the buffer begins with what follows it
    kFailed,  // see error()
  };
  // Moves what it can from the buffer to the sink. No sink: drops it, without inflating. The
  // pointer is looked at anew after each call of the sink, which may have answered the exchange and
  // so ended itself.
  Outcome feed(InputBuffer& in, BodySink* const& sink);

  // Bytes that come next on the connection and go to the sink as they are; 0 while framing or
  // inflating is to be done. REQUIRES: the last feed() said kMore.
  uint64_t direct() const { return inflating_ ? 0 : data_left(); }
  // `n` such bytes were read into the sink's room (or dropped). kFailed when the sink did not want
  // them.
  Outcome took_direct(size_t n, BodySink* const& sink);

  bool done() const { return done_; }
  bool chunked() const { return chunked_; }
  uint64_t received() const { return received_; }  // as sent, without framing
  // Bytes still to come, as far as it is known: of this chunk only when chunked.
  uint64_t data_left() const { return chunked_ ? chunks_.data_left() : left_; }
  const Error& error() const { return error_; }

 private:
  bool take_framing(InputBuffer& in);
  void took(uint64_t n);
  bool over_limit(uint64_t bytes);
  Outcome inflate_into(InputBuffer& in, size_t available, BodySink* const& sink);
  Outcome fail(Error error);

  bool chunked_ = false, inflating_ = false, done_ = true;
  size_t limit_ = 0;
  uint64_t left_ = 0, received_ = 0, inflated_ = 0;
  ChunkReader chunks_;
  std::unique_ptr<Inflater> inflater_;  // made when first needed
  Error error_;
};

}  // namespace corolla::wire
