#include "serve/worker/model_loader.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/log.h"
#include "base/time.h"
#include "link/rings.h"

namespace corolla::worker {
namespace {

void to_proto(const std::vector<engine::TensorSpec>& specs,
              google::protobuf::RepeatedPtrField<link::TensorSpec>* out) {
  for (const engine::TensorSpec& spec : specs) {
    link::TensorSpec* made = out->Add();
    made->set_name(spec.name);
    made->set_dtype(static_cast<uint32_t>(spec.dtype));
    for (int64_t dim : spec.shape) made->add_shape(dim);
  }
}

Result<std::vector<engine::TensorSpec>> from_proto(
    const google::protobuf::RepeatedPtrField<link::TensorSpec>& specs) {
  std::vector<engine::TensorSpec> made;
  for (const link::TensorSpec& spec : specs) {
    if (spec.dtype() > static_cast<uint32_t>(DType::kBytes))
      return Error{Code::kInvalidArgument, "tensor '" + spec.name() + "' has data type number " +
                                               std::to_string(spec.dtype()) +
                                               ", which does not exist"};
    made.push_back({spec.name(),
                    static_cast<DType>(spec.dtype()),
                    {spec.shape().begin(), spec.shape().end()}});
  }
  return made;
}

Status check_counts(const engine::Model& model, bool batched) {
  const auto check = [&](const std::vector<engine::TensorSpec>& specs, const char* what) -> Status {
    if (specs.size() > link::kMaxTensors)
      return Error{Code::kInvalidArgument, "the model has " + std::to_string(specs.size()) + " " +
                                               what + "; at most " +
                                               std::to_string(link::kMaxTensors) + " are served"};
    for (const auto& spec : specs)
      if (spec.shape.size() + (batched ? 1 : 0) > link::kMaxDims)
        return Error{Code::kInvalidArgument,
                     "tensor '" + spec.name + "' has " + std::to_string(spec.shape.size()) +
                         " dimensions; at most " + std::to_string(link::kMaxDims) +
                         " with the batch's are served"};
    return ok();
  };
  RETURN_IF_ERROR(check(model.inputs(), "inputs"));
  return check(model.outputs(), "outputs");
}

}  // namespace

std::string model_identity(const link::ModelSpec& spec) {
  link::ModelSpec plain = spec;
  plain.clear_id();
  std::string identity;
  {
    google::protobuf::io::StringOutputStream stream(&identity);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    plain.SerializeToCodedStream(&coded);
  }
  struct stat st {};
  if (::stat(spec.path().c_str(), &st) == 0)
    identity += "|" + std::to_string(st.st_size) + "|" + std::to_string(st.st_mtim.tv_sec) + "|" +
                std::to_string(st.st_mtim.tv_nsec);
  return identity;
}

Result<engine::ModelSource> model_source(const link::ModelSpec& spec) {
  constexpr uint32_t kMostRows = 4096;
  if (spec.max_batch() > kMostRows)
    return Error{Code::kInvalidArgument, "max_batch_size is " + std::to_string(spec.max_batch()) +
                                             "; at most " + std::to_string(kMostRows) + " can be"};
  engine::ModelSource source;
  source.name = spec.name();
  source.version = spec.version();
  source.path = spec.path();
  source.max_batch = static_cast<int>(spec.max_batch());
  for (const link::ImageInput& image : spec.images()) {
    engine::ImageInput made;
    made.input = image.input();
    if (image.form() == "encoded")
      made.form = engine::ImageInput::Form::kEncoded;
    else if (image.form() != "u8")
      return Error{Code::kInvalidArgument, "the picture form of input '" + image.input() +
                                               "' is '" + image.form() +
                                               "'; it may be 'u8' or 'encoded'"};
    made.mean.assign(image.mean().begin(), image.mean().end());
    made.std.assign(image.std().begin(), image.std().end());
    source.images.push_back(std::move(made));
  }
  source.parameters.insert(spec.parameters().begin(), spec.parameters().end());
  ASSIGN_OR_RETURN(source.inputs, from_proto(spec.inputs()));
  ASSIGN_OR_RETURN(source.outputs, from_proto(spec.outputs()));
  return source;
}

ModelLoader::ModelLoader(engine::Engine& engine, ModelTable& models)
    : engine_(engine),
      models_(models),
      event_(*link::create_doorbell()),
      thread_([this] { run(); }) {}

ModelLoader::~ModelLoader() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

// Whether an unload was asked for and is not done: what is loaded now may then be gone in a moment.
bool ModelLoader::unloads_first() {
  std::lock_guard lock(mutex_);
  return unloading_ ||
         std::any_of(jobs_.begin(), jobs_.end(), [](const Job& job) { return job.unload; });
}

void ModelLoader::load(uint64_t generation, link::ModelSpec spec) {
  const uint32_t id = spec.id();
  if (!unloads_first() && models_.bind(generation, id, model_identity(spec))) {
    Answer answer{generation, {}};
    *answer.message.mutable_model_loaded() = loaded(generation, id);
    std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
    link::ring_doorbell(event_.get());
    return;
  }
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back({generation, id, std::move(spec), false});
  }
  changed_.notify_all();
}

