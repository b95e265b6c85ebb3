// What plans answer to a folder of example pictures: how many first classes are right, and how far
// the answers are from those of the first plan.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"

namespace corolla::bench {

// `folder` has JPEGs and labels.csv (file,index,...). Pictures go in as files and are normalised as
// ImageNet's are, `rows` to a batch. Prints a line a model, and writes its answers, raw floats of
// all pictures in labels.csv's order, to MODEL.answers where `keep`.
Status picture_answers(const std::string& folder, const std::vector<std::string>& models, int rows,
                       bool keep);

}  // namespace corolla::bench
