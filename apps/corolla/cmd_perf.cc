// `corolla perf`: measures any KServe v2 server, with perf_client's options and CSV.
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "load/interrupt.h"
#include "load/perf.h"
#include "load/perf_output.h"
#include "load/report.h"
#include "load/self_check.h"
#include "subcommand.h"

namespace corolla::app {
namespace {

using namespace corolla::load;

struct Options {
  PerfOptions perf;
  std::string protocol = "http", concurrency, rate, distribution = "constant",
              mode = "time_windows";
  std::string shared_memory = "none", compression = "none", burst, service = "triton";
  std::vector<std::string> urls, headers, shapes;
  double threshold_ms = 0, budget_ms = 0, timeout_ms = 0, percentile = -1, window_ms = 5000,
         lateness_us = 1000;
  std::string csv, export_file, hdr, report;
  bool verbose_csv = false, verbose = false, collect_metrics = false, zero = false,
       ignored_flag = false;
  bool self_check = false;
  std::string metrics_url, input_format;
  double metrics_interval = 1000;
  std::vector<int> server_pids;
};

Result<Range> parse_range(const std::string& text, const char* option) {
  Range range;
  std::vector<double> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    double value = 0;
    auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc() || value < 0 || numbers.size() == 3)
      return Error{Code::kInvalidArgument,
                   std::string(option) + " '" + text + "' is not start:end:step"};
    numbers.push_back(value);
    if (next == end) break;
    if (*next != ':')
      return Error{Code::kInvalidArgument,
                   std::string(option) + " '" + text + "' is not start:end:step"};
    at = next + 1;
  }
  range.begin = range.end = numbers[0];
  if (numbers.size() > 1) range.end = numbers[1];
  if (numbers.size() > 2) range.step = numbers[2];
  return range;
}

Result<Burst> parse_burst(const std::string& text) {
  Burst burst;
  double calm = 0, busy = 0;
  char rest = 0;
  if (sscanf(text.c_str(), "%lf:%lf:%lf:%lf%c", &burst.calm_rate, &burst.burst_rate, &calm, &busy,
             &rest) != 4 ||
      burst.calm_rate < 0 || burst.burst_rate <= 0 || calm <= 0 || busy <= 0)
    return Error{Code::kInvalidArgument,
                 "--burst '" + text + "' is not CALM_RATE:BURST_RATE:CALM_SECONDS:BURST_SECONDS"};
  burst.calm_mean = Duration(static_cast<int64_t>(calm * 1e9));
  burst.burst_mean = Duration(static_cast<int64_t>(busy * 1e9));
  return burst;
}

Duration milliseconds_of(double ms) { return Duration(static_cast<int64_t>(ms * 1e6)); }

Result<PerfOptions> perf_options(const Options& given) {
  PerfOptions perf = given.perf;
  const auto bad = [](std::string what) { return Error{Code::kInvalidArgument, std::move(what)}; };
  perf.protocol = given.protocol == "grpc" ? wire::Protocol::kGrpc : wire::Protocol::kHttp;
  for (const std::string& url : given.urls) {
    size_t begin = 0;
    while (begin <= url.size()) {
      const size_t comma = std::min(url.find(',', begin), url.size());
      perf.urls.push_back(url.substr(begin, comma - begin));
      begin = comma + 1;
    }
  }
  for (const std::string& header : given.headers) {
    const size_t colon = header.find(':');
    if (colon == header.npos || colon == 0) return bad("-H '" + header + "' is not NAME:VALUE");
    size_t value = colon + 1;
    while (value < header.size() && header[value] == ' ') ++value;
    perf.headers.emplace_back(header.substr(0, colon), header.substr(value));
  }
  for (const std::string& shape : given.shapes) {
    ASSIGN_OR_RETURN(auto parsed, parse_shape(shape));
    perf.input.shapes.insert(std::move(parsed));
  }
  if (given.zero) perf.input.source = "zero";
  if (given.compression == "gzip") perf.compression = wire::GrpcCompression::kGzip;
  if (given.compression == "deflate") perf.compression = wire::GrpcCompression::kDeflate;
  if (!given.concurrency.empty()) {
    ASSIGN_OR_RETURN(perf.concurrency, parse_range(given.concurrency, "--concurrency-range"));
  }
  if (!given.rate.empty()) {
    ASSIGN_OR_RETURN(perf.rate, parse_range(given.rate, "--request-rate-range"));
  }
  if (!given.burst.empty()) {
    ASSIGN_OR_RETURN(perf.burst, parse_burst(given.burst));
  }
  if (given.concurrency.empty() && given.rate.empty() && given.burst.empty() &&
      perf.intervals_file.empty() && perf.trace_file.empty())
    perf.concurrency = Range{};
  perf.distribution =
      given.distribution == "poisson" ? Distribution::kPoisson : Distribution::kConstant;
  perf.measurement = given.mode == "count_windows" ? Measurement::kCount : Measurement::kTime;
  perf.window = milliseconds_of(given.window_ms);
  if (given.threshold_ms > 0)
    perf.stability.latency_threshold = milliseconds_of(given.threshold_ms);
  if (given.budget_ms > 0) perf.budget = milliseconds_of(given.budget_ms);
  if (given.timeout_ms > 0) perf.timeout = milliseconds_of(given.timeout_ms);
  if (given.percentile >= 0) perf.stability.percentile = given.percentile;
  perf.max_lateness = milliseconds_of(given.lateness_us / 1000);
  perf.shared_memory = given.shared_memory == "system";
  for (const int pid : given.server_pids) perf.server_processes.push_back(pid);
  if (given.collect_metrics || !given.metrics_url.empty()) {
    perf.metrics_url = given.metrics_url;
    if (perf.metrics_url.empty()) {
      const std::string first = perf.urls.empty() ? "127.0.0.1" : perf.urls.front();
      perf.metrics_url = first.substr(0, first.find(':')) + ":8002/metrics";
    }
  }
  return perf;
}

