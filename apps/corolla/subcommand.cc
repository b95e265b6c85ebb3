#include "subcommand.h"

#include <algorithm>
#include <cstdio>
#include <string>

namespace corolla::app {
namespace {

struct Entry {
  int order;
  void (*add)(CLI::App&, Chosen&);
};

// A function's static: the subcommands register while namespace-scope objects are being made, in no
// known order.
std::vector<Entry>& entries() {
  static std::vector<Entry> all;
  return all;
}

}  // namespace

Subcommand::Subcommand(int order, void (*add)(CLI::App&, Chosen&)) {
  entries().push_back({order, add});
}

void Subcommand::add_all(CLI::App& app, Chosen& chosen) {
  std::stable_sort(entries().begin(), entries().end(),
                   [](const Entry& a, const Entry& b) { return a.order < b.order; });
  for (const Entry& entry : entries()) entry.add(app, chosen);
}

void examples(CLI::App& subcommand,
              const std::vector<std::pair<std::string_view, std::string_view>>& lines) {
  size_t width = 0;
  for (const auto& [command, what] : lines) width = std::max(width, command.size());
  std::string text = "Examples:";
  for (const auto& [command, what] : lines) {
    text += "\n  ";
    text += command;
    text.append(width - command.size() + 3, ' ');
    text += what;
  }
  subcommand.footer(text);
}

int fail(int code, std::string_view sentence) {
  std::fprintf(stderr, "corolla: %.*s\n", static_cast<int>(sentence.size()), sentence.data());
  return code;
}

int exit_code_of(const Error& error) {
  switch (error.code) {
    case Code::kInvalidArgument:
      return kUsage;
    case Code::kNotFound:
      return kNoFleet;
    case Code::kBusy:
      return kTaken;
    default:
      return kFailed;
  }
}

int fail(const Error& error) { return fail(exit_code_of(error), error.what); }

}  // namespace corolla::app
