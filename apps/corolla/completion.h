// Scripts by which shells complete the command line: commands, options, and what an option takes
// (files, folders, a choice). Thread-safe: pure functions.
#pragma once
#include <string>

#include "cli_tree.h"

namespace corolla::app {

std::string bash_completion(const CliCommand& root);
std::string zsh_completion(const CliCommand& root);
std::string fish_completion(const CliCommand& root);

}  // namespace corolla::app
