// Any bytes from a client into an H2Connection, in any chunks, with a handler that answers, fails,
// streams, stalls and forgets, and writes that block: nothing may crash, leak, hang, or end an
// exchange twice.
#include <sys/epoll.h>

#include <cstdlib>
#include <cstring>
#include <map>

#include "wire/h2_connection.h"

namespace corolla::wire {
namespace {

#define REQUIRE(condition) \
  if (!(condition)) std::abort()

struct Dice {
  uint32_t x;
  uint32_t roll(uint32_t sides) { return (x = x * 1664525 + 1013904223) / 65536 % sides; }
};

// A loop that goes round when told to, with a clock that is set by hand.
class HandLoop final : public EventLoop {
 public:
  Status watch(int, uint32_t events, Watcher& watcher) override {
    watcher_ = &watcher;
    events_ = events;
    return ok();
  }
  void change(int, uint32_t events) override { events_ = events; }
  void unwatch(int) override { watcher_ = nullptr; }
  TimerId at(TimePoint when, std::function<void()> what) override {
    timers_[++last_] = {when, std::move(what)};
    return last_;
  }
  void cancel(TimerId id) override { timers_.erase(id); }
  void post(std::function<void()> what) override { posted_.push_back(std::move(what)); }
  void set_hooks(std::function<bool()>, std::function<void()>) override {}
  TimePoint now() const override { return now_; }
  void run() override {}
  void stop() override {}
  bool on_loop_thread() const override { return true; }

  bool watched() const { return watcher_ != nullptr; }
  bool wants_input() const { return watcher_ && (events_ & EPOLLIN); }
  void round(uint32_t events) {
    if (watcher_ && (events & events_)) watcher_->on_events(events & events_);
    for (auto& what : std::exchange(posted_, {})) what();
    const TimerId newest = last_;
    for (auto it = timers_.begin(); it != timers_.end() && it->first <= newest;) {
      if (it->second.first > now_) {
        ++it;
        continue;
      }
      auto what = std::move(it->second.second);
      const TimerId id = it->first;
      timers_.erase(it);
      what();
      it = timers_.upper_bound(id);
    }
  }
  void advance(Duration by) { now_ += by; }

 private:
  Watcher* watcher_ = nullptr;
  uint32_t events_ = 0;
  TimerId last_ = 0;
  std::map<TimerId, std::pair<TimePoint, std::function<void()>>> timers_;
  std::vector<std::function<void()>> posted_;
  TimePoint now_ = TimePoint() + std::chrono::hours(1);
};

class BytesStream final : public Stream {
 public:
  BytesStream(std::string_view input, Dice& dice) : input_(input), dice_(dice) {}
  int fd() const override { return 0; }
  IoResult read(std::span<const iovec> parts) override {
    if (budget_ == 0 && !input_.empty()) {
      budget_ = 1 + dice_.roll(dice_.roll(2) ? 40 : 20'000);
      return {IoResult::State::kBlocked, 0, EPOLLIN};
    }
    if (input_.empty()) return {IoResult::State::kEnd};
    size_t n = 0;
    for (const iovec& part : parts) {
      const size_t step = std::min({part.iov_len, input_.size(), budget_});
      std::memcpy(part.iov_base, input_.data(), step);
      input_.remove_prefix(step);
      budget_ -= step;
      n += step;
    }
    return {IoResult::State::kDone, n};
  }
  IoResult write(std::span<const iovec> parts) override {
    if (dice_.roll(4) == 0) return {IoResult::State::kBlocked, 0, EPOLLOUT};
    size_t all = 0;
    for (const iovec& part : parts) {
      // Reads every byte, for the sanitizer to see that borrowed memory still lives.
      for (size_t i = 0; i < part.iov_len; ++i)
        sum_ += static_cast<const uint8_t*>(part.iov_base)[i];
      all += part.iov_len;
    }
    asm volatile("" : : "r"(sum_));
    return {IoResult::State::kDone, 1 + dice_.roll(static_cast<uint32_t>(all))};
  }
  void shutdown_write() override {}
  void reset_on_close() override {}

 private:
  std::string_view input_;
  Dice& dice_;
  size_t budget_ = 100;
  unsigned sum_ = 0;
};

class WildHandler final : public Handler {
 public:
  explicit WildHandler(Dice& dice) : dice_(dice) {}
  ~WildHandler() override { REQUIRE(calls_.empty() && borrowed_ == 0); }