void ModelLoader::unload(uint64_t generation, uint32_t id) {
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back({generation, id, {}, true});
  }
  changed_.notify_all();
}

std::vector<ModelLoader::Answer> ModelLoader::take_answers() {
  link::clear_doorbell(event_.get());
  std::lock_guard lock(mutex_);
  return std::exchange(answers_, {});
}

void ModelLoader::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || !jobs_.empty(); });
    if (stop_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    unloading_ = job.unload;
    lock.unlock();
    Answer answer{job.generation, {}};
    if (job.unload) {
      models_.remove(job.generation, job.id);
      answer.message.mutable_model_unloaded()->set_id(job.id);
    } else {
      *answer.message.mutable_model_loaded() = load_now(job);
    }
    lock.lock();
    unloading_ = false;
    answers_.push_back(std::move(answer));
    link::ring_doorbell(event_.get());
  }
}

link::ModelLoaded ModelLoader::load_now(const Job& job) {
  link::ModelLoaded answer;
  answer.set_id(job.id);
  const auto fail = [&](const Error& error) {
    answer.set_error(error.what);
    answer.set_invalid(error.code == Code::kInvalidArgument || error.code == Code::kUnsupported);
    log::warn("model_failed",
              {{"model", job.spec.name()}, {"version", job.spec.version()}, {"why", error.what}});
    return answer;
  };
  const std::string identity = model_identity(job.spec);
  if (!models_.bind(job.generation, job.id, identity)) {
    auto source = model_source(job.spec);
    if (!source.ok()) return fail(source.error());
    const TimePoint begin = now();
    auto model = engine_.load(*source);
    if (!model.ok()) return fail(model.error());
    if (Status good = check_counts(**model, source->max_batch > 0); !good.ok())
      return fail(good.error());
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now() - begin).count();
    log::info("model_loaded", {{"model", source->name},
                               {"version", source->version},
                               {"ms", ms},
                               {"from_cache", (*model)->from_cache()}});
    models_.add(job.generation, job.id,
                {.model = *std::move(model),
                 .identity = identity,
                 .name = source->name,
                 .max_batch = source->max_batch,
                 .load_ms = static_cast<uint64_t>(ms)});
  }
  return loaded(job.generation, job.id);
}

link::ModelLoaded ModelLoader::loaded(uint64_t generation, uint32_t id) {
  link::ModelLoaded answer;
  answer.set_id(id);
  if (auto use = models_.use(generation, id)) {
    to_proto(use->model->inputs(), answer.mutable_inputs());
    to_proto(use->model->outputs(), answer.mutable_outputs());
    answer.set_load_ms(use->load_ms);
    answer.set_from_cache(use->model->from_cache());
  } else {
    answer.set_error("the front that asked for the model has gone");
  }
  return answer;
}

}  // namespace corolla::worker
