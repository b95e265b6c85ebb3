// A plan: a model compiled for one kind of device. One weights blob, shared by all batch sizes, and
// one program a batch size: tensors with places in memory, and steps in the order in which they
// run.
//
// An engine replays it: give the arena and the weights an address, then run the steps. What kernel
// runs a step is chosen by timing on the device and written into the step; nothing else changes
// then. See plan_file.h for the form on disk and program_reference.h for what each step means,
// executably.
//
// Plain values: threads may share a const Plan.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"
#include "plan/graph.h"

namespace corolla::plan {

inline constexpr int64_t kWeightAlignment = 256;  // bytes: every weight's offset
inline constexpr int64_t kArenaAlignment = 256;   // bytes: every arena tensor's offset
inline constexpr int64_t kChannelMultiple = 8;    // of kNhwc tensors: 16 bytes of fp16

enum class Place : uint8_t {
  kInput,   // the caller's tensor number `index`, as the caller has it (dtype and shape of Port)
  kOutput,  // the caller's, to be written
  kArena,   // `offset` bytes into the program's arena
  kWeight,  // `offset` bytes into the plan's weights
};

struct PlanTensor {
  std::string name;
  DType dtype = DType::kFp16;
  Layout layout = Layout::kPlain;
  Shape shape;  // logical: [N,C,H,W] for kNhwc
  Place place = Place::kArena;
  int64_t index = 0;   // kInput, kOutput: number of the port
  int64_t offset = 0;  // kArena, kWeight: bytes
  int64_t bytes = 0;   // storage_bytes(dtype, layout, shape)
  // UINT8 activations: real value = scale * (stored - zero). Else 1 and 0.
  float scale = 1;
  int32_t zero = 0;
  bool operator==(const PlanTensor&) const = default;
};

// C' of a kNhwc tensor with C channels.
int64_t stored_channels(int64_t channels);
// Bytes that a tensor takes; kInvalidArgument when it does not fit 63 bits or kNhwc is not 4-D.
Result<int64_t> storage_bytes(DType dtype, Layout layout, std::span<const int64_t> shape);

// ---- What steps do ------------------------------------------------------------------------------
// inputs and outputs are indices into Program::tensors. "fp16" below is the plan's compute type:
// FP16, BF16 or FP32; sums are always fp32. Every step writes zero to the channels that pad a kNhwc
// output. Unless said otherwise a step reads and writes that type in kNhwc or kPlain, the same for
// all. In a plan of precision INT8, an Import, Pool, Elementwise, Conv or Gemm may also write UINT8
// (quantised by the tensor's scale and zero: round half to even, clamp), and the last four read it;
// a Pool then does both. What pads a UINT8 kNhwc tensor may be anything: weights there are zero.

enum class Activation : uint8_t {
  kNone,
  kRelu,
  kClip,       // min(max(v, alpha), beta)
  kSilu,       // v * sigmoid(v)
  kHardSwish,  // v * clip(v/6 + 1/2, 0, 1)
  kGelu,       // v/2 * (1 + erf(v/sqrt 2))
  kGeluTanh,   // v/2 * (1 + tanh(sqrt(2/pi) * (v + 0.044715 v^3)))
  kSigmoid,
  kHardSigmoid,  // clip(alpha*v + beta, 0, 1)
  kTanh,
  kLeakyRelu,  // v < 0 ? alpha*v : v
};

// The end of a conv, gemm or elementwise step: activation(v + residual).
struct Epilogue {
  Activation activation = Activation::kNone;
  float alpha = 0, beta = 0;
  bool residual = false;  // the step has one more input, of the output's shape, added first
  bool operator==(const Epilogue&) const = default;
};

// FP32 [N,C,H,W], or UINT8 [N,H,W,C] pictures, -> fp16 kNhwc, (v - mean[c]) / std[c] (for UINT8 on
// v/255). Also kPlain -> kPlain: only the type changes. An engine may switch `pixels` on, and set
// mean and std, when the model is served with a picture input: nothing else in the program changes.
struct Import {
  bool pixels = false;
  std::vector<float> mean, std;  // empty: 0 and 1
  bool operator==(const Import&) const = default;
};

// fp16, any layout -> the caller's type (FP32 ...), kPlain; INT64 as it is.
struct Export {
  bool operator==(const Export&) const = default;
};

// x kNhwc, w, bias FP32 [Cout'], [residual kNhwc], [w_scale FP32 [Cout'] for INT8] -> y kNhwc.
// w is kPlain [Cout', kh, kw, Cin' / groups]: Cout' = stored_channels(Cout); Cin' =
// stored_channels(Cin) when groups is 1, else Cin. What pads w, bias and w_scale is zero.
// groups == Cin == Cout is depthwise: w is then [C', kh, kw, 1].
// INT8: x is UINT8, w INT8; the sum is int32 of (x - zero) * w, then sum * x.scale * w_scale[c] +
// bias[c], + residual (UINT8 or fp16), activation; y is UINT8 or fp16. Outside the picture x counts
// as `zero`. Where w is not INT8, nothing is UINT8.
struct Conv {
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  int64_t groups = 1;
  Epilogue epilogue;
  bool operator==(const Conv&) const = default;
};

// x [M,K] kPlain (or [N,C,1,1] kNhwc with K = C'), w [N,K] kPlain, bias FP32 [N], [residual [M,N]],
// [w_scale] -> y [M,N], = epilogue(x * w^T + bias). Leading dimensions of x beyond two are part of
// M. INT8 as in Conv.
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  Epilogue epilogue;
  bool operator==(const Gemm&) const = default;
};

