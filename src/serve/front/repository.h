// The model repository: a folder of Triton's layout (NAME/config.pbtxt, NAME/labels.txt,
// NAME/VERSION/model.onnx or model.xml), read afresh at each call. A model that cannot be read is
// an entry with a reason; the others are not touched by it.
//
// Everything is opened relative to the folder's descriptor, which the keeper may have opened before
// privileges were dropped. Thread-safe: const, and holds nothing but the descriptor.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "wire/inference.pb.h"

namespace corolla::front {

struct ModelVersion {
  int64_t version = 0;
  std::string path;  // of the model file: the repository's path as the user wrote it, then
                     // NAME/VERSION/FILE
};

// One model as it lies in the repository.
struct ModelEntry {
  std::string name;
  std::string problem;                 // not empty: cannot be served, and why
  inference::ModelConfig config;       // checked, not yet completed (model_config.h)
  bool config_written = false;         // there is a config.pbtxt
  std::vector<ModelVersion> versions;  // those to be served, rising
  std::vector<int64_t> all_versions;   // all numbered folders, rising
  std::map<std::string, std::vector<std::string>>
      labels;  // by output; only outputs that name a file
};

// A name that can be a model's: one path component, not hidden, at most 255 bytes of UTF-8. Names
// come from the network too.
bool is_model_name(std::string_view name);

class Repository {
 public:
  // `shown_path`: as the user wrote it; begins the paths that workers get, and sentences.
  // `parameters`: "MODEL.KEY" -> value, set over those of config.pbtxt.
  Repository(Fd folder, std::string shown_path, std::map<std::string, std::string> parameters = {});

  static Result<Repository> open(const std::string& path,
                                 std::map<std::string, std::string> parameters = {});

  // All models, by name. kPermission or kNotFound when the folder itself cannot be read.
  Result<std::vector<ModelEntry>> scan() const;
  // The names alone: cheap.
  Result<std::vector<std::string>> names() const;

  // One model. `versions`: these instead of the version policy's. `config_override`: instead of
  // config.pbtxt. kNotFound when there is no such folder; other trouble is in `problem`.
  Result<ModelEntry> read(const std::string& name, const std::vector<int64_t>& versions = {},
                          const inference::ModelConfig* config_override = nullptr) const;

 private:
  Fd folder_;
  std::string path_;
  std::map<std::string, std::string> parameters_;
};

}  // namespace corolla::front
