// `corolla report`: charts and tables from what was recorded.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "load/perf_output.h"
#include "load/report_data.h"
#include "subcommand.h"

namespace corolla::app {
namespace {

using namespace corolla::load;

struct Options {
  std::vector<std::string> paths;
  std::string out = "report.html", title = "Corolla measurement", svg_folder, png_folder;
  double budget_ms = 0, percentile = 99;
};

// Runs a program found in PATH; its exit status, 127 when there is none.
int run_program(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) _exit(126);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return 126;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

Status to_png(const std::string& svg, const std::string& png) {
  const int converted = run_program({"rsvg-convert", "-z", "2", "-o", png, svg});
  if (converted == 0) return ok();
  if (converted != 127) return Error{Code::kInternal, "rsvg-convert could not draw " + svg};
  const std::string url = "file://" + std::filesystem::absolute(svg).string();
  for (const char* browser : {"chromium", "google-chrome"}) {
    const int drawn = run_program({browser, "--headless", "--no-sandbox", "--disable-gpu",
                                   "--hide-scrollbars", "--force-device-scale-factor=2",
                                   "--window-size=820,430", "--screenshot=" + png, url});
    if (drawn == 0) return ok();
  }
  return Error{Code::kUnsupported,
               "--png needs rsvg-convert (package librsvg2-bin) or chromium in the PATH"};
}

int run(const Options& options) {
  ReportInput input;
  input.title = options.title;
  input.budget_percentile = options.percentile;
  if (options.budget_ms > 0) input.budget = Duration(static_cast<int64_t>(options.budget_ms * 1e6));
  for (const std::string& path : options.paths)
    if (const Status status = add_measurements(path, options.paths.size() > 1, input); !status.ok())
      return fail(kFailed, status.error().what);
  if (const Status status = write_file(options.out, report_html(input)); !status.ok())
    return fail(kFailed, status.error().what);
  const bool png = !options.png_folder.empty();
  for (const std::string& folder : {options.svg_folder, options.png_folder}) {
    if (folder.empty()) continue;
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    for (const auto& [name, svg] : report_svgs(input)) {
      const std::string path = folder + "/" + name + ".svg";
      if (const Status status = write_file(path, svg); !status.ok())
        return fail(kFailed, status.error().what);
      if (!png || folder != options.png_folder) continue;
      if (const Status status = to_png(path, folder + "/" + name + ".png"); !status.ok())
        return fail(kFailed, status.error().what);
      if (folder != options.svg_folder) std::filesystem::remove(path, error);
    }
  }
  printf("%s\n", options.out.c_str());
  return kSuccess;
}

void add(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub =
      app.add_subcommand("report", "Draw measurements: one HTML file with charts and tables");
  sub->add_option("PATH", options->paths,
                  "Folders of `corolla sweep`, or CSV files of perf or perf_client")
      ->type_name("PATH")
      ->required();
  sub->add_option("-o,--out", options->out, "The HTML file")
      ->type_name("FILE")
      ->capture_default_str();
  sub->add_option("--title", options->title, "Its title")->capture_default_str();
  sub->add_option("--budget", options->budget_ms, "Milliseconds; default: what the sweep was told");
  sub->add_option("--percentile", options->percentile, "Which must stay within the budget")
      ->check(CLI::IsMember(std::vector<double>{50, 90, 95, 99, 99.9}))
      ->capture_default_str();
  sub->add_option("--svg", options->svg_folder, "Also write each chart into this folder");
  sub->add_option("--png", options->png_folder, "Also as PNG");
  examples(*sub, {{"corolla report sweep/ -o report.html", "one sweep"},
                  {"corolla report ours/ triton/ --budget 50", "two systems in one chart"},
                  {"corolla report results.csv", "a CSV of perf_client's"}});
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

const Subcommand kReport(52, add);

}  // namespace
}  // namespace corolla::app