// a [..., M, K], b [..., K, N] -> [..., M, N], kPlain, leading dimensions broadcast; times alpha.
// transpose_b: b is [..., N, K].
struct Matmul {
  bool transpose_b = false;
  float alpha = 1;
  bool operator==(const Matmul&) const = default;
};

// kNhwc. Outside the picture: -infinity for kMax; left out of the count for kAverage unless
// count_include_pad.
struct Pool {
  enum class Kind : uint8_t { kMax, kAverage } kind = Kind::kMax;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  bool count_include_pad = false;
  bool operator==(const Pool&) const = default;
};

// kNhwc [N,C,H,W] -> kNhwc [N,C,1,1].
struct GlobalAveragePool {
  bool operator==(const GlobalAveragePool&) const = default;
};

struct Softmax {  // kPlain, over the last dimension; y may be FP32
  bool operator==(const Softmax&) const = default;
};

// x kPlain, gamma FP32 [D], beta FP32 [D] -> normalised over the last dimension, of D elements. x
// may be FP32.
struct LayerNorm {
  float epsilon = 1e-5f;
  bool operator==(const LayerNorm&) const = default;
};

// One, two or three tensors -> one, each of which may also be FP32; shapes broadcast as in numpy
// (kNhwc: all inputs are kNhwc 4-D).
struct Elementwise {
  enum class Kind : uint8_t {
    kIdentity,  // with an activation: that alone
    kAdd,
    kSub,
    kMul,
    kDiv,
    kPow,
    kMin,
    kMax,
    kSqrt,
    kExp,
    kLog,
    kErf,
    kNeg,
    kAbs,
    kReciprocal,
    kMulAdd,  // three inputs: a * b + c
    kSin,
    kCos,
    kTan,
    kAsin,
    kAcos,
    kAtan,
    kSinh,
    kCosh,
    kAsinh,
    kAcosh,
    kAtanh,
    kFloor,
    kCeil,
    kRound,  // halves to even
    kSign,
    kSoftplus,  // log(1 + exp(a))
    kSoftsign,  // a / (1 + |a|)
    kElu,       // two inputs: a < 0 ? b * (exp(a) - 1) : a
    kPRelu,     // two inputs: a < 0 ? b * a : a
  } kind = Kind::kIdentity;
  Epilogue epilogue;
  bool operator==(const Elementwise&) const = default;
};

struct Concat {
  int64_t axis = 1;  // of the logical shape, here and below
  bool operator==(const Concat&) const = default;
};

