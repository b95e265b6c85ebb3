// `corolla up`: becomes the keeper of a fleet and stays until it is told to stop.
#include <memory>
#include <string>

#include "subcommand.h"

namespace corolla::app {
namespace {

struct Options {
  std::string file;
};

int run(const Options&) { return fail(kFailed, "there is no keeper in this build"); }

void add(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* up = app.add_subcommand("up", "Start a fleet and keep it running");
  up->add_option("-f,--file", options->file, "The fleet's description (corolla.yaml)");
  up->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

const Subcommand kUp(10, add);

}  // namespace
}  // namespace corolla::app
