// Hostile YAML: whatever it is, layouts or a sentence; and what was read survives being written.
// Seeds: testdata/mig_parted/.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "slice/mig_parted.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace corolla;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto file = slice::read_mig_parted(text, "fuzz.yaml");
  if (!file) {
    CHECK(file.error().what.rfind("fuzz.yaml", 0) == 0, file.error().what);
    return 0;
  }
  slice::Gpu gpu;
  gpu.pci_device_id = 0x20B010DE;
  for (const auto& [label, entries] : file->layouts) {
    auto wishes = slice::wishes_of(*file, label, {gpu});
    if (!wishes || label.empty()) continue;
    const auto again = slice::read_mig_parted(slice::mig_parted_yaml("x", *wishes), "again.yaml");
    CHECK(again.ok(), again.ok() ? "" : again.error().what);
    CHECK(*slice::wishes_of(*again, "x", {gpu}) == *wishes);
  }
  return 0;
}
