// Reads a model file and brings it into the forms that are to be compiled: picture inputs
// normalised inside, dimensions fixed as far as the declaration fixes them, one static form for
// each batch size of the ladder.
//
// Why a ladder: an int8 ResNet-50 takes a tenth less time a picture at batch 4 than at 1, and there
// is nothing more to win beyond. One model of a dynamic batch runs as fast, but each change of the
// batch size costs it 1.7 ms (a tenth of a picture), and sizes change all the time. So a model is
// compiled at 1 and at min(4, max_batch), and a batch of any size is run as so many fours and then
// ones. The second form costs some 40 MB a worker. Models that cannot be reshaped run at 1 only.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/openvino/ov_types.h"

namespace corolla::engine {

struct CompileForm {
  // Of the batch dimension; 1 for a model of fixed shapes without one. 0: the model is compiled
  // once, for any shapes.
  int rows = 0;
  std::shared_ptr<ov::Model> model;
};

// kInvalidArgument: the file is broken, uses what OpenVINO does not have, or does not fit its
// declaration.
Result<std::vector<CompileForm>> read_model(ov::Core& core, const ModelSource& source);

// The sizes of the ladder for this max_batch, rising. REQUIRES: max_batch > 0.
std::vector<int> ladder(int max_batch);

}  // namespace corolla::engine
