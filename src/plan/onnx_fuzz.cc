// Any bytes as an ONNX model, through the reader, the passes and the lowering.
#include <cstdint>
#include <span>

#include "plan/compiler.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace corolla;
  const auto model = plan::parse_onnx(std::as_bytes(std::span(data, size)), "");
  if (!model.ok()) return 0;
  // A few bytes can describe a net that takes hours: shapes are checked, then small ones compiled.
  const auto graph = plan::bind(*model, {1, {}});
  if (!graph.ok()) return 0;
  int64_t elements = 0;
  for (const plan::Value& value : graph->values) {
    const auto count = element_count(value.shape);
    elements += count.ok() && *count < (1 << 16) ? *count : 1 << 20;
  }
  if (elements > 1 << 18) return 0;
  plan::CompileOptions options;
  options.precision = size % 2 == 0 ? DType::kFp16 : DType::kInt8;
  const auto plan = plan::compile(*model, options);
  if (plan.ok()) {
    const auto verified = plan::verify(*plan);
    CHECK(verified.ok(), verified.ok() ? "" : verified.error().what);
  }
  return 0;
}
