// Hostile YAML: whatever it is, an answer or a sentence, and never more than that.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fleet/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto config = corolla::fleet::read_config(text, "fuzz.yaml", "/");
  if (config) {
    // What was accepted must keep its promises.
    CHECK(config->limits.body_bytes <= config->limits.arena_bytes);
    CHECK(config->certificate_file.empty() == config->key_file.empty());
    CHECK(corolla::fleet::check_listeners(config->listen).ok());
  } else {
    CHECK(config.error().what.rfind("fuzz.yaml", 0) == 0, config.error().what);
  }
  return 0;
}