struct Slice {  // y[i...] = x[start + i*step ...]; one entry a dimension; steps >= 1
  std::vector<int64_t> starts, steps;
  bool operator==(const Slice&) const = default;
};

// y's dimension d is x's dimension perm[d]. Layouts may differ: x plain and y kNhwc with
// perm = {0,1,2,3} is a change of layout alone.
struct Transpose {
  std::vector<int64_t> perm;
  bool operator==(const Transpose&) const = default;
};

// The same bytes under another shape or layout. The output lies where the input lies (nothing to
// do) unless one of them is a port.
struct Reshape {
  bool operator==(const Reshape&) const = default;
};

struct Pad {  // by the constant `value`; one entry a dimension; may not be negative
  std::vector<int64_t> before, after;
  float value = 0;
  bool operator==(const Pad&) const = default;
};

// kNhwc, height and width. An output place o is at source place s, by `coordinates` and the scale:
// kNearest takes the element that `rounding` makes of s, kLinear those on both sides; places
// outside count as the edge. ONNX's Resize says each exactly.
struct Resize {
  enum class Mode : uint8_t { kNearest, kLinear } mode = Mode::kNearest;
  enum class Coordinates : uint8_t {
    kHalfPixel,           // (o + 1/2) / scale - 1/2
    kAsymmetric,          // o / scale
    kAlignCorners,        // o * (in - 1) / (scale * in - 1)
    kPytorchHalfPixel,    // 0 where there is one output place, else as kHalfPixel
    kHalfPixelSymmetric,  // as kHalfPixel, about the middle
  } coordinates = Coordinates::kHalfPixel;
  float scale_h = 0, scale_w = 0;  // 0: the quotient of the sizes, unrounded
  enum class Rounding : uint8_t {
    kPreferFloor,  // to the nearest, halves down
    kPreferCeil,
    kFloor,
    kCeil,
  } rounding = Rounding::kPreferFloor;
  bool operator==(const Resize&) const = default;
};

struct Reduce {  // the reduced axes have 1 element in the output
  enum class Kind : uint8_t { kMean, kSum, kMax, kMin } kind = Kind::kMean;
  std::vector<int64_t> axes;  // rising
  bool operator==(const Reduce&) const = default;
};

// x kPlain; y has the elements `indices` of `axis`, in that order. y's shape may lack the axis when
// there is one index.
struct Gather {
  int64_t axis = 0;
  std::vector<int64_t> indices;
  bool operator==(const Gather&) const = default;
};

struct Expand {  // numpy's broadcast of x to y's shape
  bool operator==(const Expand&) const = default;
};

struct Quantize {  // fp16 -> UINT8 with the output's scale and zero
  bool operator==(const Quantize&) const = default;
};

struct Dequantize {  // UINT8 -> fp16
  bool operator==(const Dequantize&) const = default;
};

// x [N,C,...], either layout, gamma FP32 [C], beta FP32 [C] -> each of `groups` equal runs of
// channels of an image brought to mean 0 and variance 1, then gamma[c] * v + beta[c].
struct GroupNorm {
  int64_t groups = 1;
  float epsilon = 1e-5f;
  bool operator==(const GroupNorm&) const = default;
};

// kPlain. The k largest (or smallest) elements along `axis`, falling (or rising), equal ones in the
// order of their places; with `indices` their places instead, INT64.
struct TopK {
  int64_t axis = 0, k = 1;
  bool largest = true, indices = false;
  bool operator==(const TopK&) const = default;
};

// The alternative is the operator: visit it, or compare index() with StepOp.
using Operation =
    std::variant<Import, Export, Conv, Gemm, Matmul, Pool, GlobalAveragePool, Softmax, LayerNorm,
                 Elementwise, Concat, Slice, Transpose, Reshape, Pad, Resize, Reduce, Gather,
                 Expand, Quantize, Dequantize, GroupNorm, TopK>;

