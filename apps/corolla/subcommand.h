// The subcommands of `corolla`: one file each (cmd_<name>.cc), which announces itself with a
// Subcommand at namespace scope. So a new one is a new file, and main.cc never changes:
//
//   namespace {
//   struct Options { std::string name = "corolla"; };
//   int run(const Options& options);
//   void add(CLI::App& app, Chosen& chosen) {
//     auto options = std::make_shared<Options>();
//     CLI::App* sub = app.add_subcommand("status", "Show the fleet");
//     sub->add_option("--name", options->name, "Which fleet")->capture_default_str();
//     examples(*sub, {{"corolla status --json", "everything, for programs"}});
//     sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
//   }
//   const Subcommand kStatus(20, add);
//   }  // namespace
#pragma once
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"

namespace corolla::app {

// Documented in docs/corolla.md; scripts rely on them.
enum Exit : int {
  kSuccess = 0,
  kFailed = 1,   // it was understood and did not work
  kUsage = 2,    // the command line or corolla.yaml is wrong; nothing was started
  kNoFleet = 3,  // no fleet of that name runs
  kTaken = 4,    // an address or the fleet's name is in use; the sentence says by whom
};

// Set by the subcommand that was chosen; main runs it after all parsing and returns its exit code.
using Chosen = std::function<int()>;

class Subcommand {
 public:
  // `order` sorts the list in --help: 10 up, 20 status, 30 scale ...; equal numbers in no
  // particular order.
  Subcommand(int order, void (*add)(CLI::App&, Chosen&));

  // Adds all of them to `app`.
  static void add_all(CLI::App& app, Chosen& chosen);
};

// Ends a subcommand's --help with lines "  command    what it does".
void examples(CLI::App& subcommand,
              const std::vector<std::pair<std::string_view, std::string_view>>& lines);

// Prints "corolla: <sentence>" on standard error and returns `code`.
int fail(int code, std::string_view sentence);
int exit_code_of(const Error& error);
// Prints its sentence and returns its exit code.
int fail(const Error& error);

}  // namespace corolla::app
