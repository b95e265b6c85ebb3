// One version of a model on its way from the repository to being served: what workers are told to
// load, and what it becomes once one of them has reported the tensors of its file. Plain values;
// any thread.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "link/link.pb.h"
#include "serve/front/model_config.h"
#include "serve/front/repository.h"
#include "serve/front/served_model.h"

namespace corolla::front {

struct LoadableModel {
  inference::ModelConfig config;  // checked, not completed
  std::map<std::string, std::vector<std::string>> labels;
  link::ModelSpec spec;

  // `statistics` outlives the model. kInvalidArgument when configuration and file do not agree.
  Result<std::shared_ptr<const ServedModel>> complete(const FileTensors& file,
                                                      Statistics& statistics) const;
};

// All versions of `name` that are to be served. `config_json` replaces config.pbtxt when not empty.
// Errors say why nothing can be loaded.
Result<std::vector<LoadableModel>> loadable_models(const Repository& repository,
                                                   const std::string& name,
                                                   const std::string& config_json);

}  // namespace corolla::front
