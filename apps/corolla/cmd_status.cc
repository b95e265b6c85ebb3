// `corolla status`: what a running fleet is doing.
#include <cstdio>
#include <memory>
#include <string>

#include "fleet/control.h"
#include "status_text.h"
#include "subcommand.h"

namespace corolla::app {
namespace {

struct Options {
  std::string name = "corolla";
  bool json = false;
};

int run(const Options& options) {
  auto client = fleet::ControlClient::connect(options.name);
  if (!client.ok()) return fail(client.error());
  fleet::control::Request request;
  request.mutable_status();
  if (Status asked = client->ask(request); !asked.ok()) return fail(asked.error());
  auto answer = client->next(std::chrono::seconds(10));
  if (!answer.ok()) return fail(answer.error());
  if (!answer->has_status()) return fail(fleet::ControlClient::status_of(answer->done()).error());
  const std::string text = options.json ? status_json(answer->status()) + "\n"
                                        : status_text(answer->status(), colours_wanted());
  std::fputs(text.c_str(), stdout);
  return kSuccess;
}

void add(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("status", "Show what a running fleet is doing");
  sub->add_option("--name", options->name, "Which fleet")->capture_default_str();
  sub->add_flag("--json", options->json, "One JSON object");
  examples(*sub, {{"corolla status", "a table of the slices"},
                  {"corolla status --json | jq .workers", "for programs"}});
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

const Subcommand kStatus(20, add);

}  // namespace
}  // namespace corolla::app
