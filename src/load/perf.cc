#include "load/perf.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "load/perf_target.h"

namespace corolla::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kTick = milliseconds(10);
constexpr Duration kProgressEvery = milliseconds(250);
constexpr Duration kDrain = seconds(10);

class Measurer final : public Perf {
 public:
  Measurer(std::unique_ptr<PerfOptions> options, std::unique_ptr<PerfTarget> target)
      : options_(std::move(options)), target_(std::move(target)) {}

  const client::ModelMetadata& metadata() const override { return target_->metadata(); }

  Result<PerfResult> run(PerfObserver& observer, const std::atomic<bool>& stop,
                         bool keep_samples) override {
    observer_ = &observer;
    stop_ = &stop;
    keep_samples_ = keep_samples;
    result_ = {};
    result_.server = target_->server_name();
    GeneratorOptions generator = target_->generator_options();
    generator.threads = options_->max_threads;
    if (generator.threads == 0)
      generator.threads = std::clamp<size_t>(std::thread::hardware_concurrency() / 2, 1, 16);
    ASSIGN_OR_RETURN(generator_, Generator::start(std::move(generator)));
    RETURN_IF_ERROR(all_levels());
    generator_.reset();
    result_.interrupted = stop;
    if (result_.rows.empty() && result_.broken) return *result_.broken;
    return std::move(result_);
  }

 private:
  using Kind = LoadLevel::Kind;

  Status all_levels() {
    if (options_->concurrency) return levels(Kind::kConcurrency, *options_->concurrency);
    if (options_->rate) return levels(Kind::kRate, *options_->rate);
    if (options_->burst) {
      level({Kind::kRate, options_->burst->mean_rate()},
            [burst = *options_->burst, seed = options_->seed] { return make_burst(burst, seed); });
    } else if (!options_->trace_file.empty()) {
      ASSIGN_OR_RETURN(std::vector<Duration> offsets, read_trace(options_->trace_file));
      for (Duration& offset : offsets)
        offset = Duration(
            static_cast<int64_t>(static_cast<double>(offset.count()) / options_->trace_speed));
      const double length = std::max(1e-9, to_seconds(offsets.back()));
      const uint64_t count = offsets.size();
      whole_run(
          {Kind::kRate, static_cast<double>(count) / length},
          [offsets = std::move(offsets)] { return make_trace(offsets); }, count);
    } else {
      ASSIGN_OR_RETURN(std::vector<Duration> gaps, read_intervals(options_->intervals_file));
      Duration sum{};
      for (const Duration gap : gaps) sum += gap;
      level({Kind::kRate, static_cast<double>(gaps.size()) / to_seconds(sum)},
            [gaps] { return make_intervals(gaps); });
    }
    return ok();
  }

  Status levels(Kind kind, const Range& range) {
    if (options_->binary_search) return search(kind, range);
    for (int i = 0;; ++i) {
      const double value = range.begin + i * range.step;
      if (range.end != 0 && value > range.end * (1 + 1e-12)) break;
      const bool meets = one(kind, value);
      if (halted() || (!meets && options_->stability.latency_threshold)) break;
      if (range.end == 0 && !options_->stability.latency_threshold) break;
    }
    return ok();
  }

  // The largest value whose latency stays under the threshold, to within a step.
  Status search(Kind kind, const Range& range) {
    double low = range.begin, high = range.end;
    while (low <= high && !halted()) {
      double middle = (low + high) / 2;
      if (kind == Kind::kConcurrency) middle = std::floor(middle);
      if (one(kind, middle))
        low = middle + range.step;
      else
        high = middle - range.step;
    }
    return ok();
  }

  bool halted() const { return *stop_ || result_.broken; }

  // Measures one level; true when it stayed under the threshold.
  bool one(Kind kind, double value) {
    const LoadLevel wanted{kind, value};
    if (kind == Kind::kConcurrency) {
      if (options_->request_count > 0) return whole_run(wanted, nullptr, options_->request_count);
      return level(wanted, nullptr);
    }
    const auto make = [value, poisson = options_->distribution == Distribution::kPoisson,
                       seed = options_->seed] {
      return poisson ? make_poisson(value, seed) : make_constant(value);
    };
    if (options_->request_count > 0) return whole_run(wanted, make, options_->request_count);
    return level(wanted, make);
  }

  void begin_load(const LoadLevel& wanted, const Generator::MakeArrivals& make,
                  uint64_t limit = UINT64_MAX) {
    if (wanted.kind == Kind::kConcurrency)
      generator_->run_closed(static_cast<size_t>(wanted.value), limit);
    else
      generator_->run_open(make, now() + milliseconds(5), limit);
  }

