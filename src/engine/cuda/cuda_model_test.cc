// What can be seen of a model without a device.
#include "engine/cuda/cuda_model.h"

#include <gtest/gtest.h>

namespace corolla::engine::cuda {
namespace {

plan::Plan batched_plan() {
  plan::Plan plan;
  plan.inputs = {{"x", DType::kFp32, {-1, 3, 8, 8}}};
  plan.outputs = {{"y", DType::kFp32, {-1, 10}}};
  return plan;
}

TEST(CudaModel, APlanThatNobodyDeclaredTellsItsBatchDimension) {
  const plan::Plan plan = batched_plan();
  ModelSource source;
  source.name = "flower";
  ASSERT_TRUE(CudaModel::is_question(source, plan));
  const auto model = CudaModel::of_tensors(source, plan);
  EXPECT_EQ(model->inputs(), (std::vector<TensorSpec>{{"x", DType::kFp32, {-1, 3, 8, 8}}}));
  EXPECT_EQ(model->outputs(), (std::vector<TensorSpec>{{"y", DType::kFp32, {-1, 10}}}));
  EXPECT_NE(model->cannot_run().find("'flower' has a batch dimension"), std::string::npos);
}

TEST(CudaModel, WhatIsDeclaredIsNoQuestion) {
  plan::Plan plan = batched_plan();
  ModelSource source;
  source.max_batch = 8;
  EXPECT_FALSE(CudaModel::is_question(source, plan));
  source.max_batch = 0;
  source.inputs = {{"x", DType::kFp32, {3, 8, 8}}};
  EXPECT_FALSE(CudaModel::is_question(source, plan));
  source.inputs.clear();
  plan.batched = false;
  EXPECT_FALSE(CudaModel::is_question(source, plan));
}

}  // namespace
}  // namespace corolla::engine::cuda
