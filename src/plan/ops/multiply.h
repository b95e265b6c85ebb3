// The one loop that takes the interpreter's time.
#pragma once
#include <cstdint>
#include <functional>

namespace corolla::plan {

// c [m,n] += a [m,k] * b [k,n], all dense and row-major.
void multiply(int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c);

// f(begin, end) over 0..count, cut into a piece a core when `work` (multiplications, roughly) is
// worth starting threads for. f runs on several threads at once.
void in_pieces(int64_t count, int64_t work, const std::function<void(int64_t, int64_t)>& f);

}  // namespace corolla::plan