  void warm_up(const LoadLevel& wanted) {
    if (options_->warmup_requests == 0) return;
    generator_->run_closed(
        wanted.kind == Kind::kConcurrency ? static_cast<size_t>(wanted.value) : 1,
        options_->warmup_requests);
    wait_idle(wanted, seconds(600));
    generator_->take();
  }

  // Windows until they agree, or until there were too many of them.
  bool level(const LoadLevel& wanted, const Generator::MakeArrivals& make) {
    warm_up(wanted);
    begin_load(wanted, make);
    carried_.clear();
    std::vector<Window> windows;
    Verdict verdict = Verdict::kMore;
    PerfTarget::Reading before = target_->read();
    double busy_before = to_seconds(generator_->cpu().busiest);
    for (size_t trial = 1; trial <= options_->max_trials && verdict == Verdict::kMore; ++trial) {
      if (!wait_window(wanted, trial)) break;
      PerfTarget::Reading after = target_->read();
      const double busy_after = to_seconds(generator_->cpu().busiest);
      windows.push_back(window(before, after, busy_after - busy_before));
      if (windows.size() > options_->stability.windows) windows.front().samples = {};
      if (windows.size() > options_->stability.windows) windows.erase(windows.begin());
      verdict = judge(windows, options_->stability);
      before = std::move(after);
      busy_before = busy_after;
      if (nothing_answers(windows.back())) break;
    }
    generator_->stop_sending();
    if (wanted.kind == Kind::kRate || halted()) {
      generator_->wait_idle(*stop_ ? milliseconds(100) : kDrain);
      generator_->take();
    }
    if (windows.empty() || (windows.size() == 1 && result_.broken)) return false;
    if (*stop_ && verdict == Verdict::kMore && windows.size() < options_->stability.windows)
      return false;
    return finish(wanted, windows, verdict == Verdict::kStable);
  }

  // One window from the first request to the last answer.
  bool whole_run(const LoadLevel& wanted, const Generator::MakeArrivals& make, uint64_t count) {
    warm_up(wanted);
    carried_.clear();
    const PerfTarget::Reading before = target_->read();
    const double busy_before = to_seconds(generator_->cpu().busiest);
    begin_load(wanted, make, count);
    wait_idle(wanted, std::chrono::hours(24));
    PerfTarget::Reading after = target_->read();
    if (*stop_) generator_->stop_sending();
    Window all = window(before, after, to_seconds(generator_->cpu().busiest) - busy_before);
    if (!all.samples.empty()) {
      int64_t first = INT64_MAX, last = 0;
      for (const Sample& sample : all.samples) {
        first = std::min(first, sample.due);
        last = std::max(last, sample.done);
      }
      all.begin = from_ns(first);
      all.end = from_ns(std::max(last, first + 1));
    }
    nothing_answers(all);
    if (all.samples.empty() || result_.broken) return false;
    std::vector<Window> windows;
    windows.push_back(std::move(all));
    return finish(wanted, windows, !*stop_);
  }

  bool nothing_answers(const Window& window) {
    uint64_t answered = 0;
    for (const Sample& sample : window.samples) answered += sample.ok();
    if (answered > 0 || *stop_) return false;
    const auto sentence = generator_->last_error();
    if (window.samples.empty() && !sentence) return false;
    // Refusals and timeouts are results; a server that is gone is not.
    const bool gone =
        std::any_of(window.samples.begin(), window.samples.end(), [](const Sample& s) {
          return s.code() != Code::kOverloaded && s.code() != Code::kDeadlineExceeded;
        });
    if (!gone) return false;
    result_.broken = Error{Code::kUnavailable,
                           "no request was answered for " +
                               std::to_string(static_cast<int64_t>(window.seconds() * 1000)) +
                               " ms: " + sentence.value_or("nothing came back")};
    return true;
  }

  bool finish(const LoadLevel& wanted, std::vector<Window>& windows, bool stable) {
    RowOptions row_options;
    row_options.batch = options_->input.batch;
    row_options.stability = options_->stability;
    row_options.budget =
        options_->budget ? options_->budget : options_->stability.latency_threshold;
    row_options.max_lateness = options_->max_lateness;
    PerfRow row = make_row(wanted, windows, row_options);
    row.stable = stable;
    if (keep_samples_) {
      result_.samples.emplace_back();
      for (Window& w : windows)
        result_.samples.back().insert(result_.samples.back().end(), w.samples.begin(),
                                      w.samples.end());
    }
    const bool meets = !row.over_threshold;
    result_.rows.push_back(std::move(row));
    observer_->finished(result_.rows.back(), result_);
    return meets;
  }

