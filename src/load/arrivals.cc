#include "load/arrivals.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace corolla::load {
namespace {

// xorshift-multiply (splitmix64): the standard library's distributions differ between libraries,
// schedules may not.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  double exponential() {  // mean 1
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    const double uniform = (static_cast<double>(z >> 11) + 0.5) * 0x1p-53;
    return -std::log(uniform);
  }

 private:
  uint64_t state_;
};

Duration seconds(double s) { return Duration(static_cast<int64_t>(s * 1e9)); }

class Constant final : public Arrivals {
 public:
  explicit Constant(double rate) : rate_(rate) {}
  std::optional<Duration> next() override { return seconds(static_cast<double>(n_++) / rate_); }

 private:
  double rate_;
  uint64_t n_ = 0;
};

class Poisson final : public Arrivals {
 public:
  Poisson(double rate, uint64_t seed) : rate_(rate), random_(seed) {}
  std::optional<Duration> next() override {
    at_ += random_.exponential() / rate_;
    return seconds(at_);
  }

 private:
  double rate_, at_ = 0;
  Random random_;
};

class Intervals final : public Arrivals {
 public:
  explicit Intervals(std::vector<Duration> gaps) : gaps_(std::move(gaps)) {}
  std::optional<Duration> next() override {
    const Duration due = at_;
    at_ += gaps_[n_++ % gaps_.size()];
    return due;
  }

 private:
  std::vector<Duration> gaps_;
  size_t n_ = 0;
  Duration at_{};
};

class Trace final : public Arrivals {
 public:
  explicit Trace(std::vector<Duration> offsets) : offsets_(std::move(offsets)) {}
  std::optional<Duration> next() override {
    if (n_ == offsets_.size()) return std::nullopt;
    return offsets_[n_++];
  }

 private:
  std::vector<Duration> offsets_;
  size_t n_ = 0;
};

class TwoState final : public Arrivals {
 public:
  TwoState(const Burst& burst, uint64_t seed) : burst_(burst), random_(seed) {
    switch_at_ = random_.exponential() * to_seconds(burst_.calm_mean);
  }
  std::optional<Duration> next() override {
    while (true) {
      const double rate = bursting_ ? burst_.burst_rate : burst_.calm_rate;
      // Memoryless: a gap that would cross the switch is drawn anew from there with the other rate.
      const double due = rate > 0 ? at_ + random_.exponential() / rate : INFINITY;
      if (due <= switch_at_) {
        at_ = due;
        return seconds(at_);
      }
      at_ = switch_at_;
      bursting_ = !bursting_;
      switch_at_ +=
          random_.exponential() * to_seconds(bursting_ ? burst_.burst_mean : burst_.calm_mean);
    }
  }

 private:
  Burst burst_;
  Random random_;
  bool bursting_ = false;
  double at_ = 0, switch_at_ = 0;
};

class Until final : public Arrivals {
 public:
  Until(std::unique_ptr<Arrivals> inner, Duration length)
      : inner_(std::move(inner)), length_(length) {}
  std::optional<Duration> next() override {
    const auto due = inner_->next();
    return due && *due < length_ ? due : std::nullopt;
  }

 private:
  std::unique_ptr<Arrivals> inner_;
  Duration length_;
};

class Share final : public Arrivals {
 public:
  Share(std::unique_ptr<Arrivals> inner, size_t part, size_t parts)
      : inner_(std::move(inner)), skip_(part), parts_(parts) {}
  std::optional<Duration> next() override {
    while (skip_ > 0) {
      if (!inner_->next()) return std::nullopt;
      --skip_;
    }
    skip_ = parts_ - 1;
    return inner_->next();
  }

 private:
  std::unique_ptr<Arrivals> inner_;
  size_t skip_, parts_;
};

}  // namespace

double Burst::mean_rate() const {
  const double calm = to_seconds(calm_mean), burst = to_seconds(burst_mean);
  return (calm_rate * calm + burst_rate * burst) / (calm + burst);
}

std::unique_ptr<Arrivals> make_constant(double rate) {
  CHECK(rate > 0);
  return std::make_unique<Constant>(rate);
}

std::unique_ptr<Arrivals> make_poisson(double rate, uint64_t seed) {
  CHECK(rate > 0);
  return std::make_unique<Poisson>(rate, seed);
}

std::unique_ptr<Arrivals> make_intervals(std::vector<Duration> gaps) {
  CHECK(!gaps.empty());
  return std::make_unique<Intervals>(std::move(gaps));
}

std::unique_ptr<Arrivals> make_trace(std::vector<Duration> offsets) {
  CHECK(std::is_sorted(offsets.begin(), offsets.end()));
  return std::make_unique<Trace>(std::move(offsets));
}

std::unique_ptr<Arrivals> make_burst(const Burst& burst, uint64_t seed) {
  CHECK(burst.burst_rate > 0 && burst.burst_mean > Duration::zero() && burst.calm_rate >= 0);
  return std::make_unique<TwoState>(burst, seed);
}

std::unique_ptr<Arrivals> until(std::unique_ptr<Arrivals> arrivals, Duration length) {
  return std::make_unique<Until>(std::move(arrivals), length);
}

std::unique_ptr<Arrivals> share_of(std::unique_ptr<Arrivals> arrivals, size_t part, size_t parts) {
  CHECK(part < parts);
  if (parts == 1) return arrivals;
  return std::make_unique<Share>(std::move(arrivals), part, parts);
}

}  // namespace corolla::load
