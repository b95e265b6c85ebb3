// `corolla sweep`: scales a fleet step by step and measures each step over a range of loads.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "load/interrupt.h"
#include "load/perf_output.h"
#include "load/report_data.h"
#include "load/sweep.h"
#include "subcommand.h"

extern char** environ;

namespace corolla::app {
namespace {

using namespace corolla::load;

struct Options {
  SweepOptions sweep;
  std::string protocol = "http", slices, concurrency = "1:100", batch = "1", scale_command,
              fleet = "corolla", report;
  std::string metrics_url, shared_memory = "none";
  std::vector<std::string> urls, notes;
  double budget_ms = 0, window_ms = 1000;
};

Result<std::vector<int>> parse_numbers(const std::string& text, const char* option) {
  // "1:7", "1:7:2" or "1,2,4".
  std::vector<int> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  char separator = 0;
  while (at < end) {
    int n = 0;
    auto [next, error] = std::from_chars(at, end, n);
    if (error != std::errc() || n < 1) break;
    numbers.push_back(n);
    at = next;
    if (at == end) {
      if (separator != ':') return numbers;
      if (numbers.size() > 3) break;
      std::vector<int> range;
      for (int i = numbers[0]; i <= numbers[1]; i += numbers.size() == 3 ? numbers[2] : 1)
        range.push_back(i);
      return range;
    }
    if ((*at != ':' && *at != ',') || (separator != 0 && separator != *at)) break;
    separator = *at++;
  }
  return Error{Code::kInvalidArgument,
               std::string(option) + " '" + text + "' is not 1:7, 1:7:2 or 1,2,4"};
}

Status run_scale(const Options& options, int slices) {
  std::vector<std::string> arguments;
  if (options.scale_command.empty()) {
    arguments = {"/proc/self/exe", "scale", options.sweep.perf.model + "=" + std::to_string(slices),
                 "--name", options.fleet};
  } else {
    std::string command = options.scale_command;
    for (size_t at; (at = command.find("{}")) != command.npos;)
      command.replace(at, 2, std::to_string(slices));
    arguments = {"/bin/sh", "-c", command};
  }
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  // Its account of the fleet would stand between the points; what goes wrong it says on stderr.
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  int status = 0;
  const bool ran = posix_spawn(&child, argv[0], &quiet, nullptr, argv.data(), environ) == 0 &&
                   waitpid(child, &status, 0) == child;
  posix_spawn_file_actions_destroy(&quiet);
  if (!ran) return Error{Code::kInternal, "cannot run '" + arguments[0] + "' to scale"};
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return Error{Code::kUnavailable, "scaling '" + options.sweep.perf.model + "' to " +
                                         std::to_string(slices) + " slices failed"};
  return ok();
}

class Console final : public SweepObserver {
 public:
  void step(int slices, int64_t batch, size_t before) override {
    clear();
    printf(
        "%s, batch %lld%s\n",
        slices > 0 ? (std::to_string(slices) + " slices").c_str() : "the system as it is",
        static_cast<long long>(batch),
        before > 0 ? (" (" + std::to_string(before) + " points are there already)").c_str() : "");
    fflush(stdout);
  }
  void progress(const LoadLevel& level, size_t trial, double rate, size_t) override {
    if (!isatty(2)) return;
    fprintf(stderr, "\r\033[K  %g outstanding, window %zu: %.0f requests/s", level.value, trial,
            rate);
    drawn_ = true;
  }
  void finished(const PerfRow& row, const PerfResult&) override {
    clear();
    printf("  %5g outstanding  %9.1f/s  p50 %9.3f ms  p99 %9.3f ms%s%s%s\n", row.level.value,
           row.inferences_per_second, row.us(50) / 1000, row.us(99) / 1000,
           row.stable ? "" : "  not stable",
           row.failed > 0 ? ("  failed: " + errors_text(row.errors)).c_str() : "",
           row.generator_fault.empty() ? "" : "  GENERATOR LIMITED");
    fflush(stdout);
  }
  void clear() {
    if (drawn_) fprintf(stderr, "\r\033[K");
    drawn_ = false;
  }

