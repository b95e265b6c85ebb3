#include "plan/ops/multiply.h"

#include <algorithm>
#include <thread>
#include <vector>

namespace corolla::plan {

void multiply(int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c) {
  // Four rows of c, a block of columns at a time, stay in the first-level cache while b goes by.
  constexpr int64_t kColumns = 512;
  for (int64_t left = 0; left < n; left += kColumns) {
    const int64_t width = std::min(kColumns, n - left);
    int64_t i = 0;
    for (; i + 4 <= m; i += 4) {
      float* __restrict c0 = c + i * n + left;
      float* __restrict c1 = c0 + n;
      float* __restrict c2 = c1 + n;
      float* __restrict c3 = c2 + n;
      const float* a0 = a + i * k;
      for (int64_t p = 0; p < k; ++p) {
        const float* __restrict row = b + p * n + left;
        const float w0 = a0[p], w1 = a0[p + k], w2 = a0[p + 2 * k], w3 = a0[p + 3 * k];
        for (int64_t j = 0; j < width; ++j) {
          c0[j] += w0 * row[j];
          c1[j] += w1 * row[j];
          c2[j] += w2 * row[j];
          c3[j] += w3 * row[j];
        }
      }
    }
    for (; i < m; ++i) {
      float* __restrict c0 = c + i * n + left;
      for (int64_t p = 0; p < k; ++p) {
        const float* __restrict row = b + p * n + left;
        const float w = a[i * k + p];
        for (int64_t j = 0; j < width; ++j) c0[j] += w * row[j];
      }
    }
  }
}

void in_pieces(int64_t count, int64_t work, const std::function<void(int64_t, int64_t)>& f) {
  constexpr int64_t kWorthAThread = 20'000'000;
  const int64_t pieces = std::clamp<int64_t>(
      std::min<int64_t>(work / kWorthAThread, std::max(1u, std::thread::hardware_concurrency())), 1,
      std::max<int64_t>(count, 1));
  std::vector<std::thread> threads;
  for (int64_t p = 1; p < pieces; ++p)
    threads.emplace_back([&, p] { f(count * p / pieces, count * (p + 1) / pieces); });
  f(0, count / pieces);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace corolla::plan
