#include "engine/external/command_line.h"

namespace corolla::engine {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

Result<std::vector<std::string>> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;  // a word, if only an empty quoted one
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (kBlanks.find(c) != kBlanks.npos) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    inside = true;
    std::string& word = words.back();
    if (c == '\'' || c == '"') {
      const size_t begin = i++;
      for (; i < text.size() && text[i] != c; ++i) {
        if (c == '"' && text[i] == '\\' && i + 1 < text.size() &&
            (text[i + 1] == '"' || text[i + 1] == '\\'))
          ++i;
        word += text[i];
      }
      if (i >= text.size())
        return Error{Code::kInvalidArgument, "the quote that begins at character " +
                                                 std::to_string(begin + 1) + " of command '" +
                                                 std::string(text) + "' does not end"};
    } else if (c == '\\' && i + 1 < text.size()) {
      word += text[++i];
    } else {
      word += c;
    }
  }
  return words;
}

Error unknown(const std::string& name, const std::map<std::string, std::string>& values) {
  std::string known;
  for (const auto& [key, value] : values) known += (known.empty() ? "{" : ", {") + key + "}";
  return {Code::kInvalidArgument,
          "the command has {" + name + "}, which nothing is put in for; there are " + known};
}

Result<std::string> filled(std::string_view word,
                           const std::map<std::string, std::string>& values) {
  std::string out;
  for (size_t i = 0; i < word.size(); ++i) {
    const size_t end = word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", i + 1);
    if (word[i] != '{' || end == word.npos || word[end] != '}' || end == i + 1) {
      out += word[i];
      continue;
    }
    const std::string name(word.substr(i + 1, end - i - 1));
    const auto found = values.find(name);
    if (found == values.end()) return unknown(name, values);
    out += found->second;
    i = end;
  }
  return out;
}

}  // namespace

Result<std::vector<std::string>> split_command(std::string_view text,
                                               const std::map<std::string, std::string>& values) {
  ASSIGN_OR_RETURN(std::vector<std::string> words, words_of(text));
  if (words.empty()) return Error{Code::kInvalidArgument, "the command is empty"};
  for (std::string& word : words) {
    ASSIGN_OR_RETURN(word, filled(word, values));
  }
  return words;
}

}  // namespace corolla::engine
