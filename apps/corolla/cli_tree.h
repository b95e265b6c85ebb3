// What the command line has, as plain values: read from CLI11's own structure, so that manual pages
// and completions cannot say anything else than --help. Thread-safe: values and a pure function.
#pragma once
#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11 is called so
class App;
}

namespace corolla::app {

struct CliOption {
  std::vector<std::string> names;  // "-f", "--file"; empty: a positional argument
  std::string positional;          // its name in --help
  enum class Takes { kNothing, kText, kFile, kFolder, kChoice } takes = Takes::kNothing;
  std::string value;                 // "FILE", "PORT", "http|grpc"; empty where it takes nothing
  std::vector<std::string> choices;  // of kChoice
  std::string what;                  // the sentence of --help
  std::string standard;              // its default, if --help tells it apart from the sentence
  std::string group;                 // the heading in --help
  bool required = false, many = false;
};

struct CliCommand {
  std::vector<std::string> words;  // "corolla", "up"
  std::string what;
  std::string footer;  // examples
  std::vector<CliOption> options;
  std::vector<CliCommand> commands;

  std::string name(const std::string& between = " ") const;  // "corolla up", "corolla-up"
};

// Everything that is not hidden.
CliCommand read_cli(const CLI::App& app);

}  // namespace corolla::app