 private:
  bool drawn_ = false;
};

int draw(const Options& options) {
  const std::string path =
      options.report.empty() ? options.sweep.folder + "/report.html" : options.report;
  ReportInput input;
  input.title = "Corolla sweep";
  Status status = add_measurements(options.sweep.folder, false, input);
  if (status.ok()) status = write_file(path, report_html(input));
  if (!status.ok()) return fail(kFailed, status.error().what);
  printf("%s\n", path.c_str());
  return kSuccess;
}

int run(Options& options) {
  SweepOptions& sweep_options = options.sweep;
  PerfOptions& perf = sweep_options.perf;
  perf.protocol = options.protocol == "grpc" ? wire::Protocol::kGrpc : wire::Protocol::kHttp;
  perf.urls = options.urls;
  perf.window = Duration(static_cast<int64_t>(options.window_ms * 1e6));
  perf.metrics_url = options.metrics_url;
  perf.shared_memory = options.shared_memory == "system";
  if (options.budget_ms > 0) perf.budget = Duration(static_cast<int64_t>(options.budget_ms * 1e6));
  if (!options.slices.empty()) {
    auto slices = parse_numbers(options.slices, "--slices");
    if (!slices.ok()) return fail(kUsage, slices.error().what);
    sweep_options.slices = *std::move(slices);
    sweep_options.scale = [&options](int n) { return run_scale(options, n); };
  }
  auto batches = parse_numbers(options.batch, "--batch");
  if (!batches.ok()) return fail(kUsage, batches.error().what);
  sweep_options.batches.assign(batches->begin(), batches->end());
  double begin = 0, end = 0, step = 1;
  if (sscanf(options.concurrency.c_str(), "%lf:%lf:%lf", &begin, &end, &step) < 2 || begin < 1 ||
      end < begin || step < 1)
    return fail(kUsage, "--concurrency '" + options.concurrency +
                            "' is not start:end[:step] with 1 <= start <= end");
  sweep_options.concurrency = {begin, end, step};
  sweep_options.notes = machine_notes();
  sweep_options.notes.emplace_back("corolla", COROLLA_VERSION);
  for (const std::string& note : options.notes) {
    const size_t equals = note.find('=');
    if (equals == note.npos) return fail(kUsage, "--note '" + note + "' is not KEY=TEXT");
    sweep_options.notes.emplace_back(note.substr(0, equals), note.substr(equals + 1));
  }
  Console console;
  const auto whole = sweep(sweep_options, console, interrupt_flag());
  console.clear();
  if (!whole.ok()) {
    fail(kFailed,
         whole.error().what + "; the points measured before are kept in " + sweep_options.folder);
    draw(options);
    return kFailed;
  }
  const int drawn = draw(options);
  if (!*whole) return fail(kFailed, "interrupted; run the same command again to go on");
  return drawn;
}

void add(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  Options& o = *options;
  CLI::App* sub = app.add_subcommand("sweep", "Measure a fleet over slices, batch sizes and loads");
  sub->add_option("-m,--model", o.sweep.perf.model, "The model")->required();
  sub->add_option("-u,--url", o.urls, "host:port");
  sub->add_option("-i,--protocol", o.protocol, "http or grpc")
      ->check(CLI::IsMember({"http", "grpc"}))
      ->capture_default_str();
  sub->add_option("--slices", o.slices,
                  "1:7, 1:7:2 or 1,2,4: scale to each; default: leave the system as it is");
  sub->add_option("--concurrency", o.concurrency, "start:end[:step]")->capture_default_str();
  sub->add_option("--batch", o.batch, "Batch sizes, as --slices")->capture_default_str();
  sub->add_option("--budget", o.budget_ms, "Milliseconds that p99 should stay within");
  sub->add_option("--stop-above", o.sweep.stop_above,
                  "End a step after two points whose p99 is so many times the budget");
  sub->add_option("-p,--measurement-interval", o.window_ms, "Milliseconds a window")
      ->capture_default_str();
  sub->add_option("-s,--stability-percentage", o.sweep.perf.stability.percentage,
                  "Three windows must agree within this")
      ->capture_default_str();
  sub->add_option("-r,--max-trials", o.sweep.perf.max_trials, "Windows a point at most")
      ->capture_default_str();
  sub->add_option("--input-data", o.sweep.perf.input.source, "As in `corolla perf`");
  sub->add_option("--shared-memory", o.shared_memory, "none or system")
      ->check(CLI::IsMember({"none", "system"}));
  sub->add_option("--max-threads", o.sweep.perf.max_threads, "Threads that send");
  sub->add_option("--metrics-url", o.metrics_url, "host:port/metrics, for rows by slice");
  sub->add_option("--out", o.sweep.folder, "The folder; a sweep that was cut off there goes on")
      ->type_name("DIR")
      ->required();
  sub->add_option("--report", o.report, "The HTML file; default: report.html in the folder")
      ->type_name("FILE");
  sub->add_option("--name", o.sweep.name, "Of the system, for reports that compare");
  sub->add_option("--fleet", o.fleet, "Which fleet to scale")->capture_default_str();
  sub->add_option("--scale-command", o.scale_command,
                  "Instead of `corolla scale`: a shell command, {} is the number of slices");
  sub->add_option("--note", o.notes, "KEY=TEXT for the manifest: commit, driver, ...");
  examples(*sub,
           {{"corolla sweep -m flower --slices 1:7 --concurrency 1:100 --budget 50 --out sweep",
             "the demo's charts"},
            {"corolla report sweep other -o both.html", "compare with another sweep"}});
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

const Subcommand kSweep(51, add);

}  // namespace
}  // namespace corolla::app