  void on_head(Exchange& exchange) override {
    auto [it, fresh] = calls_.emplace(&exchange, std::make_unique<Call>(dice_));
    REQUIRE(fresh);
    if (dice_.roll(8) == 0) end(exchange);
  }
  BodySink* on_message(Exchange& exchange, std::optional<size_t>) override {
    REQUIRE(calls_.contains(&exchange));
    return dice_.roll(8) == 0 ? nullptr : calls_[&exchange].get();
  }
  void on_message_end(Exchange& exchange) override {
    REQUIRE(calls_.contains(&exchange));
    if (streams(exchange)) {
      for (uint32_t i = dice_.roll(3); i > 0; --i) exchange.send(answer());
    } else if (dice_.roll(3)) {
      end(exchange);
    }
  }
  void on_cancel(Exchange& exchange) override { REQUIRE(calls_.erase(&exchange) == 1); }
  void on_half_close(Exchange& exchange) override {
    REQUIRE(calls_.erase(&exchange) == 1);
    exchange.finish(dice_.roll(2) ? ok() : Status(Error{Code::kInternal, "enough"}));
  }
  // What a front does between the events: room is found, results come.
  void act() {
    if (calls_.empty()) return;
    auto it = calls_.begin();
    std::advance(it, dice_.roll(static_cast<uint32_t>(calls_.size())));
    Exchange& exchange = *it->first;
    if (dice_.roll(2)) return exchange.resume();
    if (streams(exchange)) return exchange.send(answer());
    end(exchange);
  }

 private:
  struct Call : BodySink {
    explicit Call(Dice& d) : dice(d) {}
    Dice& dice;
    std::vector<std::byte> bytes;
    bool offered = false;
    std::span<std::byte> room() override {
      if (offered) return bytes;
      if (dice.roll(5) == 0) return {};
      bytes.resize(1 + dice.roll(dice.roll(2) ? 10 : 10'000));
      offered = true;
      return bytes;
    }
    Status filled(size_t n) override {
      REQUIRE(offered && n <= bytes.size());
      offered = false;
      return dice.roll(50) ? ok() : Status(Error{Code::kInvalidArgument, "not this"});
    }
  };
  Reply answer() {
    const size_t size = dice_.roll(dice_.roll(2) ? 100 : 20'000);
    auto memory = std::make_unique<std::vector<std::byte>>(size);
    Reply reply;
    reply.pieces.emplace_back(std::string("head"));
    reply.pieces.emplace_back(std::span<const std::byte>(*memory));
    ++borrowed_;
    reply.release = [this, kept = std::shared_ptr(std::move(memory))]() mutable {
      REQUIRE(kept);
      kept.reset();
      --borrowed_;
    };
    return reply;
  }
  void end(Exchange& exchange) {
    calls_.erase(&exchange);
    if (dice_.roll(3) == 0) {
      exchange.fail({Code::kOverloaded, "full"});
    } else {
      exchange.reply(answer());
    }
  }
  static bool streams(const Exchange& exchange) {
    return exchange.protocol() == Protocol::kGrpc && exchange.path().ends_with("ModelStreamInfer");
  }
  Dice& dice_;
  std::map<Exchange*, std::unique_ptr<Call>> calls_;
  int borrowed_ = 0;
};

}  // namespace
}  // namespace corolla::wire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace corolla::wire;
  if (size < 4) return 0;
  Dice dice{static_cast<uint32_t>(data[0] << 16 | data[1] << 8 | data[2])};
  std::string input;
  if (data[3] % 8) input = std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 33);
  input.append(reinterpret_cast<const char*>(data) + 4, size - 4);
  WildHandler handler(dice);
  HandLoop loop;
  TransportLimits limits;
  limits.max_body_bytes = 1 << 20;
  limits.max_header_bytes = 4096;
  {
    ConnectionSet set(loop, handler, limits);
    const size_t early = dice.roll(2) ? std::min<size_t>(input.size(), 24) : 0;
    const H2Limits h2{.max_streams = 50, .stream_window = 1 << 16, .connection_window = 1 << 17};
    set.add(std::make_unique<H2Connection>(
        set, std::make_unique<BytesStream>(std::string_view(input).substr(early), dice),
        std::string_view(input).substr(0, early), h2));
    for (int i = 0; i < 500 && loop.watched(); ++i) {
      loop.round(EPOLLIN | EPOLLOUT);
      if (dice.roll(3) == 0) handler.act();
      if (dice.roll(200) == 0) set.drain([] {});
      loop.advance(std::chrono::milliseconds(dice.roll(50) ? 1 : 3000));
    }
    if (loop.watched()) set.abort_all();
    loop.round(0);
    loop.round(0);
  }
  return 0;
}
