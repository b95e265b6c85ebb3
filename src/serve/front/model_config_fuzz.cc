// config.pbtxt made of arbitrary bytes: whatever passes the checks must survive everything that is
// done with a config.
#include <cstdint>

#include "base/check.h"
#include "serve/front/model_config.h"
#include "wire/proto_json.h"

using namespace corolla;
using namespace corolla::front;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto config = parse_config_text(text, "config.pbtxt");
  if (!config.ok()) {
    CHECK(!config.error().what.empty());
    return 0;
  }
  wire::to_json(*config);
  if (!check_config(*config, "m").ok()) return 0;
  model_policy(*config);
  auto spec = model_spec(*config, 1, "/m/1/model.onnx", 1);
  CHECK(spec.ok(), spec.ok() ? "" : spec.error().what);
  link::ModelSpec received;
  CHECK(received.ParseFromString(spec->SerializeAsString()), "a worker could not read it");
  FileTensors file;
  for (const auto& t : spec->inputs()) file.inputs.push_back(t);
  for (const auto& t : spec->outputs()) file.outputs.push_back(t);
  guess_max_batch(*config, file);
  auto full = complete_config(*config, file);
  CHECK(full.ok(), full.ok() ? "" : full.error().what);
  wire::to_json(model_metadata(*full, {1}));
  return 0;
}
