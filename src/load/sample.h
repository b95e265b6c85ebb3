// What is kept of each request, until its window has been summarised. Times are nanoseconds on the
// steady clock.
#pragma once
#include <cstdint>
#include <optional>

#include "base/result.h"
#include "base/time.h"

namespace corolla::load {

struct Sample {
  int64_t due =
      0;  // open loop: when the schedule wanted it; closed loop: when a place became free (= sent)
  int64_t sent = 0;      // given to a connection
  int64_t done = 0;      // the whole answer was there, or the error
  uint32_t send_ns = 0;  // first to last byte of the request
  uint32_t recv_ns = 0;  // first to last byte of the answer
  uint8_t failed = 0;    // 0, or 1 + the Code
  uint8_t address = 0;   // which of the URLs

  int64_t latency() const { return done - due; }
  int64_t lateness() const { return sent - due; }
  bool ok() const { return failed == 0; }
  Code code() const { return static_cast<Code>(failed - 1); }
};

}  // namespace corolla::load
