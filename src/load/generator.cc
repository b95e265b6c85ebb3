#include "load/generator.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "wire/client_grpc.h"
#include "wire/client_http.h"
#include "wire/event_loop.h"

namespace corolla::load {
namespace {

uint32_t span_ns(TimePoint begin, TimePoint end) {
  if (begin == TimePoint() || end < begin) return 0;
  return static_cast<uint32_t>(std::min<int64_t>((end - begin).count(), UINT32_MAX));
}

}  // namespace

// One thread, one loop, its connections and its part of the load.
class Generator::Worker final : public wire::CallObserver {
 public:
  Worker(const GeneratorOptions& options, std::unique_ptr<wire::EventLoop> loop, size_t index)
      : options_(options), loop_(std::move(loop)) {
    next_call_.resize(options.addresses.size(), index);
    idle_.resize(options.addresses.size());
    // A thread's connections, and its place in the round over the addresses, do not depend on its
    // neighbours.
    next_address_ = index;
    thread_ = std::thread([this] {
      prctl(PR_SET_TIMERSLACK, 1UL);  // 50 us of slack would be our own lateness
      pthread_getcpuclockid(pthread_self(), &cpu_clock_);
      clock_ready_.store(true, std::memory_order_release);
      loop_->run();
    });
  }

  ~Worker() override {
    loop_->post([this] {
      sending_ = false;
      connections_.clear();
    });
    loop_->stop();
    thread_.join();
    connections_.clear();
  }

  void run_closed(size_t outstanding, uint64_t limit) {
    busy_.store(true);
    loop_->post([this, outstanding, limit] {
      end_schedule();
      target_ = outstanding;
      left_ = limit;
      sending_ = outstanding > 0;
      // In steps, so that the first answers are not kept waiting by the last connections.
      fill();
      note_idle();
    });
  }

  void run_open(std::unique_ptr<Arrivals> arrivals, TimePoint start, uint64_t limit) {
    busy_.store(true);
    auto shared = std::make_shared<std::unique_ptr<Arrivals>>(std::move(arrivals));
    loop_->post([this, shared, start, limit] {
      end_schedule();
      target_ = 0;
      left_ = limit;
      sending_ = true;
      arrivals_ = std::move(*shared);
      start_ = start;
      due_ = arrivals_->next();
      pace();
    });
  }

  void stop_sending() {
    loop_->post([this] {
      end_schedule();
      sending_ = false;
      target_ = 0;
      note_idle();
    });
  }

  bool busy() const { return busy_.load(std::memory_order_acquire); }

  std::vector<Sample> take() {
    std::promise<std::vector<Sample>> promise;
    auto future = promise.get_future();
    loop_->post([this, &promise] {
      std::vector<Sample> taken;
      taken.reserve(samples_.size());
      taken.swap(samples_);
      promise.set_value(std::move(taken));
    });
    return future.get();
  }

  uint64_t finished() const { return finished_.load(std::memory_order_relaxed); }
  size_t outstanding() const { return outstanding_.load(std::memory_order_relaxed); }

  Duration cpu() const {
    timespec used{};
    if (!clock_ready_.load(std::memory_order_acquire) || clock_gettime(cpu_clock_, &used) != 0)
      return {};
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
  }

  std::optional<std::string> last_error() const {
    std::lock_guard lock(error_mutex_);
    return last_error_;
  }

  void on_answer(uint64_t tag, const wire::Answer& answer) override {
    Slot& slot = slots_[tag];
    Sample sample;
    sample.due = slot.due;
    sample.sent = slot.sent;
    sample.done = to_ns(answer.ok() ? answer.times.recv_end : now());
    sample.send_ns = span_ns(answer.times.send_begin, answer.times.send_end);
    sample.recv_ns = span_ns(answer.times.recv_begin, answer.times.recv_end);
    sample.address = static_cast<uint8_t>(slot.address);
    if (answer.error)
      sample.failed = static_cast<uint8_t>(1 + static_cast<int>(answer.error->code));
    keep(sample, answer.error ? &*answer.error : nullptr);
    const size_t address = slot.address;
    if (options_.protocol == wire::Protocol::kHttp) idle_[address].push_back(slot.connection);
    free_slots_.push_back(tag);
    outstanding_.store(slots_.size() - free_slots_.size(), std::memory_order_relaxed);

    if (target_ == 0) return note_idle();
    if (answer.error && answer.error->code == Code::kUnavailable) {
      // Nobody there: asking again at once would only spin.
      ++resting_;
      loop_->at(now() + std::chrono::milliseconds(10), [this, address] {
        --resting_;
        if (in_flight() + resting_ < target_) send_closed(address);
        note_idle();
      });
      return;
    }
    if (in_flight() + resting_ < target_) send_closed(address);
    note_idle();
  }

