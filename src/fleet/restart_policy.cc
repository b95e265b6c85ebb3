#include "fleet/restart_policy.h"

#include <algorithm>

namespace corolla::fleet {

std::optional<TimePoint> RestartPolicy::died(TimePoint now, EndedBy by) {
  ++deaths_;
  if (now - started_ >= settings_.settled) in_a_row_ = 0;
  if (by == EndedBy::kItself) {
    crashes_.push_back(now);
    while (!crashes_.empty() && now - crashes_.front() > settings_.crash_window)
      crashes_.pop_front();
    if (static_cast<int>(crashes_.size()) >= settings_.crash_limit) {
      parked_ = true;
      return std::nullopt;
    }
  }
  Duration delay{0};
  if (in_a_row_ > 0) {
    const Duration longest =
        by == EndedBy::kItself ? settings_.longest_delay
                               : std::min(settings_.longest_delay_killed, settings_.longest_delay);
    delay = settings_.first_delay;
    for (int i = 1; i < in_a_row_ && delay < longest; ++i) delay *= 2;
    delay = std::min(delay, longest);
  }
  ++in_a_row_;
  next_start_ = now + delay;
  return next_start_;
}

void RestartPolicy::forgive(const RestartSettings& settings) {
  settings_ = settings;
  crashes_.clear();
  in_a_row_ = 0;
  parked_ = false;
  next_start_ = TimePoint{};
}

}  // namespace corolla::fleet
