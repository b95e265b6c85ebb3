#include "load/self_check.h"

#include <algorithm>
#include <cmath>

#include "client/infer_call.h"
#include "load/delay_server.h"
#include "load/generator.h"
#include "load/histogram.h"

namespace corolla::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kTensorElements = 3 * 224 * 224;  // FP32: 602 KB, a picture

Result<std::unique_ptr<Generator>> generator_for(const wire::ClientAddress& address,
                                                 size_t elements = 4) {
  static const std::vector<float> kInput(kTensorElements, 1.0f);
  wire::InferRequest request;
  request.model = "null";
  wire::InputTensor input;
  input.name = "input";
  input.shape = {1, static_cast<int64_t>(elements)};
  input.bytes = std::as_bytes(std::span(kInput).first(elements));
  request.inputs.push_back(input);
  client::InferOptions infer;
  infer.host = address.text;
  GeneratorOptions options;
  options.addresses.push_back(address);
  options.calls.push_back({client::make_infer_call(wire::Protocol::kHttp, request, infer)});
  return Generator::start(std::move(options));
}

void compare(const std::string& what, const Histogram& found, const Histogram& truth,
             std::vector<SelfCheckLine>& lines) {
  for (const double p : {50.0, 99.0, 99.9}) {
    char name[80];
    snprintf(name, sizeof name, "%s, p%g", what.c_str(), p);
    lines.push_back({name, static_cast<double>(found.percentile(p)) / 1e6,
                     static_cast<double>(truth.percentile(p)) / 1e6, "ms"});
  }
}

Result<Histogram> run(Generator& generator, double rate, TimePoint start, uint64_t count,
                      const std::function<void(const Sample&)>& each) {
  generator.run_open([rate] { return make_constant(rate); }, start, count);
  if (!generator.wait_idle(seconds(600)))
    return Error{Code::kInternal, "the self check's server did not answer everything"};
  Histogram found;
  for (const Sample& sample : generator.take()) {
    if (!sample.ok()) return Error{Code::kInternal, "the self check's server failed a request"};
    found.add(sample.latency());
    each(sample);
  }
  return found;
}

}  // namespace

Result<std::vector<SelfCheckLine>> self_check(Duration length) {
  std::vector<SelfCheckLine> lines;
  const double rate = 500;
  const auto count = static_cast<uint64_t>(std::max(1000.0, to_seconds(length) * rate));
  {
    // Quantiles of a shifted exponential distribution, each exactly once, in a scattered order.
    auto delay = [count](uint64_t n) {
      const double u = (static_cast<double>((n * 7919) % count) + 0.5) / static_cast<double>(count);
      return Duration(static_cast<int64_t>(20e6 - 30e6 * std::log(1 - u)));
    };
    Histogram truth;
    for (uint64_t n = 0; n < count; ++n) truth.add(delay(n).count());
    ASSIGN_OR_RETURN(auto server, DelayServer::start({.delay = delay}));
    ASSIGN_OR_RETURN(auto generator, generator_for(server->address()));
    ASSIGN_OR_RETURN(const Histogram found,
                     run(*generator, rate, now(), count, [](const Sample&) {}));
    compare("known delays", found, truth, lines);
  }
  {
    const Duration period = seconds(10), freeze = seconds(1);
    ASSIGN_OR_RETURN(auto server,
                     DelayServer::start({.freeze_every = period, .freeze_for = freeze}));
    ASSIGN_OR_RETURN(auto generator, generator_for(server->address()));
    const auto periods = std::max<uint64_t>(1, static_cast<uint64_t>(to_seconds(length) / 10));
    const TimePoint start = server->started() + period / 2;
    std::vector<int64_t> due;
    ASSIGN_OR_RETURN(const Histogram found,
                     run(*generator, rate, start, static_cast<uint64_t>(rate * 10) * periods,
                         [&](const Sample& sample) { due.push_back(sample.due); }));
    // What falls into a freeze waits for its end; everything else is answered at once.
    Histogram truth;
    const auto freezes = server->freezes();
    for (const int64_t at : due) {
      int64_t wait = 0;
      for (const auto& [begin, end] : freezes)
        if (at >= to_ns(begin) && at < to_ns(end)) wait = to_ns(end) - at;
      truth.add(wait);
    }
    compare("frozen 1 s in 10 s", found, truth, lines);
    lines.erase(lines.end() - 3);  // the median's truth is 0: nothing to compare
  }
  {
    ASSIGN_OR_RETURN(auto server, DelayServer::start({}));
    ASSIGN_OR_RETURN(auto generator, generator_for(server->address()));
    const TimePoint begin = now();
    const Duration cpu = generator->cpu().busiest;
    generator->run_closed(64, 100'000);
    generator->wait_idle(seconds(60));
    const double took = to_seconds(now() - begin),
                 used = to_seconds(generator->cpu().busiest - cpu);
    lines.push_back({"small requests a second, one thread", 100'000 / took, 0, "1/s"});
    lines.push_back({"the same, of the thread's own CPU time", 100'000 / used, 0, "1/s"});
  }
  {
    ASSIGN_OR_RETURN(auto server, DelayServer::start({}));
    ASSIGN_OR_RETURN(auto generator, generator_for(server->address(), kTensorElements));
    const uint64_t requests = 20'000;
    const double gigabytes = static_cast<double>(requests * kTensorElements * sizeof(float)) / 1e9;
    const TimePoint begin = now();
    const Duration cpu = generator->cpu().busiest;
    generator->run_closed(8, requests);
    generator->wait_idle(seconds(60));
    const double took = to_seconds(now() - begin),
                 used = to_seconds(generator->cpu().busiest - cpu);
    lines.push_back({"tensors of 602 KB, one thread", gigabytes / took, 0, "GB/s"});
    lines.push_back({"the same, of the thread's own CPU time", gigabytes / used, 0, "GB/s"});
  }
  return lines;
}

}  // namespace corolla::load
