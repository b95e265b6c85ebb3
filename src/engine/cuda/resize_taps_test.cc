// Against the plan's own reference, over every mode.
#include "engine/cuda/resize_taps.h"

#include <gtest/gtest.h>

#include "plan/program_reference.h"

namespace corolla::engine::cuda {
namespace {

using plan::Resize;

// A picture of one channel, in floats, by the step's meaning.
std::vector<float> reference(const Resize& resize, const std::vector<float>& x, plan::Shape in,
                             plan::Shape out) {
  plan::Program program;
  for (const plan::Shape& shape : {in, out}) {
    plan::PlanTensor tensor;
    tensor.dtype = DType::kFp32;
    tensor.layout = plan::Layout::kNhwc;
    tensor.shape = shape;
    program.tensors.push_back(tensor);
  }
  plan::Step step;
  step.operation = resize;
  step.inputs = {0};
  step.outputs = {1};
  const std::vector<std::vector<float>> inputs = {x};
  const auto made = plan::run_step(program, step, inputs);
  CHECK(made.ok(), made.ok() ? "" : made.error().what);
  return *made;
}

TEST(ResizeTaps, AgreeWithTheReferenceEverywhere) {
  constexpr int64_t kIn[] = {1, 2, 5, 8}, kOut[] = {1, 3, 7, 16};
  for (int coordinates = 0; coordinates < 5; ++coordinates)
    for (int rounding = 0; rounding < 4; ++rounding)
      for (const auto mode : {Resize::Mode::kNearest, Resize::Mode::kLinear})
        for (const int64_t in : kIn)
          for (const int64_t out : kOut)
            for (const bool by_scale : {false, true}) {
              Resize resize;
              resize.mode = mode;
              resize.coordinates = static_cast<Resize::Coordinates>(coordinates);
              resize.rounding = static_cast<Resize::Rounding>(rounding);
              if (by_scale) {  // whose product is rounded down to `out`
                resize.scale_h = 1;
                resize.scale_w = (static_cast<float>(out) + 0.4f) / static_cast<float>(in);
              }
              std::vector<float> x(static_cast<size_t>(in));
              for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * i + 1);
              const auto want = reference(resize, x, {1, 1, 1, in}, {1, 1, 1, out});
              const auto taps = resize_taps(resize, resize.scale_w, in, out);
              ASSERT_EQ(want.size(), taps.size());
              for (size_t o = 0; o < taps.size(); ++o) {
                float have = 0;
                for (int t = 0; t < 2; ++t)
                  have += taps[o].weight[t] * x[static_cast<size_t>(taps[o].at[t])];
                ASSERT_NEAR(have, want[o], 1e-4)
                    << coordinates << " " << rounding << " " << static_cast<int>(mode) << " " << in
                    << " -> " << out << " " << by_scale << " at " << o;
              }
            }
}

}  // namespace
}  // namespace corolla::engine::cuda
