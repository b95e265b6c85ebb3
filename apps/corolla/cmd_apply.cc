// `corolla apply`: moves a running fleet to what a file says.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "follow.h"
#include "subcommand.h"

namespace corolla::app {
namespace {

struct Options {
  std::string file;
  std::string name = "corolla";
  uint32_t timeout_s = 120;
  bool json = false;
};

int run(const Options& options) {
  std::ifstream file(options.file, std::ios::binary);
  if (!file) return fail(kUsage, "cannot read " + options.file + ": " + std::strerror(errno));
  fleet::control::Request request;
  fleet::control::ApplyRequest& apply = *request.mutable_apply();
  apply.set_yaml(std::string(std::istreambuf_iterator<char>(file), {}));
  apply.set_file_name(options.file);
  apply.set_directory(std::filesystem::absolute(options.file).parent_path().string());
  return ask_and_follow(options.name, request, options.json,
                        std::chrono::seconds(options.timeout_s));
}

void add(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("apply", "Move a running fleet to what a file says");
  sub->add_option("-f,--file", options->file, "The fleet's new description")
      ->required()
      ->check(CLI::ExistingFile);
  sub->add_option("--name", options->name, "Which fleet")->capture_default_str();
  sub->add_option("--timeout", options->timeout_s, "Seconds to wait until it is done")
      ->capture_default_str();
  sub->add_flag("--json", options->json, "Print the status as JSON when done");
  examples(*sub, {{"corolla apply -f new.yaml", "add and remove slices without a failed request"}});
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

const Subcommand kApply(30, add);

}  // namespace
}  // namespace corolla::app