 private:
  struct Slot {
    int64_t due, sent;
    size_t connection, address;
  };

  size_t in_flight() const { return slots_.size() - free_slots_.size(); }

  void keep(const Sample& sample, const Error* error) {
    samples_.push_back(sample);
    finished_.store(finished_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (error != nullptr) {
      std::lock_guard lock(error_mutex_);
      last_error_ = error->what;
    }
  }

  void fill() {
    while (in_flight() + resting_ < target_ && left_ > 0) send_closed(next_address());
  }

  size_t next_address() { return next_address_++ % options_.addresses.size(); }

  void send_closed(size_t address) {
    if (!sending_ || left_ == 0) return;
    const int64_t at = to_ns(now());
    send(address, at, at);
  }

  void send(size_t address, int64_t due, int64_t sent) {
    --left_;
    const std::optional<size_t> connection = connection_for(address);
    if (!connection) {
      const Error error{Code::kBusy,
                        "all " + std::to_string(options_.max_connections) +
                            " connections are waiting for answers; see --max-connections"};
      Sample sample{.due = due, .sent = sent, .done = sent};
      sample.failed = static_cast<uint8_t>(1 + static_cast<int>(error.code));
      sample.address = static_cast<uint8_t>(address);
      return keep(sample, &error);
    }
    size_t slot;
    if (free_slots_.empty()) {
      slot = slots_.size();
      slots_.emplace_back();
    } else {
      slot = free_slots_.back();
      free_slots_.pop_back();
    }
    slots_[slot] = {due, sent, *connection, address};
    outstanding_.store(in_flight(), std::memory_order_relaxed);
    const auto& calls = options_.calls[address];
    size_t& next = next_call_[address];
    connections_[*connection]->call(calls[next % calls.size()], slot, *this, options_.timeout);
    next += options_.threads;
  }

  // An HTTP connection that is free, or a new one; gRPC: the one connection to that address.
  std::optional<size_t> connection_for(size_t address) {
    auto& idle = idle_[address];
    if (options_.protocol == wire::Protocol::kGrpc) {
      if (grpc_.size() <= address) grpc_.resize(options_.addresses.size());
      if (!grpc_[address]) {
        grpc_[address] = connections_.size();
        connections_.push_back(wire::make_grpc_connection(*loop_, options_.addresses[address]));
      }
      return *grpc_[address];
    }
    if (!idle.empty()) {
      const size_t connection = idle.back();
      idle.pop_back();
      return connection;
    }
    const size_t most = std::max<size_t>(1, options_.max_connections / options_.threads);
    if (target_ == 0 && connections_.size() >= most) return std::nullopt;
    connections_.push_back(wire::make_http_connection(*loop_, options_.addresses[address]));
    return connections_.size() - 1;
  }

  // Sends what is due and sets the timer for what comes next.
  void pace() {
    pacer_ = 0;
    TimePoint time = now();
    while (due_ && left_ > 0 && start_ + *due_ <= time) {
      send(next_address(), to_ns(start_ + *due_), to_ns(time));
      due_ = arrivals_->next();
      time = now();
    }
    if (!due_ || left_ == 0) {
      end_schedule();
      sending_ = false;
      return note_idle();
    }
    pacer_ = loop_->at(start_ + *due_, [this] { pace(); });
  }

  void end_schedule() {
    loop_->cancel(pacer_);
    pacer_ = 0;
    arrivals_.reset();
    due_.reset();
  }

  void note_idle() {
    const bool more = arrivals_ != nullptr || (sending_ && target_ > 0 && left_ > 0);
    if (!more && in_flight() == 0) busy_.store(false, std::memory_order_release);
  }

  const GeneratorOptions& options_;
  std::unique_ptr<wire::EventLoop> loop_;
  std::thread thread_;
  clockid_t cpu_clock_{};
  std::atomic<bool> clock_ready_ = false;

  // Below: the loop's thread only, but for the atomics.
  std::vector<std::unique_ptr<wire::ClientConnection>> connections_;
  std::vector<std::vector<size_t>> idle_;  // by address
  std::vector<std::optional<size_t>> grpc_;
  std::vector<size_t> next_call_;
  std::vector<Slot> slots_;
  std::vector<size_t> free_slots_;
  size_t next_address_ = 0;
  bool sending_ = false;
  size_t target_ = 0, resting_ = 0;
  uint64_t left_ = 0;
  std::unique_ptr<Arrivals> arrivals_;
  TimePoint start_;
  std::optional<Duration> due_;
  wire::EventLoop::TimerId pacer_ = 0;
  std::vector<Sample> samples_;
  std::atomic<uint64_t> finished_ = 0;
  std::atomic<size_t> outstanding_ = 0;
  std::atomic<bool> busy_ = false;
  mutable std::mutex error_mutex_;
  std::optional<std::string> last_error_;
};

Generator::Generator(GeneratorOptions options) : options_(std::move(options)) {}
Generator::~Generator() = default;

Result<std::unique_ptr<Generator>> Generator::start(GeneratorOptions options) {
  CHECK(!options.addresses.empty() && options.calls.size() == options.addresses.size());
  CHECK(options.threads > 0);
  std::unique_ptr<Generator> generator(new Generator(std::move(options)));
  for (size_t i = 0; i < generator->options_.threads; ++i) {
    ASSIGN_OR_RETURN(auto loop, wire::EventLoop::create());
    generator->workers_.push_back(
        std::make_unique<Worker>(generator->options_, std::move(loop), i));
  }
  return generator;
}

void Generator::run_closed(size_t outstanding, uint64_t limit) {
  const size_t n = workers_.size();
  for (size_t i = 0; i < n; ++i) {
    const size_t part = outstanding / n + (i < outstanding % n);
    uint64_t part_limit = limit;
    if (limit != UINT64_MAX) part_limit = limit / n + (i < limit % n);
    workers_[i]->run_closed(part, part_limit);
  }
}

void Generator::run_open(MakeArrivals make, TimePoint start, uint64_t limit) {
  const size_t n = workers_.size();
  for (size_t i = 0; i < n; ++i) {
    uint64_t part_limit = limit;
    if (limit != UINT64_MAX) part_limit = limit / n + (i < limit % n);
    workers_[i]->run_open(share_of(make(), i, n), start, part_limit);
  }
}

void Generator::stop_sending() {
  for (auto& worker : workers_) worker->stop_sending();
}

bool Generator::wait_idle(Duration at_most) {
  const TimePoint end = now() + at_most;
  while (std::any_of(workers_.begin(), workers_.end(), [](auto& w) { return w->busy(); })) {
    if (now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

std::vector<Sample> Generator::take() {
  std::vector<Sample> all;
  for (auto& worker : workers_) {
    std::vector<Sample> part = worker->take();
    if (all.empty())
      all = std::move(part);
    else
      all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

uint64_t Generator::finished() const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) sum += worker->finished();
  return sum;
}

size_t Generator::outstanding() const {
  size_t sum = 0;
  for (const auto& worker : workers_) sum += worker->outstanding();
  return sum;
}

Generator::CpuUse Generator::cpu() const {
  CpuUse use{};
  for (const auto& worker : workers_) {
    use.busiest = std::max(use.busiest, worker->cpu());
    use.sum += worker->cpu();
  }
  return use;
}

std::optional<std::string> Generator::last_error() const {
  for (const auto& worker : workers_)
    if (auto error = worker->last_error()) return error;
  return std::nullopt;
}

}  // namespace corolla::load