// Prints each level as it ends, keeps the CSV on disk up to date, and draws one line of progress on
// a terminal.
class Console final : public PerfObserver {
 public:
  Console(const Options& options, const PerfOptions& perf)
      : options_(options), perf_(perf), terminal_(isatty(2) != 0) {}

  void progress(const LoadLevel& level, size_t trial, double rate, size_t outstanding) override {
    if (!terminal_) return;
    fprintf(stderr, "\r\033[K%s %g, window %zu: %.0f requests/s, %zu outstanding",
            level.kind == LoadLevel::Kind::kRate ? "rate" : "concurrency", level.value, trial, rate,
            outstanding);
    drawn_ = true;
  }

  void finished(const PerfRow& row, const PerfResult& so_far) override {
    clear();
    printf("%s\n", perf_text(row, perf_).c_str());
    fflush(stdout);
    if (!options_.csv.empty())
      keep(write_file(options_.csv,
                      perf_csv(so_far.rows, options_.verbose_csv, perf_.stability.percentile)));
    if (!options_.hdr.empty()) {
      char name[64];
      snprintf(name, sizeof name, "%s_%g.hgrm",
               row.level.kind == LoadLevel::Kind::kRate ? "rate" : "concurrency", row.level.value);
      keep(write_file(options_.hdr + name, row.latency.hgrm()));
    }
  }

  void clear() {
    if (drawn_) fprintf(stderr, "\r\033[K");
    drawn_ = false;
  }

  void keep(const Status& status) {
    if (!status.ok() && failure_.empty()) failure_ = status.error().what;
  }
  const std::string& failure() const { return failure_; }

 private:
  const Options& options_;
  const PerfOptions& perf_;
  bool terminal_, drawn_ = false;
  std::string failure_;
};

void print_settings(const PerfOptions& perf) {
  printf("*** Measurement Settings ***\n  Batch size: %lld\n  Service Kind: Triton\n",
         static_cast<long long>(perf.input.batch));
  if (perf.measurement == Measurement::kTime)
    printf("  Using \"time_windows\" mode for stabilization\n  Measurement window: %g msec\n",
           to_seconds(perf.window) * 1000);
  else
    printf(
        "  Using \"count_windows\" mode for stabilization\n  Minimum number of samples in each "
        "window: %llu\n",
        static_cast<unsigned long long>(perf.window_requests));
  if (perf.stability.latency_threshold)
    printf("  Latency limit: %g msec\n", to_seconds(*perf.stability.latency_threshold) * 1000);
  if (perf.stability.percentile)
    printf("  Stabilizing using p%g latency\n\n", *perf.stability.percentile);
  else
    printf("  Stabilizing using average latency\n\n");
}

int run_self_check() {
  auto lines = self_check(std::chrono::seconds(10));
  if (!lines.ok()) return fail(lines.error());
  for (const SelfCheckLine& line : *lines) {
    if (line.truth > 0)
      printf("%-42s found %9.3f %s, true %9.3f %s, ratio %.4f\n", line.what.c_str(), line.found,
             line.unit.c_str(), line.truth, line.unit.c_str(), line.ratio());
    else
      printf("%-42s %.*f %s\n", line.what.c_str(), line.found < 1000 ? 1 : 0, line.found,
             line.unit.c_str());
  }
  return kSuccess;
}

