#include "engine/openvino/openvino_engine.h"

#include <sched.h>
#include <sys/stat.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>

#include "base/log.h"
#include "engine/openvino/blob_cache.h"
#include "engine/openvino/cpu_target.h"
#include "engine/openvino/model_reader.h"
#include "engine/openvino/openvino_model.h"
#include "plan/plan_file.h"

namespace corolla::engine {
namespace {

struct Settings {
  int threads = 1;
  bool bf16 = false;
};

Status set(Settings& settings, const std::string& name, const std::string& value) {
  if (name == "threads") {
    const char* end = value.data() + value.size();
    const auto parsed = std::from_chars(value.data(), end, settings.threads);
    if (parsed.ec != std::errc() || parsed.ptr != end || settings.threads < 1 ||
        settings.threads > 1024)
      return Error{Code::kInvalidArgument, "threads is '" + value + "'; it may be 1 to 1024"};
    return ok();
  }
  if (value != "f32" && value != "bf16")
    return Error{Code::kInvalidArgument, "precision is '" + value + "'; it may be f32 or bf16"};
  settings.bf16 = value == "bf16";
  return ok();
}

bool is_option(const std::string& name) { return name == "threads" || name == "precision"; }

// What a compiled model depends on in the machine.
std::string cpu_features() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  std::string line, text;
  while (std::getline(cpuinfo, line) && !line.empty())  // the first processor
    if (line.starts_with("flags") || line.starts_with("model name") || line.starts_with("Features"))
      text += line + "\n";
  return text;
}

// Weights may lie in files of their own beside the model; those are told by name, size and time.
std::string neighbours(const std::string& path) {
  namespace fs = std::filesystem;
  std::vector<std::string> found;
  std::error_code ignored;
  for (fs::directory_iterator it(fs::path(path).parent_path(), ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    struct stat st {};
    if (it->path() == fs::path(path) || ::stat(it->path().c_str(), &st) != 0 ||
        !S_ISREG(st.st_mode))
      continue;
    found.push_back(it->path().filename().string() + ":" + std::to_string(st.st_size) + ":" +
                    std::to_string(st.st_mtim.tv_sec) + "." + std::to_string(st.st_mtim.tv_nsec));
  }
  std::sort(found.begin(), found.end());
  std::string text;
  for (const std::string& one : found) text += one + "\n";
  return text;
}

// The rule by which the front finds a batch dimension that nobody has declared.
bool begins_with_a_batch(const ov::Model& model) {
  const auto open = [](const auto& port) {
    const ov::PartialShape shape = port.get_partial_shape();
    return shape.rank().is_static() && shape.size() > 0 && shape[0].is_dynamic();
  };
  const auto inputs = model.inputs(), outputs = model.outputs();
  return !inputs.empty() && !outputs.empty() && std::all_of(inputs.begin(), inputs.end(), open) &&
         std::all_of(outputs.begin(), outputs.end(), open);
}

class OpenvinoEngine final : public Engine {
 public:
  OpenvinoEngine(const EngineSetup& setup, Settings settings)
      : settings_(settings),
        cache_(setup.cache_dir),
        target_(cpu_target()),
        version_(target_.driver) {}

  std::string name() const override { return "openvino " + version_.substr(0, version_.find('-')); }
  int depth() const override { return 1; }

  Result<std::unique_ptr<Model>> load(const ModelSource& source) override {
    try {
      return load_unguarded(source);
    } catch (const std::exception& exception) {
      return Error{Code::kInternal,
                   "loading model '" + source.name + "' failed: " + plain_sentence(exception)};
    }
  }

  void submit(Model& model, std::span<Request> requests, Done done) override {
    Timing timing;
    Status status = ok();
    try {
      timing = static_cast<OpenvinoModel&>(model).run(requests);
    } catch (const std::exception& exception) {
      status = Error{Code::kInternal, "OpenVINO cannot go on: " + plain_sentence(exception)};
    }
    done(std::move(status), timing);
  }

 private:
  Result<std::unique_ptr<Model>> load_unguarded(const ModelSource& source) {
    Settings settings = settings_;
    for (const auto& [name, value] : source.parameters)
      if (is_option(name)) RETURN_IF_ERROR(set(settings, name, value));
    if (plan::is_plan(source.path) || source.path.ends_with(".plan"))
      return load_plan(source, settings);
    ASSIGN_OR_RETURN(const std::string key, key_of(source, settings));
    auto parts = from_blobs(key, settings);
    if (!parts) {
      const BlobCache::Lock lock(cache_, key);
      parts = from_blobs(key, settings);  // somebody else may have been first
      if (!parts) {
        ASSIGN_OR_RETURN(parts, compile(source, key, settings));
      }
    }
    if (parts->rungs.empty() || parts->rungs.front().rows == 0) {
      if (!parts->any_shape.graph) {
        ASSIGN_OR_RETURN(const auto forms, read_model(core_, source));
        parts->any_shape.graph = forms.front().model;
      }
      parts->any_shape.compile = [this, settings, graph = parts->any_shape.graph->clone()] {
        return core_.compile_model(graph, "CPU", properties(settings));
      };
    }
    ASSIGN_OR_RETURN(auto model, OpenvinoModel::make(source, *std::move(parts)));
    RETURN_IF_ERROR(model->warm());
    return std::unique_ptr<Model>(std::move(model));
  }

  // The compiled models of `corolla compile --for cpu`, for the batch sizes that this model may
  // have.
  Result<std::unique_ptr<Model>> load_plan(const ModelSource& source, Settings settings) {
    ASSIGN_OR_RETURN(const plan::Plan plan, read_cpu_plan(source.path, target_));
    if (!plan.batched && source.max_batch > 0)
      return Error{Code::kInvalidArgument,
                   "model '" + source.name + "' (" + source.path + "): max_batch_size is " +
                       std::to_string(source.max_batch) +
                       ", but the plan was compiled from a model without an open batch dimension; "
                       "set max_batch_size to 0"};
    if (plan.batched && nobody_knows_the_batch(source)) {
      const auto tensors = [](const std::vector<plan::Port>& ports) {
        std::vector<TensorSpec> made;
        for (const plan::Port& port : ports) made.push_back({port.name, port.dtype, port.shape});
        return made;
      };
      return std::unique_ptr<Model>(OpenvinoModel::of_tensors(
          tensors(plan.inputs), tensors(plan.outputs),
          "model '" + source.name + "': a plan with a batch dimension needs max_batch_size"));
    }
    settings.bf16 = plan.precision == DType::kBf16;
    ModelParts parts;
    parts.from_cache = true;
    parts.memory.push_back(plan.owner);
    for (const plan::Program& program : plan.programs) {
      if (!parts.rungs.empty() && program.batch > source.max_batch) break;
      add_rung(parts, source.max_batch > 0 ? static_cast<int>(program.batch) : 1,
               blob_of(plan, program), settings);
    }
    ASSIGN_OR_RETURN(auto model, OpenvinoModel::make(source, std::move(parts)));
    RETURN_IF_ERROR(model->warm());
    return std::unique_ptr<Model>(std::move(model));
  }

  // Without a declaration the front first asks what the file has, then loads the model again with
  // the batch that it finds there. What is only asked for its tensors need not be compiled.
  static bool nobody_knows_the_batch(const ModelSource& source) {
    return source.max_batch == 0 && source.inputs.empty() && source.outputs.empty() &&
           source.images.empty();
  }

  // The first now, the others once the model serves.
  void add_rung(ModelParts& parts, int rows, std::span<const std::byte> blob,
                const Settings& settings) {
    auto import = [this, rows, blob, settings] {
      const ov::Tensor tensor(ov::element::u8, {blob.size()},
                              static_cast<const void*>(blob.data()));
      return Rung(rows, core_.import_model(tensor, "CPU", properties(settings)));
    };
    if (parts.rungs.empty())
      parts.rungs.push_back(import());
    else
      parts.later.push_back(std::move(import));
  }

  ov::AnyMap properties(const Settings& settings) const {
    return {ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY),
            ov::num_streams(1),
            ov::hint::num_requests(1),
            ov::inference_num_threads(settings.threads),
            ov::hint::enable_cpu_pinning(false),
            ov::hint::scheduling_core_type(ov::hint::SchedulingCoreType::ANY_CORE),
            ov::hint::inference_precision(settings.bf16 ? ov::element::bf16 : ov::element::f32)};
  }

  Result<std::string> key_of(const ModelSource& source, const Settings& settings) const {
    std::ostringstream key;
    ASSIGN_OR_RETURN(const std::string hash, file_hash(source.path));
    key << "model " << hash << "\nopenvino " << version_ << "\nbeside\n"
        << neighbours(source.path) << "threads " << settings.threads << "\nbf16 " << settings.bf16
        << "\nmax_batch " << source.max_batch << "\n";
    for (const TensorSpec& spec : source.inputs)
      key << "input " << spec.name << " " << dtype_name(spec.dtype) << " " << shape_text(spec.shape)
          << "\n";
    for (const ImageInput& image : source.images) {
      key << "image " << image.input;
      for (float mean : image.mean) key << " " << std::hexfloat << mean;
      for (float deviation : image.std) key << " " << std::hexfloat << deviation;
      key << "\n";
    }
    key << cpu_features();
    return key.str();
  }

  static std::string rung_key(const std::string& key, int rows) {
    return key + "rows " + std::to_string(rows);
  }

  // The list of rungs is a blob of its own, written last: whoever finds it finds the rungs, too.
  std::optional<ModelParts> from_blobs(const std::string& key, const Settings& settings) {
    const auto list = cache_.find(key);
    if (!list) return std::nullopt;
    std::istringstream text(
        std::string(reinterpret_cast<const char*>(list->bytes().data()), list->bytes().size()));
    ModelParts parts;
    parts.from_cache = true;
    for (int rows; text >> rows;) {
      auto blob = cache_.find(rung_key(key, rows));
      if (!blob) return std::nullopt;
      const auto bytes = blob->bytes();
      parts.memory.push_back(std::make_shared<const Blob>(*std::move(blob)));
      try {
        add_rung(parts, rows, bytes, settings);
      } catch (const std::exception& exception) {
        log::warn("cached_model_unusable", {{"why", plain_sentence(exception)}});
        return std::nullopt;
      }
    }
    if (parts.rungs.empty()) return std::nullopt;
    return parts;
  }

  Result<ModelParts> compile(const ModelSource& source, const std::string& key,
                             const Settings& settings) {
    ASSIGN_OR_RETURN(auto forms, read_model(core_, source));
    ModelParts parts;
    if (nobody_knows_the_batch(source) && begins_with_a_batch(*forms.front().model)) {
      parts.any_shape.graph = std::move(forms.front().model);
      return parts;
    }
    std::string list;
    Status kept = ok();
    for (CompileForm& form : forms) {
      auto compiled = core_.compile_model(form.model, "CPU", properties(settings));
      form.model.reset();
      std::ostringstream blob;
      compiled.export_model(blob);
      if (kept.ok()) kept = cache_.put(rung_key(key, form.rows), std::move(blob).str());
      parts.rungs.emplace_back(form.rows, std::move(compiled));
      list += std::to_string(form.rows) + " ";
    }
    if (kept.ok()) kept = cache_.put(key, list);
    if (!kept.ok())
      log::warn("model_not_cached", {{"model", source.name}, {"why", kept.error().what}});
    return parts;
  }

  const Settings settings_;
  BlobCache cache_;
  const plan::Target target_;
  const std::string version_;
  ov::Core core_;
};

}  // namespace

Result<std::unique_ptr<Engine>> make_openvino_engine(const EngineSetup& setup) {
  Settings settings;
  cpu_set_t allowed;
  if (!setup.cores.empty())
    settings.threads = static_cast<int>(setup.cores.size());
  else if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0)
    settings.threads = CPU_COUNT(&allowed);
  for (const auto& [name, value] : setup.options) {
    if (!is_option(name))
      return Error{Code::kInvalidArgument, "the OpenVINO engine has no option '" + name +
                                               "'; it has threads and precision"};
    RETURN_IF_ERROR(set(settings, name, value));
  }
  try {
    return std::unique_ptr<Engine>(std::make_unique<OpenvinoEngine>(setup, settings));
  } catch (const std::exception& exception) {
    return Error{Code::kInternal, "OpenVINO does not start: " + plain_sentence(exception)};
  }
}

}  // namespace corolla::engine
