// Reads ONNX: a file of opset 7 to 24, with its external data, into a graph of newest-opset
// operators. What is wrong with a file is said in one sentence that names the node or tensor;
// operators that are not supported are listed all at once.
//
// Pure but for reading files; any thread. Files are hostile input: nothing in one is trusted.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "plan/graph.h"

namespace corolla::plan {

struct Dimension {
  int64_t size = -1;  // -1: open
  std::string name;   // of an open one, maybe empty
};

struct ModelInput {
  std::string name;
  DType dtype = DType::kFp32;
  std::vector<Dimension> dims;
};

// A model whose open dimensions are still open: values have no types but for constants.
struct Model {
  std::string name;  // the file's, without its end
  Graph graph;
  std::vector<ModelInput> inputs;  // as graph.inputs
  int64_t opset = 0;
  std::string hash;  // of everything that was read, 16 hexadecimal digits
};

// kNotFound, kTooLarge (2 GiB and more: protobuf's own limit), kInvalidArgument, kUnsupported.
Result<Model> read_onnx(const std::filesystem::path& path);
// `folder`: where external data lies; empty: external data is refused.
Result<Model> parse_onnx(std::span<const std::byte> file, const std::filesystem::path& folder);

struct BindOptions {
  int64_t batch = 1;
  // Shapes that win over the model's, by input.
  std::map<std::string, Shape> shapes;
};

// Every shape made known: the inputs' first dimension is the batch, where it is open. Arithmetic on
// shapes is carried out, so that no node is left whose shape depends on data. kInvalidArgument,
// naming them, when other dimensions are open, or when the model's own batch is fixed at another
// number.
Result<Graph> bind(const Model& model, const BindOptions& options = {});

// The model's first dimension is open, so that it can be bound to any batch.
bool has_open_batch(const Model& model);

// Types of all values, from the inputs' types on. With `fold`, nodes whose inputs are all constant
// and whose output is small are replaced by their values on the way.
Status infer_graph(Graph& graph, bool fold);

}  // namespace corolla::plan
