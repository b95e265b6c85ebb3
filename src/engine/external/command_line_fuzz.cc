// Any text as a command line: words come out that hold no more than went in, or a sentence.
#include <cstdlib>

#include "engine/external/command_line.h"

using namespace corolla;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto words = engine::split_command(text, {{"a", ""}, {"http_port", "8000"}});
  if (!words.ok()) {
    if (words.error().what.empty()) std::abort();
    return 0;
  }
  size_t letters = 0;
  for (const std::string& word : *words) letters += word.size();
  if (words->empty() || letters > size) std::abort();
  return 0;
}
