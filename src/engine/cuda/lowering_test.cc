// Which kernel a step gets: what can be seen without a device.
#include "engine/cuda/lowering.h"

#include <gtest/gtest.h>

namespace corolla::engine::cuda {
namespace {

using namespace plan;

// import -> [dequantize] -> export; the import reads `from` and writes `to`.
std::vector<std::string> kernels_of(const PlanTensor& from, const PlanTensor& to) {
  Plan plan;
  Program program;
  const auto tensor = [&](PlanTensor t) {
    t.bytes = *storage_bytes(t.dtype, t.layout, t.shape);
    program.tensors.push_back(std::move(t));
    return static_cast<int32_t>(program.tensors.size() - 1);
  };
  const int32_t x = tensor(from), imported = tensor(to);
  program.steps.push_back({"import", Import{}, {x}, {imported}});
  int32_t number = imported;
  if (to.dtype == DType::kUint8) {
    number = tensor({.dtype = DType::kFp16, .layout = to.layout, .shape = to.shape});
    program.steps.push_back({"dequantize", Dequantize{}, {imported}, {number}});
  }
  const int32_t y =
      tensor({.dtype = DType::kFp32, .shape = to.shape, .place = plan::Place::kOutput});
  program.steps.push_back({"export", Export{}, {number}, {y}});
  DerivedWeights derived;
  const auto launches = lower(plan, program, {nullptr, nullptr, {nullptr}, {nullptr}}, derived, 90);
  std::vector<std::string> names;
  if (!launches.ok()) return {launches.error().what};
  for (const Launch& launch : *launches) names.push_back(launch.kernel);
  return names;
}

using Names = std::vector<std::string>;

TEST(Lowering, AnImportThatQuantisesRowsIsNoCopy) {
  const PlanTensor rows{.dtype = DType::kUint8, .shape = {5, 20}, .scale = 0.03f, .zero = 117};
  EXPECT_EQ(
      kernels_of({.dtype = DType::kFp32, .shape = {5, 20}, .place = plan::Place::kInput}, rows),
      (Names{"elementwise", "dequantize", "copy"}));
  EXPECT_EQ(
      kernels_of({.dtype = DType::kFp16, .shape = {5, 20}, .place = plan::Place::kInput}, rows),
      (Names{"elementwise", "dequantize", "copy"}));
}

TEST(Lowering, OnlyPicturesOfFp32AreReadAsFp32) {
  const PlanTensor picture{.dtype = DType::kFp16, .layout = Layout::kNhwc, .shape = {1, 3, 4, 4}};
  const auto from = [](DType dtype) {
    return PlanTensor{.dtype = dtype, .shape = {1, 3, 4, 4}, .place = plan::Place::kInput};
  };
  EXPECT_EQ(kernels_of(from(DType::kFp32), picture), (Names{"import_f32", "copy"}));
  for (const DType other : {DType::kFp16, DType::kBf16, DType::kFp64})
    EXPECT_EQ(kernels_of(from(other), picture), (Names{"copy", "copy"})) << dtype_name(other);
}

}  // namespace
}  // namespace corolla::engine::cuda