  Window window(const PerfTarget::Reading& before, const PerfTarget::Reading& after, double busy) {
    Window w;
    w.begin = before.at;
    w.end = after.at;
    w.client_cpu = after.client_cpu - before.client_cpu;
    if (before.server_cpu && after.server_cpu)
      w.server_cpu = *after.server_cpu - *before.server_cpu;
    if (before.statistics && after.statistics)
      w.server = growth(*after.statistics, *before.statistics);
    for (const auto& [slice, count] : after.slices) {
      const auto was = before.slices.find(slice);
      w.slice_requests[slice] =
          std::max(0.0, count - (was == before.slices.end() ? 0 : was->second));
    }
    w.gauges = after.gauges;
    w.busiest_thread = w.seconds() > 0 ? busy / w.seconds() : 0;
    std::vector<Sample> taken = std::move(carried_);
    carried_.clear();
    for (const Sample& sample : generator_->take()) taken.push_back(sample);
    const int64_t begin = to_ns(w.begin), end = to_ns(w.end);
    w.samples.reserve(taken.size());
    for (const Sample& sample : taken) {
      if (sample.done >= end)
        carried_.push_back(sample);
      else if (sample.done >= begin)
        w.samples.push_back(sample);
    }
    return w;
  }

  // False: interrupted.
  bool wait_window(const LoadLevel& wanted, size_t trial) {
    const TimePoint begin = now();
    const uint64_t finished_before = generator_->finished();
    TimePoint next_progress = begin + kProgressEvery;
    while (true) {
      const TimePoint time = now();
      const uint64_t finished = generator_->finished() - finished_before;
      if (options_->measurement == Measurement::kTime) {
        if (time - begin >= options_->window) return true;
      } else if (finished >= options_->window_requests) {
        return true;
      }
      if (*stop_) return false;
      if (time >= next_progress) {
        observer_->progress(wanted, trial, static_cast<double>(finished) / to_seconds(time - begin),
                            generator_->outstanding());
        next_progress = time + kProgressEvery;
      }
      const Duration left =
          options_->measurement == Measurement::kTime ? options_->window - (time - begin) : kTick;
      std::this_thread::sleep_for(std::min(left, kTick));
    }
  }

  void wait_idle(const LoadLevel& wanted, Duration at_most) {
    const TimePoint begin = now();
    const uint64_t finished_before = generator_->finished();
    TimePoint next_progress = begin + kProgressEvery;
    while (!generator_->wait_idle(kTick) && !*stop_ && now() - begin < at_most) {
      if (now() < next_progress) continue;
      next_progress += kProgressEvery;
      observer_->progress(
          wanted, 1,
          static_cast<double>(generator_->finished() - finished_before) / to_seconds(now() - begin),
          generator_->outstanding());
    }
  }

  std::unique_ptr<PerfOptions> options_;  // the target refers to it
  std::unique_ptr<PerfTarget> target_;
  std::unique_ptr<Generator> generator_;
  PerfObserver* observer_ = nullptr;
  const std::atomic<bool>* stop_ = nullptr;
  bool keep_samples_ = false;
  PerfResult result_;
  std::vector<Sample> carried_;  // ended after their window: they belong to the next one
};

Status check(const PerfOptions& options) {
  const auto bad = [](std::string what) { return Error{Code::kInvalidArgument, std::move(what)}; };
  const int kinds = options.concurrency.has_value() + options.rate.has_value() +
                    options.burst.has_value() + !options.intervals_file.empty() +
                    !options.trace_file.empty();
  if (kinds != 1)
    return bad(
        "choose one load: a concurrency range, a request rate range, request intervals, a trace or "
        "bursts");
  for (const auto& range : {options.concurrency, options.rate}) {
    if (!range) continue;
    if (range->begin <= 0 || range->step <= 0 || (range->end != 0 && range->end < range->begin))
      return bad("a range needs 0 < start <= end and a step above 0");
    if (options.binary_search && (!options.stability.latency_threshold || range->end == 0))
      return bad("--binary-search needs a range with an end, and a latency threshold (-l)");
    if (range->end == 0 && !options.stability.latency_threshold)
      return bad("a range without an end needs a latency threshold (-l)");
  }
  if (options.concurrency && std::max(options.concurrency->begin, options.concurrency->end) > 1e6)
    return bad("a concurrency above 1000000 is not measured");
  if (options.window <= Duration::zero()) return bad("the measurement interval must be above 0 ms");
  if (options.max_trials < 1) return bad("--max-trials must be at least 1");
  if (options.stability.percentile &&
      (*options.stability.percentile <= 0 || *options.stability.percentile >= 100))
    return bad("--percentile must lie between 0 and 100");
  return ok();
}

}  // namespace

Result<std::unique_ptr<Perf>> Perf::prepare(PerfOptions options) {
  RETURN_IF_ERROR(check(options));
  auto own = std::make_unique<PerfOptions>(std::move(options));
  ASSIGN_OR_RETURN(auto target, PerfTarget::prepare(*own));
  return std::unique_ptr<Perf>(std::make_unique<Measurer>(std::move(own), std::move(target)));
}

}  // namespace corolla::load
