// The fields of each operation, listed once: for writing, reading and comparing them. Private to
// plan_file.cc. The order is the file format: add at the end only.
#pragma once
#include "plan/plan.h"

namespace corolla::plan {

template <class A>
void fields(A& a, Epilogue& e) {
  a.choice(e.activation, Activation::kLeakyRelu);
  a(e.alpha);
  a(e.beta);
  a(e.residual);
}

template <class A>
void fields(A& a, Import& v) {
  a(v.pixels);
  a(v.mean);
  a(v.std);
}

template <class A, class W>
void window_fields(A& a, W& v) {
  for (int64_t* f : {&v.kernel_h, &v.kernel_w, &v.stride_h, &v.stride_w, &v.dilation_h,
                     &v.dilation_w, &v.pad_top, &v.pad_left, &v.pad_bottom, &v.pad_right})
    a(*f);
}

template <class A>
void fields(A& a, Conv& v) {
  window_fields(a, v);
  a(v.groups);
  fields(a, v.epilogue);
}

template <class A>
void fields(A& a, Gemm& v) {
  a(v.m);
  a(v.n);
  a(v.k);
  fields(a, v.epilogue);
}

template <class A>
void fields(A& a, Matmul& v) {
  a(v.transpose_b);
  a(v.alpha);
}

template <class A>
void fields(A& a, Pool& v) {
  a.choice(v.kind, Pool::Kind::kAverage);
  window_fields(a, v);
  a(v.count_include_pad);
}

template <class A>
void fields(A& a, LayerNorm& v) {
  a(v.epsilon);
}

template <class A>
void fields(A& a, Elementwise& v) {
  a.choice(v.kind, Elementwise::Kind::kPRelu);
  fields(a, v.epilogue);
}

template <class A>
void fields(A& a, Concat& v) {
  a(v.axis);
}

template <class A>
void fields(A& a, Slice& v) {
  a(v.starts);
  a(v.steps);
}

template <class A>
void fields(A& a, Transpose& v) {
  a(v.perm);
}

template <class A>
void fields(A& a, Pad& v) {
  a(v.before);
  a(v.after);
  a(v.value);
}

template <class A>
void fields(A& a, Resize& v) {
  a.choice(v.mode, Resize::Mode::kLinear);
  a.choice(v.coordinates, Resize::Coordinates::kHalfPixelSymmetric);
  a(v.scale_h);
  a(v.scale_w);
  a.choice(v.rounding, Resize::Rounding::kCeil);
}

template <class A>
void fields(A& a, Reduce& v) {
  a.choice(v.kind, Reduce::Kind::kMin);
  a(v.axes);
}

template <class A>
void fields(A& a, Gather& v) {
  a(v.axis);
  a(v.indices);
}

template <class A>
void fields(A& a, GroupNorm& v) {
  a(v.groups);
  a(v.epsilon);
}

template <class A>
void fields(A& a, TopK& v) {
  a(v.axis);
  a(v.k);
  a(v.largest);
  a(v.indices);
}

// Export, GlobalAveragePool, Softmax, Reshape, Expand, Quantize, Dequantize: nothing to say.
template <class A, class V>
void fields(A&, V&) {}

}  // namespace corolla::plan
