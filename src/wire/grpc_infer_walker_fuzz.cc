// Any bytes into the walker, in any chunks. What it accepts, protobuf must accept with the same
// meaning; and what protobuf accepts, once written out in protobuf's own form, the walker must
// accept unless the slow and obvious rules refuse it too.
#include <cstdlib>

#include "wire/grpc_infer_oracle.h"
#include "wire/grpc_infer_walker.h"

namespace corolla::wire {
namespace {

#define REQUIRE(condition) \
  if (!(condition)) std::abort()

void compare(const InferRequest& got, const inference::ModelInferRequest& m) {
  const auto expected = oracle_inputs(m);
  REQUIRE(expected && expected->size() == got.inputs.size());
  REQUIRE(got.model == m.model_name() && got.version == m.model_version() && got.id == m.id());
  REQUIRE(got.outputs.size() == static_cast<size_t>(m.outputs_size()));
  for (size_t i = 0; i < expected->size(); ++i) {
    const OracleTensor& want = (*expected)[i];
    const InputTensor& have = got.inputs[i];
    REQUIRE(have.name == want.name && have.shape == want.shape &&
            dtype_name(have.dtype) == want.datatype);
    REQUIRE(have.shm.has_value() == !want.region.empty());
    REQUIRE(have.bytes.size() == want.bytes.size() &&
            (want.bytes.empty() ||
             std::memcmp(have.bytes.data(), want.bytes.data(), want.bytes.size()) == 0));
  }
}

}  // namespace
}  // namespace corolla::wire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace corolla;
  using namespace corolla::wire;
  if (size < 2) return 0;
  const uint8_t step = data[0], refuse = data[1];
  const std::string_view message(reinterpret_cast<const char*>(data) + 2, size - 2);
  HeapPlaces places;
  GrpcInferWalker walker({}, std::ref(places));
  const auto whole = walk_in_chunks(walker, message, true, [](size_t) { return SIZE_MAX; });
  inference::ModelInferRequest m;
  const bool parsed = m.ParseFromArray(message.data(), static_cast<int>(message.size()));
  if (whole.ok()) {
    REQUIRE(parsed);
    compare(*whole, m);
  }
  places.refuse_next = refuse % 8;
  const auto pieces =
      walk_in_chunks(walker, message, step % 2, [&](size_t i) { return 1 + (step * i) % 61; });
  REQUIRE(pieces.ok() == whole.ok());
  if (pieces.ok()) compare(*pieces, m);
  if (!parsed) return 0;
  m.DiscardUnknownFields();
  const std::string canonical = m.SerializeAsString();
  const auto again = walk_in_chunks(walker, canonical, true, [](size_t) { return SIZE_MAX; });
  REQUIRE(again.ok() == oracle_inputs(m).has_value());
  return 0;
}
