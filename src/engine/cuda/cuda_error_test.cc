#include "engine/cuda/cuda_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corolla::engine::cuda {
namespace {

using testing::HasSubstr;
using testing::Not;

// Who can do without asks for this code and no other.
TEST(CudaError, MissingMemoryAloneIsTooLarge) {
  for (int i = 1; i < 1000; ++i) {
    const auto error = static_cast<cudaError_t>(i);
    EXPECT_EQ(cuda_error("x", error).code,
              error == cudaErrorMemoryAllocation ? Code::kTooLarge : Code::kInternal)
        << i;
  }
}

TEST(CudaError, MissingMemoryIsNotForANewProcessToMend) {
  EXPECT_FALSE(sticky(cudaErrorMemoryAllocation));
  EXPECT_THAT(cuda_error("cannot have 7 bytes", cudaErrorMemoryAllocation).what,
              testing::AllOf(HasSubstr("cannot have 7 bytes: cudaErrorMemoryAllocation"),
                             Not(HasSubstr("new process"))));
  EXPECT_THAT(cuda_error("x", cudaErrorIllegalAddress).what, HasSubstr("new process"));
}

}  // namespace
}  // namespace corolla::engine::cuda
