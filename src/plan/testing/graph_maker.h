// For tests: graphs, put together in a few lines, and comparing what they compute.
#pragma once
#include <map>
#include <random>
#include <string>
#include <vector>

#include "plan/graph.h"
#include "plan/onnx_reader.h"

namespace corolla::plan {

// Random numbers are the same in every run.
class GraphMaker {
 public:
  explicit GraphMaker(unsigned seed = 1) : random_(seed) {}

  ValueId input(const std::string& name, Shape shape, DType dtype = DType::kFp32);
  ValueId weight(Shape shape, float scale = 0.3f, float centre = 0);
  ValueId constant(Tensor tensor);
  ValueId ints(const std::vector<int64_t>& values) { return constant(Tensor::of_ints(values)); }
  ValueId number(float value) { return constant(Tensor::scalar(value)); }
  // A node of one output; attributes are set by the caller's function.
  ValueId node(const std::string& op, std::vector<ValueId> inputs,
               const std::map<std::string, Attribute>& attributes = {});
  // Likewise, of several outputs.
  std::vector<ValueId> nodes(const std::string& op, std::vector<ValueId> inputs, size_t outputs,
                             const std::map<std::string, Attribute>& attributes = {});
  std::vector<ValueId> split(ValueId x, int64_t axis, const std::vector<int64_t>& lengths);
  void output(ValueId id);

  ValueId conv(ValueId x, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1,
               int64_t groups = 1);
  ValueId batch_norm(ValueId x, int64_t channels);
  // x -> QuantizeLinear -> DequantizeLinear.
  ValueId fake_quantised(ValueId x, float scale, int zero = 128);
  // DequantizeLinear of an INT8 constant, one scale a row.
  ValueId int8_weight(Shape shape);

  // Typed and verified. The maker is empty afterwards.
  Graph finish();
  // With the first dimension of each input open.
  Model finish_model();

  Tensor random(Shape shape, float scale = 1, float centre = 0);

 private:
  ValueId result();
  std::mt19937 random_;
  Graph graph_;
};

// Random inputs for the graph's own shapes.
std::map<std::string, Tensor> random_inputs(const Graph& graph, unsigned seed = 7);

// Largest |a - b| over largest |b|; 1e9 when shapes or types differ.
double difference(const Tensor& a, const Tensor& b);
// Over all outputs, of two graphs on the same random inputs.
double difference(const Graph& a, const Graph& b);

// Operators in order, separated by blanks.
std::string ops_text(const Graph& graph);

}  // namespace corolla::plan
