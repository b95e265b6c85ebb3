#include "load/generator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "client/infer_call.h"
#include "load/delay_server.h"
#include "load/histogram.h"
#include "load/measured_again.h"

namespace corolla::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::vector<float> kInput = {1, 2, 3, 4};

GeneratorOptions options_for(const std::vector<wire::ClientAddress>& addresses) {
  GeneratorOptions options;
  for (const auto& address : addresses) {
    wire::InferRequest request;
    request.model = "null";
    wire::InputTensor input;
    input.name = "input";
    input.shape = {1, 4};
    input.bytes = std::as_bytes(std::span(kInput));
    request.inputs.push_back(input);
    client::InferOptions infer;
    infer.host = address.text;
    options.addresses.push_back(address);
    options.calls.push_back({client::make_infer_call(wire::Protocol::kHttp, request, infer)});
  }
  return options;
}

std::unique_ptr<DelayServer> serve(DelayServerOptions options) {
  auto server = DelayServer::start(std::move(options));
  EXPECT_TRUE(server.ok()) << server.error().what;
  return *std::move(server);
}

TEST(Generator, ClosedLoopKeepsExactlySoManyOutstanding) {
  auto server = serve({.delay = [](uint64_t) { return milliseconds(5); }});
  auto generator = *Generator::start(options_for({server->address()}));
  generator->run_closed(7, 70);
  ASSERT_TRUE(generator->wait_idle(seconds(20)));
  const auto samples = generator->take();
  ASSERT_EQ(samples.size(), 70u);
  EXPECT_EQ(server->served(), 70u);
  // With 7 outstanding and 5 ms each, no instant may see an eighth.
  std::vector<std::pair<int64_t, int>> edges;
  for (const Sample& s : samples) {
    EXPECT_TRUE(s.ok());
    EXPECT_GE(s.latency(), 5'000'000);
    edges.emplace_back(s.sent, 1);
    edges.emplace_back(s.done, -1);
  }
  std::sort(edges.begin(), edges.end());
  int open = 0, peak = 0;
  for (const auto& [time, change] : edges) peak = std::max(peak, open += change);
  EXPECT_EQ(peak, 7);
}

TEST(Generator, ThreadsShareTheLoadAndTheLimit) {
  auto server = serve({});
  GeneratorOptions options = options_for({server->address()});
  options.threads = 3;
  auto generator = *Generator::start(std::move(options));
  generator->run_closed(8, 1001);
  ASSERT_TRUE(generator->wait_idle(seconds(20)));
  EXPECT_EQ(generator->take().size(), 1001u);
  EXPECT_EQ(server->served(), 1001u);
}

TEST(Generator, AddressesAreServedInTurn) {
  auto a = serve({}), b = serve({});
  auto generator = *Generator::start(options_for({a->address(), b->address()}));
  generator->run_open([] { return make_constant(2000); }, now(), 200);
  ASSERT_TRUE(generator->wait_idle(seconds(20)));
  EXPECT_EQ(a->served(), 100u);
  EXPECT_EQ(b->served(), 100u);
}

TEST(Generator, OpenLoopKeepsItsScheduleWhileTheServerStandsStill) {
  expect_in_one_of_ten([]() -> std::string {
    // Frozen for 300 ms after one second: what is due meanwhile waits for the rest of the freeze,
    // and is counted.
    auto server = serve({.freeze_every = seconds(1), .freeze_for = milliseconds(300)});
    auto generator = *Generator::start(options_for({server->address()}));
    const TimePoint start = server->started() + milliseconds(500);
    generator->run_open([] { return make_constant(400); }, start,
                        400);  // one second, one freeze in its middle
    if (!generator->wait_idle(seconds(20))) return "it did not end";
    Histogram found, truth, lateness;
    if (server->freezes().size() != 1) return "it took longer than one freeze";
    const int64_t begin = to_ns(server->freezes()[0].first),
                  end = to_ns(server->freezes()[0].second);
    for (const Sample& s : generator->take()) {
      EXPECT_TRUE(s.ok());
      found.add(s.latency());
      lateness.add(s.lateness());
      truth.add(s.due >= begin && s.due < end ? end - s.due : 0);
    }
    EXPECT_EQ(found.count(), 400u);
    for (const double p : {90.0, 99.0}) {
      const double off = static_cast<double>(found.percentile(p) - truth.percentile(p)) / 1e6;
      if (std::abs(off) > 80)
        return "p" + std::to_string(p) + " is off by " + std::to_string(off) + " ms";
    }
    if (truth.percentile(99) <= 250'000'000) return "nothing was due at the freeze's beginning";
    // It did not wait for the server.
    if (lateness.percentile(50) >= 20'000'000) return "half of all were sent too late";
    return {};
  });
}

