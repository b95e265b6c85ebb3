// `corolla completion`: the script by which a shell completes the command line.
#include <cstdio>
#include <memory>

#include "completion.h"
#include "subcommand.h"

namespace corolla::app {
namespace {

int run(const CLI::App& app, const std::string& shell) {
  const CliCommand root = read_cli(app);
  const std::string text = shell == "bash"  ? bash_completion(root)
                           : shell == "zsh" ? zsh_completion(root)
                                            : fish_completion(root);
  std::fputs(text.c_str(), stdout);
  return kSuccess;
}

void add(CLI::App& app, Chosen& chosen) {
  auto shell = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand("completion", "Print the completion script of a shell");
  sub->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  examples(*sub,
           {{"source <(corolla completion bash)", "for this shell"},
            {"corolla completion fish >~/.config/fish/completions/corolla.fish", "for every one"}});
  sub->callback([&app, &chosen, shell] { chosen = [&app, shell] { return run(app, *shell); }; });
}

const Subcommand kCompletion(91, add);

}  // namespace
}  // namespace corolla::app
