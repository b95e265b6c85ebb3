// `corolla`: one command for the whole fleet. Each subcommand lies in its own cmd_<name>.cc; see
// subcommand.h.
#include <cstdio>

#include "subcommand.h"

int main(int argc, char** argv) {
  using namespace corolla::app;
  CLI::App app(
      "Corolla cuts one accelerator, or the cores of a CPU, into isolated slices, runs one "
      "inference worker on each, and\n"
      "puts one KServe v2 / Triton compatible address in front.");
  app.name("corolla");
  app.set_version_flag("--version", "corolla " COROLLA_VERSION);
  app.require_subcommand(1);
  app.footer("'corolla <subcommand> --help' shows its options and examples.");

  Chosen chosen;
  Subcommand::add_all(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return kUsage;
  }
  return chosen ? chosen() : kUsage;
}