TEST(Generator, FindsAnInjectedDistribution) {
  // A fixed permutation of known quantiles: exponential with mean 40 ms, shifted by 10 ms.
  constexpr uint64_t kCount = 1000;
  auto delay = [](uint64_t n) {
    const double u = (static_cast<double>((n * 617) % kCount) + 0.5) / kCount;
    return Duration(static_cast<int64_t>(10e6 - 40e6 * std::log(1 - u)));
  };
  expect_in_one_of_ten([&]() -> std::string {
    auto server = serve({.delay = delay});
    auto generator = *Generator::start(options_for({server->address()}));
    generator->run_open([] { return make_poisson(500, 7); }, now(), kCount);
    if (!generator->wait_idle(seconds(20))) return "it did not end";
    Histogram found, truth;
    for (const Sample& s : generator->take()) found.add(s.latency());
    for (uint64_t n = 0; n < kCount; ++n) truth.add(delay(n).count());
    EXPECT_EQ(found.count(), kCount);
    for (const double p : {50.0, 90.0, 99.0}) {
      const auto is = static_cast<double>(found.percentile(p));
      const auto should = static_cast<double>(truth.percentile(p));
      // Never less than the truth; more only by what a busy machine adds.
      EXPECT_GE(is, 0.995 * should) << p;
      if (is > should * 1.1 + 60e6)
        return "p" + std::to_string(p) + " is " + std::to_string(is / 1e6) + " ms";
    }
    return {};
  });
}

TEST(Generator, RefusalsAreCountedAndTheRunGoesOn) {
  auto server = serve({.refuse_every = 4});
  auto generator = *Generator::start(options_for({server->address()}));
  generator->run_closed(2, 100);
  ASSERT_TRUE(generator->wait_idle(seconds(20)));
  const auto samples = generator->take();
  ASSERT_EQ(samples.size(), 100u);
  EXPECT_EQ(std::count_if(samples.begin(), samples.end(), [](const Sample& s) { return s.ok(); }),
            75);
  for (const Sample& s : samples) EXPECT_TRUE(s.ok() || s.code() == Code::kOverloaded);
  EXPECT_EQ(generator->last_error(), "overloaded, as asked");
}

TEST(Generator, AServerThatDiesHalfWayLeavesErrorsNotAHang) {
  auto server = serve({.die_after = 50});
  auto generator = *Generator::start(options_for({server->address()}));
  generator->run_closed(4, 80);
  ASSERT_TRUE(generator->wait_idle(seconds(20)));
  const auto samples = generator->take();
  ASSERT_EQ(samples.size(), 80u);
  EXPECT_EQ(std::count_if(samples.begin(), samples.end(), [](const Sample& s) { return s.ok(); }),
            50);
}

TEST(Generator, TimeoutsAreErrors) {
  auto server = serve({.delay = [](uint64_t n) { return n % 2 == 0 ? seconds(30) : seconds(0); }});
  GeneratorOptions options = options_for({server->address()});
  options.timeout = milliseconds(700);  // enough for those that are not delayed
  auto generator = *Generator::start(std::move(options));
  generator->run_closed(1, 4);
  ASSERT_TRUE(generator->wait_idle(seconds(20)));
  int late = 0;
  for (const Sample& s : generator->take()) late += !s.ok() && s.code() == Code::kDeadlineExceeded;
  EXPECT_EQ(late, 2);
}

TEST(Generator, AFullPoolIsAnErrorNotAWait) {
  auto server = serve({.delay = [](uint64_t) { return seconds(1); }});
  GeneratorOptions options = options_for({server->address()});
  options.max_connections = 3;
  auto generator = *Generator::start(std::move(options));
  generator->run_open([] { return make_constant(1000); }, now(), 10);
  ASSERT_TRUE(generator->wait_idle(seconds(20)));
  int refused = 0;
  for (const Sample& s : generator->take()) refused += !s.ok() && s.code() == Code::kBusy;
  EXPECT_EQ(refused, 7);
}

TEST(Generator, NobodyListensIsAnErrorForEachRequest) {
  wire::ClientAddress address;
  {
    auto server = serve({});
    address = server->address();
  }
  auto generator = *Generator::start(options_for({address}));
  generator->run_closed(3, 6);
  ASSERT_TRUE(generator->wait_idle(seconds(20)));
  for (const Sample& s : generator->take()) EXPECT_EQ(s.code(), Code::kUnavailable);
  EXPECT_NE(generator->last_error()->find("Connection refused"), std::string::npos);
}

}  // namespace
}  // namespace corolla::load