enum class StepOp : uint8_t {
  kImport,
  kExport,
  kConv,
  kGemm,
  kMatmul,
  kPool,
  kGlobalAveragePool,
  kSoftmax,
  kLayerNorm,
  kElementwise,
  kConcat,
  kSlice,
  kTranspose,
  kReshape,
  kPad,
  kResize,
  kReduce,
  kGather,
  kExpand,
  kQuantize,
  kDequantize,
  kGroupNorm,
  kTopK,
};

std::string_view step_op_name(StepOp op);  // "conv", "global_average_pool"
std::string_view activation_name(Activation activation);

struct Step {
  std::string name;  // of the ONNX node that it came from, or the last of those fused into it
  Operation operation;
  std::vector<int32_t> inputs, outputs;
  // Chosen by timing on the device; empty before.
  std::string kernel;
  std::vector<int32_t> tuning;
  double microseconds = 0;  // as timed then; 0: not timed
  StepOp op() const { return static_cast<StepOp>(operation.index()); }
  bool operator==(const Step&) const = default;
};

// One batch size.
struct Program {
  int64_t batch = 1;
  std::vector<PlanTensor> tensors;
  std::vector<Step> steps;
  int64_t arena_bytes = 0;
  int64_t arena_lower_bound = 0;  // most bytes alive at any step: no arena can be smaller
  int64_t workspace_bytes = 0;    // what the chosen kernels want besides; 0 before tuning
  double microseconds = 0;        // of the whole program, as timed; 0: not timed
  bool operator==(const Program&) const = default;
};

// What the caller sees. Shapes have the batch as their first dimension (-1) where the model has
// one.
struct Port {
  std::string name;
  DType dtype = DType::kFp32;
  Shape shape;
  bool operator==(const Port&) const = default;
};

// What a plan was made for. Empty or 0: not bound to any (untuned).
struct Target {
  std::string engine;  // "cuda", "openvino"
  std::string arch;    // "sm_90a"; of a CPU "x86_64 avx2 fma ..."
  std::string device;  // "NVIDIA H100 80GB HBM3"
  int32_t sm_count = 0;
  int64_t memory_bytes = 0;
  std::string driver;  // "575.57.08"; for engine "openvino" its version
  std::string walls;   // "whole", "mig", "mps", "sm": how the slice was cut that it was tuned on
  bool operator==(const Target&) const = default;
};

// Changes when anything does that tuning depends on: two targets with one key share tuned kernels.
std::string tuning_key(const Target& target);

// ok, or why a plan for `plan` cannot run on `device`: another engine or architecture, too little
// memory for `needed_bytes`. Fields that are empty on either side are not compared.
Status fits(const Target& plan, const Target& device, int64_t needed_bytes);
// What runs, but was tuned elsewhere (another SM count, walls or driver): a sentence, or nothing.
std::optional<std::string> tuned_elsewhere(const Target& plan, const Target& device);

struct Plan {
  std::string model;               // the file's name, for messages
  std::string model_hash;          // of the model's content, 16 hexadecimal digits
  DType precision = DType::kFp16;  // compute type; INT8: fp16 with 8-bit convolutions
  Target target;
  std::vector<Port> inputs, outputs;
  bool batched = true;  // ports have a batch dimension
  // Rising batch. For engine "openvino" without steps: tensor 0 is the compiled model of that
  // batch.
  std::vector<Program> programs;

  // Raw bytes: weights for "cuda", OpenVINO's exported models for "openvino". In memory that
  // `owner` keeps (a mapped plan file, or a vector); 256-byte aligned.
  std::span<const std::byte> weights;
  std::shared_ptr<const void> owner;

  // The program of the smallest batch that holds `rows`; nullptr when none does.
  const Program* program_for(int64_t rows) const;
};

// Every index, offset and size lies inside what it points into, and every step has as many inputs,
// and the shapes and types, that its operation above asks for. An engine may trust a plan that
// passes. The sentence names the step. read_plan() has called it.
Status verify(const Plan& plan);

// One line a step: name, operation, shape, kernel.
std::string program_text(const Program& program);

}  // namespace corolla::plan
