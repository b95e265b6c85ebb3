// `corolla help`: a command's help, its manual page, or all manual pages as files.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

#include "man_page.h"
#include "subcommand.h"

namespace corolla::app {
namespace {

struct Options {
  std::vector<std::string> words;
  bool man = false;
  std::string folder;
};

int write_pages(const CliCommand& root, const std::string& folder) {
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  for (const auto& [name, text] : man_pages(root, COROLLA_VERSION)) {
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    std::ofstream file(path, std::ios::trunc);
    file << text;
    file.close();
    if (!file) return fail(kFailed, "could not write " + path.string());
  }
  return kSuccess;
}

int run(const CLI::App& app, const Options& options) {
  const CliCommand root = read_cli(app);
  if (!options.folder.empty()) return write_pages(root, options.folder);
  const CLI::App* command = &app;
  std::string path = root.words.front(), page = path + ".1";
  for (const std::string& word : options.words) {
    const auto found = command->get_subcommands(
        [&](const CLI::App* s) { return s->get_name() == word && !s->get_group().empty(); });
    path += " " + word;
    if (found.empty())
      return fail(kUsage, "there is no command '" + path + "'; see: corolla --help");
    command = found.front();
    page.insert(page.size() - 2, "-" + word);
  }
  std::string text = app.get_formatter()->make_help(command, path, CLI::AppFormatMode::Normal);
  if (options.man)
    for (const auto& [name, roff] : man_pages(root, COROLLA_VERSION))
      if (name == page) text = roff;
  std::fputs(text.c_str(), stdout);
  return kSuccess;
}

void add(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("help", "Show a command's help or manual page");
  sub->add_option("command", options->words, "Which one; nothing: corolla itself")
      ->type_name("COMMAND");
  sub->add_flag("--man", options->man, "Print the manual page, in roff");
  sub->add_option("--man-pages", options->folder, "Write every manual page into this folder")
      ->type_name("DIR");
  examples(*sub, {{"corolla help up", "what corolla up --help says"},
                  {"corolla help --man up | man -l -", "the manual page of corolla up"}});
  sub->callback(
      [&app, &chosen, options] { chosen = [&app, options] { return run(app, *options); }; });
}

const Subcommand kHelp(90, add);

}  // namespace
}  // namespace corolla::app
