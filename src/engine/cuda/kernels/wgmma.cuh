// Warpgroup matrix multiply-accumulate of every type and width (sm_90a).
#pragma once
#include "engine/cuda/kernels/ptx.cuh"

namespace corolla::engine::cuda::ptx {

// Names of the sums' registers in the instruction's text.
#define COROLLA_SUMS_16 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15"
#define COROLLA_SUMS_32 \
  "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define COROLLA_SUMS_64 \
  "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31," \
  "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define COROLLA_SUMS_128 \
  "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31," \
  "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63," \
  "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95," \
  "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111,%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
#define COROLLA_S4(c, i) c(d[i]), c(d[i + 1]), c(d[i + 2]), c(d[i + 3])
#define COROLLA_S16(c, i) COROLLA_S4(c, i), COROLLA_S4(c, i + 4), COROLLA_S4(c, i + 8), COROLLA_S4(c, i + 12)
#define COROLLA_S32(c, i) COROLLA_S16(c, i), COROLLA_S16(c, i + 16)
#define COROLLA_S64(c, i) COROLLA_S32(c, i), COROLLA_S32(c, i + 32)
#define COROLLA_S128(c, i) COROLLA_S64(c, i), COROLLA_S64(c, i + 64)

#ifdef COROLLA_WGMMA
// sums, n, operands a and b, the instruction's types, its last words, the sums' constraint
#define COROLLA_WGMMA_RUN(sums, n, a_at, b_at, types, end, c)                                        \
  asm volatile("wgmma.mma_async.sync.aligned.m64n" #n types " {" COROLLA_SUMS_##sums "}, %" #a_at    \
               ", %" #b_at end ";\n"                                                                 \
               : COROLLA_S##sums(c, 0)                                                               \
               : "l"(a), "l"(b))
#define COROLLA_FLOAT(r) "+f"(r)
#define COROLLA_INT(r) "+r"(r)
#define COROLLA_WGMMA_TYPES(sums, n, a_at, b_at)                                                     \
  if constexpr (kElement == Element::kHalf)                                                          \
    COROLLA_WGMMA_RUN(sums, n, a_at, b_at, "k16.f32.f16.f16", ", 1, 1, 1, 0, 0", COROLLA_FLOAT);     \
  else if constexpr (kElement == Element::kBfloat)                                                   \
    COROLLA_WGMMA_RUN(sums, n, a_at, b_at, "k16.f32.bf16.bf16", ", 1, 1, 1, 0, 0", COROLLA_FLOAT);   \
  else                                                                                               \
    COROLLA_WGMMA_RUN(sums, n, a_at, b_at, "k32.s32.u8.s8", ", 1", COROLLA_INT)
#else
#define COROLLA_WGMMA_TYPES(sums, n, a_at, b_at) (void)d, (void)a, (void)b
#endif

// 64 x N x 32 bytes of K: d += a * b^T, both k-major in shared memory.
template <Element kElement, int kN>
__device__ __forceinline__ void wgmma(typename SumOf<kElement>::Type (&d)[kN / 2], uint64_t a, uint64_t b) {
  static_assert(kN == 32 || kN == 64 || kN == 128 || kN == 256);
  if constexpr (kN == 32) {
    COROLLA_WGMMA_TYPES(16, 32, 16, 17);
  } else if constexpr (kN == 64) {
    COROLLA_WGMMA_TYPES(32, 64, 32, 33);
  } else if constexpr (kN == 128) {
    COROLLA_WGMMA_TYPES(64, 128, 64, 65);
  } else {
    COROLLA_WGMMA_TYPES(128, 256, 128, 129);
  }
}

}  // namespace corolla::engine::cuda::ptx
