// `corolla stop`: ends a running fleet.
#include <memory>
#include <string>

#include "fleet/control.h"
#include "subcommand.h"

namespace corolla::app {
namespace {

struct Options {
  std::string name = "corolla";
  bool at_once = false;
  uint32_t timeout_s = 120;
};

int run(const Options& options) {
  auto client = fleet::ControlClient::connect(options.name);
  if (!client.ok()) return fail(client.error());
  fleet::control::Request request;
  request.mutable_stop()->set_at_once(options.at_once);
  if (Status asked = client->ask(request); !asked.ok()) return fail(asked.error());
  // Not its answer but its end: afterwards the addresses are free.
  const Status ended = client->wait_for_end(std::chrono::seconds(options.timeout_s));
  return ended.ok() ? kSuccess : fail(ended.error());
}

void add(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("stop", "End a running fleet");
  sub->add_flag("--now", options->at_once, "Do not wait for requests in flight");
  sub->add_option("--timeout", options->timeout_s, "Seconds to wait until it has ended")
      ->capture_default_str();
  sub->add_option("--name", options->name, "Which fleet")->capture_default_str();
  examples(*sub, {{"corolla stop", "finish what is in flight, then end"},
                  {"corolla stop --now", "cut it off"}});
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

const Subcommand kStop(60, add);

}  // namespace
}  // namespace corolla::app