int run(const Options& options) {
  if (options.self_check) return run_self_check();
  if (options.perf.model.empty()) return fail(kUsage, "give the model's name: -m MODEL");
  if (options.service != "triton")
    return fail(kUsage, "--service-kind '" + options.service + "' is not offered; only triton is");
  Result<PerfOptions> perf = perf_options(options);
  if (!perf.ok()) return fail(kUsage, perf.error().what);
  Console console(options, *perf);
  const std::atomic<bool>& stop = interrupt_flag();
  Result<std::unique_ptr<Perf>> prepared = Perf::prepare(*perf);
  if (!prepared.ok())
    return fail(prepared.error().code == Code::kInvalidArgument ? kUsage : kFailed,
                prepared.error().what);
  print_settings(*perf);
  Result<PerfResult> result = (*prepared)->run(console, stop, !options.export_file.empty());
  console.clear();
  if (!result.ok()) return fail(kFailed, result.error().what);
  printf("%s", perf_summary(result->rows).c_str());
  if (!options.export_file.empty())
    console.keep(write_file(options.export_file, perf_export(*result, *perf)));
  if (!options.report.empty()) {
    ReportInput input;
    input.series.push_back(series_of(perf->model, result->rows));
    input.budget = perf->budget ? perf->budget : perf->stability.latency_threshold;
    input.notes = {{"server", result->server}, {"model", perf->model}};
    console.keep(write_file(options.report, report_html(input)));
  }
  if (!console.failure().empty()) return fail(kFailed, console.failure());
  if (result->broken)
    return fail(kFailed, result->broken->what + "; the levels measured before are kept");
  if (result->interrupted)
    return fail(kFailed, "interrupted; " + std::to_string(result->rows.size()) +
                             " finished levels are kept");
  for (const PerfRow& row : result->rows)
    if (!row.generator_fault.empty())
      return fail(kFailed, "the generator itself was the bottleneck: " + row.generator_fault);
  return result->rows.empty() ? fail(kFailed, "no level gave a result") : kSuccess;
}

