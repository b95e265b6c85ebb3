#include "serve/front/loadable_model.h"

#include <algorithm>

namespace corolla::front {

Result<std::vector<LoadableModel>> loadable_models(const Repository& repository,
                                                   const std::string& name,
                                                   const std::string& config_json) {
  inference::ModelConfig replacement;
  if (!config_json.empty()) {
    ASSIGN_OR_RETURN(
        replacement,
        parse_config_json(config_json, "config of the load request for '" + name + "'"));
    RETURN_IF_ERROR(check_config(replacement, name));
  }
  ASSIGN_OR_RETURN(const auto entry,
                   repository.read(name, {}, config_json.empty() ? nullptr : &replacement));
  if (!entry.problem.empty()) return Error{Code::kInvalidArgument, entry.problem};
  std::vector<LoadableModel> models;
  for (const auto& version : entry.versions) {
    LoadableModel model;
    model.config = entry.config;
    model.labels = entry.labels;
    ASSIGN_OR_RETURN(model.spec, model_spec(entry.config, version.version, version.path, 0));
    models.push_back(std::move(model));
  }
  if (models.empty()) return Error{Code::kNotFound, "model '" + name + "' has no version to serve"};
  return models;
}

Result<std::shared_ptr<const ServedModel>> LoadableModel::complete(const FileTensors& file,
                                                                   Statistics& statistics) const {
  auto made = std::make_shared<ServedModel>();
  made->id = spec.id();
  made->name = spec.name();
  made->version = spec.version();
  made->version_text = std::to_string(spec.version());
  auto effective = config;
  if (effective.max_batch_size() == 0 && spec.max_batch() > 0)
    effective.set_max_batch_size(static_cast<int>(spec.max_batch()));
  ASSIGN_OR_RETURN(made->config, complete_config(effective, file));
  made->max_batch = spec.max_batch();
  made->policy = model_policy(made->config);
  made->policy.name = made->name;
  // The workers' order and shapes; what the configuration adds are labels.
  for (const auto& input : file.inputs) {
    auto& spec_in = made->inputs.emplace_back();
    spec_in.name = input.name();
    spec_in.dtype = static_cast<DType>(input.dtype());
    spec_in.shape = {input.shape().begin(), input.shape().end()};
    made->fixed_shapes &= std::ranges::all_of(spec_in.shape, [](int64_t dim) { return dim >= 0; });
  }
  for (const auto& output : file.outputs) {
    auto& spec_out = made->outputs.emplace_back();
    spec_out.name = output.name();
    spec_out.dtype = static_cast<DType>(output.dtype());
    spec_out.shape = {output.shape().begin(), output.shape().end()};
    if (const auto found = labels.find(output.name()); found != labels.end())
      spec_out.labels = found->second;
  }
  if (made->outputs.size() > 64)
    return Error{Code::kUnsupported, "model '" + made->name + "' has " +
                                         std::to_string(made->outputs.size()) +
                                         " outputs; at most 64 are served"};
  made->reply_row_bytes = reply_row_bytes(made->outputs);
  made->statistics = &statistics.model(made->name, made->version_text);
  return std::shared_ptr<const ServedModel>(std::move(made));
}

}  // namespace corolla::front
