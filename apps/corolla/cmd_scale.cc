// `corolla scale`: on how many slices a model is served.
#include <charconv>
#include <memory>
#include <string>
#include <vector>

#include "follow.h"
#include "subcommand.h"

namespace corolla::app {
namespace {

struct Options {
  std::vector<std::string> models;
  std::string name = "corolla";
  uint32_t timeout_s = 120;
  bool json = false;
};

int run(const Options& options) {
  fleet::control::Request request;
  for (const std::string& text : options.models) {
    const size_t equals = text.rfind('=');
    uint32_t count = 0;
    const char* end = text.data() + text.size();
    if (equals == std::string::npos || equals == 0 ||
        std::from_chars(text.data() + equals + 1, end, count).ptr != end || text.back() == '=')
      return fail(kUsage, "'" + text + "': write MODEL=N, for example flower=2");
    (*request.mutable_scale()->mutable_slices())[text.substr(0, equals)] = count;
  }
  return ask_and_follow(options.name, request, options.json,
                        std::chrono::seconds(options.timeout_s));
}

void add(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("scale", "Set on how many slices models are served");
  sub->add_option("models", options->models, "MODEL=N: the first N slices serve it")
      ->required()
      ->type_name("MODEL=N");
  sub->add_option("--name", options->name, "Which fleet")->capture_default_str();
  sub->add_option("--timeout", options->timeout_s, "Seconds to wait until it is done")
      ->capture_default_str();
  sub->add_flag("--json", options->json, "Print the status as JSON when done");
  examples(*sub, {{"corolla scale flower=2", "the first two slices"},
                  {"corolla scale flower=1 rose=3", "several at once"}});
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

const Subcommand kScale(40, add);

}  // namespace
}  // namespace corolla::app
