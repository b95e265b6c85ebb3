// `corolla logs`: what the fleet's processes have printed.
#include <cstdio>
#include <memory>
#include <string>

#include "fleet/control.h"
#include "subcommand.h"

namespace corolla::app {
namespace {

struct Options {
  std::string name = "corolla";
  uint32_t lines = 100;
  bool follow = false;
};

int run(const Options& options) {
  auto client = fleet::ControlClient::connect(options.name);
  if (!client.ok()) return fail(client.error());
  fleet::control::Request request;
  request.mutable_logs()->set_lines(options.lines);
  request.mutable_logs()->set_follow(options.follow);
  if (Status asked = client->ask(request); !asked.ok()) return fail(asked.error());
  for (;;) {
    auto answer = client->next();
    // A fleet that ends while it is followed is no failure.
    if (!answer.ok()) return options.follow ? kSuccess : fail(answer.error());
    if (answer->has_done()) return kSuccess;
    if (std::printf("%s\n", answer->log_line().text().c_str()) < 0) return kSuccess;
    if (options.follow && std::fflush(stdout) != 0) return kSuccess;
  }
}

void add(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("logs", "Show what the fleet's processes have printed");
  sub->add_flag("-f,--follow", options->follow, "Stay, and show new lines as they come");
  sub->add_option("-n,--lines", options->lines, "How many of the last lines")
      ->capture_default_str();
  sub->add_option("--name", options->name, "Which fleet")->capture_default_str();
  examples(*sub,
           {{"corolla logs -n 20", "the last 20 lines"}, {"corolla logs -f", "until Ctrl-C"}});
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

const Subcommand kLogs(50, add);

}  // namespace
}  // namespace corolla::app
