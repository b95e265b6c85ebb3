// Manual pages in the man macros of roff, one a command. Thread-safe: pure functions.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "cli_tree.h"

namespace corolla::app {

// `version` stands in the footer; `also` are the pages under SEE ALSO: "corolla-up".
std::string man_page(const CliCommand& command, const std::string& version,
                     const std::vector<std::string>& also);

// The page of `command` and of every command below it: file name ("corolla-up.1") and text.
std::vector<std::pair<std::string, std::string>> man_pages(const CliCommand& command,
                                                           const std::string& version);

}  // namespace corolla::app
