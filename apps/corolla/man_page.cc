#include "man_page.h"

#include <algorithm>

namespace corolla::app {
namespace {

// Text that roff may not read anything into.
std::string escaped(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool line_begins = i == 0 || text[i - 1] == '\n';
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out;
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(toupper(c)); });
  return text;
}

std::string bold(const std::string& text) { return "\\fB" + escaped(text) + "\\fR"; }
std::string italic(const std::string& text) { return "\\fI" + escaped(text) + "\\fR"; }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// A sentence for NAME, where one line is all there is.
std::string one_line(const std::string& text) {
  std::string line = text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

std::string synopsis(const CliCommand& command) {
  std::string line = bold(command.name());
  const bool has_options = std::any_of(command.options.begin(), command.options.end(),
                                       [](const CliOption& o) { return !o.names.empty(); });
  if (has_options) line += " [" + italic("OPTIONS") + "]";
  for (const CliOption& option : command.options) {
    if (option.positional.empty()) continue;
    const std::string name = italic(option.positional) + (option.many ? " ..." : "");
    line += option.required ? " " + name : " [" + name + "]";
  }
  if (!command.commands.empty()) line += " " + italic("COMMAND") + " ...";
  return line + "\n";
}

std::string entry(const CliOption& option) {
  std::string head;
  for (const std::string& name : option.names) head += (head.empty() ? "" : ", ") + bold(name);
  if (option.names.empty())
    head = italic(option.positional);
  else if (option.takes != CliOption::Takes::kNothing)
    head += " " + italic(option.value) + (option.many ? " ..." : "");
  std::string text = ".TP\n" + head + "\n" + escaped(one_line(option.what)) + "\n";
  if (!option.standard.empty()) text += "Default: " + escaped(option.standard) + ".\n";
  return text;
}

// Each group of --help is a section, in its order there.
std::string options(const CliCommand& command) {
  std::vector<std::string> groups;
  std::string text;
  for (const CliOption& option : command.options)
    if (std::find(groups.begin(), groups.end(), option.group) == groups.end())
      groups.push_back(option.group);
  for (const std::string& group : groups) {
    text += group == "Options" ? ".SH OPTIONS\n" : ".SS \"" + escaped(group) + "\"\n";
    for (const CliOption& option : command.options)
      if (option.group == group) text += entry(option);
  }
  return text;
}

std::string examples(const std::string& footer) {
  if (!footer.starts_with("Examples:")) return "";
  return ".SH EXAMPLES\n.nf\n" + escaped(footer.substr(footer.find('\n') + 1)) + "\n.fi\n";
}

constexpr const char* kExitStatus = R"(.SH "EXIT STATUS"
.TP
0
It worked.
.TP
1
It was understood and did not work.
.TP
2
The command line or the file is wrong; nothing was started or changed.
.TP
3
No fleet of that name runs.
.TP
4
An address or the fleet's name is taken; the sentence says by which process.
)";

void add_pages(const CliCommand& command, const std::string& version, const std::string& parent,
               std::vector<std::pair<std::string, std::string>>& pages) {
  std::vector<std::string> also;
  if (!parent.empty()) also.push_back(parent);
  for (const CliCommand& below : command.commands) also.push_back(below.name("-"));
  pages.emplace_back(command.name("-") + ".1", man_page(command, version, also));
  for (const CliCommand& below : command.commands)
    add_pages(below, version, command.name("-"), pages);
}

}  // namespace

std::string man_page(const CliCommand& command, const std::string& version,
                     const std::vector<std::string>& also) {
  std::string text = ".TH \"" + escaped(upper(command.name("-"))) + "\" 1 \"\" \"corolla " +
                     escaped(version) + "\"\n";
  text += ".SH NAME\n" + escaped(command.name("-")) + " \\- " +
          escaped(first_line(command.words.size() == 1 ? "inference on slices of one machine"
                                                       : command.what)) +
          "\n";
  text += ".SH SYNOPSIS\n" + synopsis(command);
  text += ".SH DESCRIPTION\n" + escaped(one_line(command.what)) + "\n";
  if (!command.commands.empty()) {
    text += ".SH COMMANDS\n";
    for (const CliCommand& below : command.commands)
      text += ".TP\n" + bold(below.words.back()) + "\n" + escaped(one_line(below.what)) + "\n";
  }
  text += options(command) + examples(command.footer) + kExitStatus;
  if (!also.empty()) {
    text += ".SH \"SEE ALSO\"\n";
    for (const std::string& page : also)
      text += (&page == &also.front() ? "" : ",\n") + bold(page) + "(1)";
    text += "\n";
  }
  return text;
}

std::vector<std::pair<std::string, std::string>> man_pages(const CliCommand& command,
                                                           const std::string& version) {
  std::vector<std::pair<std::string, std::string>> pages;
  add_pages(command, version, "", pages);
  return pages;
}

}  // namespace corolla::app
