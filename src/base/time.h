// Time: one steady clock for everything that is measured or waited for. Policies take `now` as an
// argument, so that an hour can be simulated in a second; only loops and recorders read the clock.
#pragma once
#include <chrono>
#include <cstdint>

namespace corolla {

using Clock =
    std::chrono::steady_clock;  // CLOCK_MONOTONIC: comparable between processes of one machine
using TimePoint = Clock::time_point;
using Duration = std::chrono::nanoseconds;

inline constexpr TimePoint kNever = TimePoint::max();

inline TimePoint now() { return Clock::now(); }
// Nanoseconds since the steady clock's epoch: the form in which a time travels through shared
// memory.
inline int64_t to_ns(TimePoint t) {
  return std::chrono::duration_cast<Duration>(t.time_since_epoch()).count();
}
inline TimePoint from_ns(int64_t ns) { return TimePoint(Duration(ns)); }
inline double to_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace corolla
