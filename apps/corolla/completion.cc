#include "completion.h"

#include <functional>

namespace corolla::app {
namespace {

using Takes = CliOption::Takes;

void each_command(const CliCommand& command, const std::function<void(const CliCommand&)>& run) {
  run(command);
  for (const CliCommand& below : command.commands) each_command(below, run);
}

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

std::vector<std::string> names_of(const std::vector<CliCommand>& commands) {
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const CliCommand& command : commands) names.push_back(command.words.back());
  return names;
}

// Within '...' of a shell.
std::string quoted(const std::string& text, const char* quote) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += quote;
    else
      out += c == '\n' ? ' ' : c;
  }
  return out + "'";
}

// What a shell runs for a value of this kind; empty: it knows nothing of it.
std::string bash_values(const CliOption& option) {
  switch (option.takes) {
    case Takes::kFile:
      return "compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\"))";
    case Takes::kFolder:
      return "compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- \"$cur\"))";
    case Takes::kChoice:
      return "COMPREPLY=($(compgen -W " + quoted(joined(option.choices, " "), "") +
             " -- \"$cur\"))";
    default:
      return "";
  }
}

// A line of a case statement.
std::string case_of(const std::string& pattern, const std::string& run) {
  return "    " + pattern + ") " + run + " ;;\n";
}

}  // namespace

std::string bash_completion(const CliCommand& root) {
  std::string commands, options, valued, values, positionals;
  each_command(root, [&](const CliCommand& command) {
    const std::string path = command.name();
    if (!command.commands.empty()) {
      commands += "    " + quoted(path, "") + ") words='" +
                  joined(names_of(command.commands), " ") + "' ;;\n";
    }
    std::vector<std::string> all;
    for (const CliOption& option : command.options) {
      for (const std::string& name : option.names) {
        all.push_back(name);
        if (option.takes == Takes::kNothing) continue;
        const std::string key = quoted(joined({path, name}, " "), "");
        valued += (valued.empty() ? "    " : "|\\\n    ") + key;
        if (const std::string run = bash_values(option); !run.empty()) values += case_of(key, run);
      }
      if (!option.names.empty()) continue;
      if (const std::string run = bash_values(option); !run.empty())
        positionals += case_of(quoted(path, ""), run);
    }
    options += "    " + quoted(path, "") + ") words='" + joined(all, " ") + "' ;;\n";
  });
  const std::string name = root.words.front(), function = "_" + name;
  return "# bash completion of " + name + "; made by: " + name + " completion bash\n" +  //
         function + "_takes_value() {\n  case \"$1\" in\n" + valued +
         ") return 0 ;;\n  esac\n  return 1\n}\n\n" +  //
         function + "_commands() {\n  words=\n  case \"$1\" in\n" + commands + "  esac\n}\n\n" +
         function + "_options() {\n  words=\n  case \"$1\" in\n" + options + "  esac\n}\n\n" +
         function + R"(() {
  local cur=${COMP_WORDS[COMP_CWORD]} path=)" +
         name + R"( option= word words i
  COMPREPLY=()
  # Which command it is, and whether the word before is an option that waits for its value.
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [ -n "$option" ]; then
      [ "$word" = = ] || option=
      continue
    fi
    if )" +
         function +
         R"(_takes_value "$path $word"; then
      option=$word
      continue
    fi
    )" + function +
         R"(_commands "$path"
    case " $words " in *" $word "*) path="$path $word" ;; esac
  done
  [ "$cur" = = ] && cur=
  if [ -n "$option" ]; then
    case "$path $option" in
)" + values +
         R"(    esac
    return 0
  fi
  case "$cur" in
    -*)
      )" +
         function + R"(_options "$path"
      COMPREPLY=($(compgen -W "$words" -- "$cur"))
      return 0
      ;;
  esac
  )" + function +
         R"(_commands "$path"
  if [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    return 0
  fi
  case "$path" in
)" + positionals +
         "  esac\n  return 0\n}\n\ncomplete -F " + function + " " + name + "\n";
}

