#include "cli_tree.h"

#include <CLI/CLI.hpp>

namespace corolla::app {
namespace {

// CLI11 says "TEXT:{http,grpc}", "TEXT:FILE", "UINT:INT in [1 - 16]".
void read_type(const std::string& type, CliOption& option) {
  using Takes = CliOption::Takes;
  const size_t open = type.find('{'), close = type.find('}', open);
  const std::string first = type.substr(0, type.find(':'));
  option.takes = Takes::kText;
  option.value = first;
  if (open != type.npos && close != type.npos) {
    option.takes = Takes::kChoice;
    std::string choice;
    for (const char c : type.substr(open + 1, close - open - 1) + ",") {
      if (c != ',') {
        choice += c;
      } else if (!choice.empty()) {
        option.choices.push_back(std::exchange(choice, ""));
      }
    }
    option.value.clear();
    for (const std::string& each : option.choices)
      option.value += (option.value.empty() ? "" : "|") + each;
  } else if (type.find("FILE") != type.npos || type.find("PATH") != type.npos) {
    option.takes = Takes::kFile;
    option.value = type.find("FILE") != type.npos ? "FILE" : "PATH";
  } else if (type.find("DIR") != type.npos) {
    option.takes = Takes::kFolder;
    option.value = "DIR";
  }
}

CliOption read_option(const CLI::Option& from) {
  CliOption option;
  for (const std::string& name : from.get_snames()) option.names.push_back("-" + name);
  for (const std::string& name : from.get_lnames()) option.names.push_back("--" + name);
  if (from.get_positional()) option.positional = from.get_name(true, false);
  if (from.get_items_expected_max() > 0) read_type(from.get_type_name(), option);
  option.what = from.get_description();
  option.standard = from.get_default_str();
  option.group = from.get_group();
  option.required = from.get_required();
  option.many = from.get_items_expected_max() > 1;
  return option;
}

CliCommand read_command(const CLI::App& app, std::vector<std::string> above) {
  CliCommand command;
  command.words = std::move(above);
  command.words.push_back(app.get_name());
  command.what = app.get_description();
  command.footer = app.get_footer();
  for (const CLI::Option* option :
       app.get_options([](const CLI::Option* o) { return !o->get_group().empty(); }))
    command.options.push_back(read_option(*option));
  for (const CLI::App* sub : app.get_subcommands(
           [](const CLI::App* s) { return !s->get_name().empty() && !s->get_group().empty(); }))
    command.commands.push_back(read_command(*sub, command.words));
  return command;
}

}  // namespace

std::string CliCommand::name(const std::string& between) const {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

CliCommand read_cli(const CLI::App& app) { return read_command(app, {}); }

}  // namespace corolla::app