void add(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  Options& o = *options;
  CLI::App* perf = app.add_subcommand(
      "perf",
      "Measure a KServe v2 server: perf_client's options and CSV, open loops, honest latencies");
  perf->add_option("-m,--model-name", o.perf.model, "The model");
  perf->add_option("-x,--model-version", o.perf.version,
                   "Its version; default: the server's choice");
  perf->add_option("-u,--url", o.urls,
                   "host:port; several (repeated, or with commas) are loaded in turn");
  perf->add_option("-i,--protocol", o.protocol, "http or grpc")
      ->check(CLI::IsMember({"http", "grpc"}, CLI::ignore_case))
      ->capture_default_str();
  perf->add_option("-b,--batch-size", o.perf.input.batch, "Rows a request")->capture_default_str();
  perf->add_option("--service-kind", o.service, "Only triton: any KServe v2 server");

  const char* kLoad = "Load (choose one)";
  perf->add_option("--concurrency-range", o.concurrency,
                   "start:end:step requests outstanding (default 1)")
      ->group(kLoad);
  perf->add_option("--request-rate-range", o.rate, "start:end:step requests a second, open loop")
      ->group(kLoad);
  perf->add_option("--request-distribution", o.distribution, "constant or poisson")
      ->check(CLI::IsMember({"constant", "poisson"}))
      ->group(kLoad);
  perf->add_option("--request-intervals", o.perf.intervals_file,
                   "File of gaps in microseconds, one a line, repeated")
      ->type_name("FILE")
      ->group(kLoad);
  perf->add_option("--trace", o.perf.trace_file, "CSV of recorded arrival times, replayed once")
      ->type_name("FILE")
      ->group(kLoad);
  perf->add_option("--trace-speed", o.perf.trace_speed, "Replay so many times faster")
      ->check(CLI::PositiveNumber)
      ->group(kLoad);
  perf->add_option("--burst", o.burst,
                   "CALM_RATE:BURST_RATE:CALM_SECONDS:BURST_SECONDS, two-state Poisson")
      ->group(kLoad);
  perf->add_option("--seed", o.perf.seed, "Of random arrivals")->group(kLoad);
  perf->add_flag("--binary-search", o.perf.binary_search, "Find the largest level under -l")
      ->group(kLoad);

  const char* kWindows = "Windows";
  perf->add_option("-p,--measurement-interval", o.window_ms, "Milliseconds a window")
      ->capture_default_str()
      ->group(kWindows);
  perf->add_option("--measurement-mode", o.mode, "time_windows or count_windows")
      ->check(CLI::IsMember({"time_windows", "count_windows"}))
      ->group(kWindows);
  perf->add_option("--measurement-request-count", o.perf.window_requests, "Requests a count window")
      ->capture_default_str()
      ->group(kWindows);
  perf->add_option("-s,--stability-percentage", o.perf.stability.percentage,
                   "Three windows must agree within this")
      ->capture_default_str()
      ->group(kWindows);
  perf->add_option("-r,--max-trials", o.perf.max_trials, "Windows at most")
      ->capture_default_str()
      ->group(kWindows);
  perf->add_option("--percentile", o.percentile, "Judge by this percentile instead of the mean")
      ->group(kWindows);
  perf->add_option("-l,--latency-threshold", o.threshold_ms,
                   "Milliseconds (fractions allowed): stop above it")
      ->group(kWindows);
  perf->add_option("--budget", o.budget_ms, "Milliseconds: count goodput against it; default -l")
      ->group(kWindows);
  perf->add_option("--request-count", o.perf.request_count,
                   "One window of exactly so many requests")
      ->group(kWindows);
  perf->add_option("--warmup-request-count", o.perf.warmup_requests, "Requests before each level")
      ->group(kWindows);

  const char* kInput = "Requests";
  perf->add_option("--shape", o.shapes, "NAME:SIZE,SIZE,... for variable dimensions")
      ->group(kInput);
  perf->add_option("--input-data", o.perf.input.source,
                   "zero, random, a folder of pictures or of input files, or JSON")
      ->type_name("PATH")
      ->group(kInput);
  perf->add_option("--string-length", o.perf.input.string_length, "Of random BYTES elements")
      ->group(kInput);
  perf->add_option("--string-data", o.perf.input.string_data, "All BYTES elements are this text")
      ->group(kInput);
  perf->add_flag("-z", o.zero, "The same as --input-data zero")->group(kInput);
  perf->add_option("-H", o.headers, "NAME:VALUE, sent with every request")->group(kInput);
  perf->add_option("--grpc-compression-algorithm", o.compression, "none, gzip or deflate")
      ->check(CLI::IsMember({"none", "gzip", "deflate"}))
      ->group(kInput);
  perf->add_option("--shared-memory", o.shared_memory, "none or system")
      ->check(CLI::IsMember({"none", "system"}))
      ->group(kInput);
  perf->add_option("--output-shared-memory-size", o.perf.output_bytes, "Bytes for each output")
      ->capture_default_str()
      ->group(kInput);
  perf->add_option("--client-timeout", o.timeout_ms,
                   "Milliseconds until a request counts as failed; default: none")
      ->group(kInput);

  const char* kOutput = "Output";
  perf->add_option("-f,--filename", o.csv, "The CSV; rewritten after each level")
      ->type_name("FILE")
      ->group(kOutput);
  perf->add_flag("--verbose-csv", o.verbose_csv, "perf_client's further columns")->group(kOutput);
  perf->add_option("--profile-export-file", o.export_file, "Every request's times, as JSON")
      ->type_name("FILE")
      ->group(kOutput);
  perf->add_option("--hdr", o.hdr,
                   "Percentile tables PREFIX<level>.hgrm for HdrHistogram's plotters")
      ->group(kOutput);
  perf->add_option("--report", o.report, "Draw the charts into this HTML file")->group(kOutput);
  perf->add_flag("--collect-metrics", o.collect_metrics, "Read /metrics: GPU gauges, rows by slice")
      ->group(kOutput);
  perf->add_option("--metrics-url", o.metrics_url, "Where; default port 8002 of the first URL")
      ->group(kOutput);
  perf->add_option("--metrics-interval", o.metrics_interval,
                   "Accepted; readings are taken once a window")
      ->group(kOutput);
  perf->add_option("--server-pid", o.server_pids,
                   "Whose CPU time to count; default: who listens, if on this machine")
      ->group(kOutput);

  const char* kGenerator = "Generator";
  perf->add_option("--max-threads", o.perf.max_threads,
                   "Threads that send; default: half of the cores")
      ->group(kGenerator);
  perf->add_option("--max-connections", o.perf.max_connections,
                   "HTTP connections at most, open loop")
      ->group(kGenerator);
  perf->add_option(
          "--max-lateness", o.lateness_us,
          "Microseconds (p99) that requests may leave late before the run counts as invalid")
      ->capture_default_str()
      ->group(kGenerator);
  perf->add_flag("-a,--async,--sync,-v,--verbose", o.ignored_flag,
                 "Accepted for perf_client's sake: sending is always asynchronous")
      ->group(kGenerator);
  perf->add_flag("--self-check", o.self_check,
                 "Measure the generator itself against servers of known latency")
      ->group(kGenerator);
  examples(*perf,
           {{"corolla perf -m flower -i http --concurrency-range 1:100 -f results.csv",
             "the demo's measurement"},
            {"corolla perf -m flower --request-rate-range 100:1000:100 --request-distribution "
             "poisson -l 50 --percentile 99",
             "open loop until p99 passes 50 ms"},
            {"corolla perf -m flower --burst 50:800:5:1 -f burst.csv", "bursts of 800/s over 50/s"},
            {"corolla perf --self-check", "is this machine quiet enough to measure on?"}});
  perf->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

const Subcommand kPerf(50, add);

}  // namespace
}  // namespace corolla::app
