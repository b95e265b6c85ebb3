// When a process that died is started again. The first time at once, then with delays that double;
// one that keeps dying by its own fault is parked: left dead and reported, until somebody changes
// something.
//
// A process killed from outside (an operator, a test) is no crash: it waits a little when it
// happens often and is never parked. The kernel's out-of-memory killer does count as a crash, since
// the next life would end alike.
//
// Pure: time comes in as an argument. One policy for each slice, and one for the front.
#pragma once
#include <deque>
#include <optional>

#include "base/time.h"

namespace corolla::fleet {

struct RestartSettings {
  Duration first_delay =
      std::chrono::milliseconds(100);  // of the second restart; the first is at once
  Duration longest_delay = std::chrono::seconds(5);
  Duration longest_delay_killed =
      std::chrono::milliseconds(100);  // the same for lives ended from outside
  Duration settled =
      std::chrono::seconds(10);  // a life this long makes the next restart a first one
  int crash_limit = 5;           // this many crashes ...
  Duration crash_window = std::chrono::seconds(60);  // ... within this time park it
  bool operator==(const RestartSettings&) const = default;
};

enum class EndedBy {
  kItself,   // an exit nobody asked for, a crash signal, a hang, or more memory than there is
  kOutside,  // SIGKILL or SIGTERM that the keeper did not send
};

class RestartPolicy {
 public:
  explicit RestartPolicy(const RestartSettings& settings = {}) : settings_(settings) {}

  void started(TimePoint now) { started_ = now; }

  // A life ended. When the next one may begin; nullopt: parked.
  std::optional<TimePoint> died(TimePoint now, EndedBy by);

  // When the next life may begin: in the past when at once. nullopt: parked.
  std::optional<TimePoint> next_start() const {
    return parked_ ? std::nullopt : std::optional(next_start_);
  }
  bool parked() const { return parked_; }
  int deaths() const { return deaths_; }

  // Forgets what happened, since somebody changed the configuration. The count of deaths stays.
  void forgive(const RestartSettings& settings);

 private:
  RestartSettings settings_;
  TimePoint started_{};
  TimePoint next_start_{};
  std::deque<TimePoint> crashes_;
  int in_a_row_ = 0;  // lives that ended before they settled
  int deaths_ = 0;
  bool parked_ = false;
};

}  // namespace corolla::fleet