std::string zsh_completion(const CliCommand& root) {
  std::string text =
      "#compdef " + root.words.front() + "\n# Made by: " + root.words.front() + " completion zsh\n";
  // In a description of _arguments and _describe, brackets and colons would mean something.
  const auto plain = [](std::string what) {
    for (char& c : what) {
      if (c == '[') c = '(';
      if (c == ']') c = ')';
      if (c == ':') c = ',';
    }
    return what;
  };
  const auto values = [](const CliOption& option) -> std::string {
    switch (option.takes) {
      case Takes::kNothing:
        return "";
      case Takes::kFile:
        return ":" + option.value + ":_files";
      case Takes::kFolder:
        return ":" + option.value + ":_files -/";
      case Takes::kChoice:
        return ":value:(" + joined(option.choices, " ") + ")";
      case Takes::kText:
        return ":" + option.value + ": ";
    }
    return "";
  };
  each_command(root, [&](const CliCommand& command) {
    text += "\n_" + command.name("_") + "() {\n";
    std::string arguments;
    for (const CliOption& option : command.options) {
      for (const std::string& name : option.names)
        arguments += " \\\n    " +
                     quoted("*" + name + "[" + plain(option.what) + "]" + values(option), "'\\''");
      if (option.names.empty() && option.takes != Takes::kText)
        arguments += " \\\n    " + quoted("*" + values(option), "'\\''");
    }
    if (command.commands.empty()) {
      text += "  _arguments -S" + arguments + "\n}\n";
      return;
    }
    text += "  local line state\n  _arguments -C" + arguments +
            " \\\n    '1: :->command' \\\n    '*::argument:->arguments'\n";
    text += "  case $state in\n    command)\n      local -a commands=(";
    for (const CliCommand& below : command.commands)
      text += "\n        " + quoted(below.words.back() + ":" + plain(below.what), "'\\''");
    text +=
        "\n      )\n      _describe command commands\n      ;;\n    arguments)\n"
        "      case $line[1] in\n";
    for (const CliCommand& below : command.commands)
      text += "        " + below.words.back() + ") _" + below.name("_") + " ;;\n";
    text += "      esac\n      ;;\n  esac\n}\n";
  });
  return text + "\n_" + root.words.front() + " \"$@\"\n";
}

std::string fish_completion(const CliCommand& root) {
  const std::string& name = root.words.front();
  std::string text = "# fish completion of " + name + "; made by: " + name + " completion fish\n" +
                     "complete -c " + name + " -f\n";
  each_command(root, [&](const CliCommand& command) {
    std::string where;
    for (size_t i = 1; i < command.words.size(); ++i)
      where +=
          (where.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + command.words[i]);
    if (!command.commands.empty())
      where += (where.empty() ? "" : "; and ") +
               ("not __fish_seen_subcommand_from " + joined(names_of(command.commands), " "));
    const std::string begin = "complete -c " + name + " -n " + quoted(where, "\\'");
    for (const CliCommand& below : command.commands)
      text += begin + " -a " + below.words.back() + " -d " + quoted(below.what, "\\'") + "\n";
    for (const CliOption& option : command.options) {
      std::string line = begin;
      for (const std::string& each : option.names)
        line += each.starts_with("--") ? " -l " + each.substr(2)
                                       : (each.size() == 2 ? " -s " : " -o ") + each.substr(1);
      if (option.takes == Takes::kChoice)
        line += " -x -a " + quoted(joined(option.choices, " "), "\\'");
      else if (option.takes == Takes::kFile || option.takes == Takes::kFolder)
        line += option.names.empty() ? " -F" : " -r -F";
      else if (option.takes == Takes::kText)
        line += option.names.empty() ? "" : " -x";
      if (option.names.empty() && option.takes == Takes::kText) continue;
      text += line + " -d " + quoted(option.what, "\\'") + "\n";
    }
  });
  return text;
}

}  // namespace corolla::app
