#include "load/classify.h"

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "load/picture.h"

namespace corolla::load {
namespace {

// What every picture's request has in common.
struct Recipe {
  wire::InferRequest request;
  PictureInput form;
};

Result<Recipe> recipe_for(client::ServerSession& session, const ClassifyOptions& options) {
  ASSIGN_OR_RETURN(const client::ModelMetadata metadata,
                   session.model_metadata(options.model, options.version));
  ASSIGN_OR_RETURN(const client::ModelConfig config,
                   session.model_config(options.model, options.version));
  if (metadata.inputs.size() != 1 || metadata.outputs.empty())
    return Error{Code::kUnsupported, "model '" + options.model + "' has " +
                                         std::to_string(metadata.inputs.size()) + " inputs and " +
                                         std::to_string(metadata.outputs.size()) +
                                         " outputs; one picture in and classes out are wanted"};
  const client::TensorMetadata& input = metadata.inputs.front();
  std::vector<int64_t> inner = input.shape;
  if (config.max_batch_size > 0 && !inner.empty()) inner.erase(inner.begin());
  Recipe recipe;
  Result<PictureInput> form = picture_input(input.dtype, inner);
  // A model without a batch dimension of its own may still have a first dimension of one picture.
  if (!form.ok() && inner.size() == 4 && (inner[0] == 1 || inner[0] == -1))
    form = picture_input(input.dtype, std::span(inner).subspan(1));
  if (!form.ok())
    return Error{form.error().code, "model '" + options.model + "': " + form.error().what};
  recipe.form = *form;
  wire::InputTensor tensor;
  tensor.name = input.name;
  tensor.dtype = input.dtype;
  tensor.binary = true;
  tensor.shape = input.shape;
  if (recipe.form.form == PictureForm::kPlanes && tensor.shape.size() >= 3)
    std::copy_n(std::vector<int64_t>{3, recipe.form.height, recipe.form.width}.begin(), 3,
                tensor.shape.end() - 3);
  if (recipe.form.form == PictureForm::kPixels && tensor.shape.size() >= 3)
    std::copy_n(std::vector<int64_t>{recipe.form.height, recipe.form.width, 3}.begin(), 3,
                tensor.shape.end() - 3);
  for (int64_t& d : tensor.shape)
    if (d == -1) d = 1;
  recipe.request.model = options.model;
  recipe.request.version = options.version;
  recipe.request.inputs.push_back(std::move(tensor));
  wire::WantedOutput wanted;
  wanted.name = metadata.outputs.front().name;
  wanted.binary = true;
  wanted.class_count = options.top;
  recipe.request.outputs.push_back(std::move(wanted));
  return recipe;
}

Result<std::vector<client::Classified>> one_picture(client::ServerSession& session,
                                                    const Recipe& recipe, const std::string& path,
                                                    Duration& took) {
  ASSIGN_OR_RETURN(const std::vector<std::byte> file, read_file(path));
  ASSIGN_OR_RETURN(const std::vector<std::byte> tensor, picture_tensor(file, recipe.form));
  wire::InferRequest request = recipe.request;
  request.inputs.front().bytes = tensor;
  const TimePoint begin = now();
  ASSIGN_OR_RETURN(const client::InferAnswer answer, session.infer(request));
  took = now() - begin;
  if (answer.outputs.empty())
    return Error{Code::kUnavailable, "the server answered without an output"};
  return client::read_classification(answer.outputs.front());
}

Result<std::vector<std::string>> all_files(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    ASSIGN_OR_RETURN(const std::vector<std::string> found, find_pictures(path));
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

}  // namespace

Result<size_t> classify(client::ServerSession& session, const std::vector<std::string>& paths,
                        const ClassifyOptions& options,
                        const std::function<void(const ClassifiedPicture&)>& each,
                        const std::atomic<bool>& stop) {
  ASSIGN_OR_RETURN(const std::vector<std::string> files, all_files(paths));
  ASSIGN_OR_RETURN(const Recipe recipe, recipe_for(session, options));
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::optional<ClassifiedPicture>> done(files.size());
  std::atomic<size_t> next = 0;
  std::vector<std::thread> threads;
  const size_t count =
      std::clamp<size_t>(options.outstanding, 1, std::max<size_t>(1, files.size()));
  for (size_t t = 0; t < count; ++t)
    threads.emplace_back([&] {
      for (size_t i; (i = next++) < files.size();) {
        ClassifiedPicture picture;
        picture.path = files[i];
        if (stop)
          picture.classes = Error{Code::kCancelled, "interrupted"};
        else
          picture.classes = one_picture(session, recipe, files[i], picture.took);
        std::lock_guard lock(mutex);
        done[i] = std::move(picture);
        changed.notify_one();
      }
    });
  size_t failed = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done[i].has_value(); });
    const ClassifiedPicture picture = *std::move(done[i]);
    lock.unlock();
    failed += !picture.classes.ok();
    if (picture.classes.ok() || picture.classes.error().code != Code::kCancelled) each(picture);
  }
  for (std::thread& thread : threads) thread.join();
  return failed;
}

}  // namespace corolla::load
