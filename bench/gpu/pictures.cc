#include "pictures.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>

#include "engine/cuda/cuda_engine.h"
#include "engine/reply_memory.h"
#include "engine/submit_and_wait.h"

namespace corolla::bench {
namespace {

struct Picture {
  std::string bytes;
  int label = 0;
};

Result<std::vector<Picture>> read_pictures(const std::string& folder) {
  std::ifstream list(folder + "/labels.csv");
  std::vector<Picture> pictures;
  std::string line;
  std::getline(list, line);  // the heads
  while (std::getline(list, line)) {
    std::istringstream fields(line);
    std::string name, label;
    std::getline(fields, name, ',');
    std::getline(fields, label, ',');
    std::ifstream file(folder + "/" + name, std::ios::binary);
    if (!file) return Error{Code::kNotFound, "cannot read '" + folder + "/" + name + "'"};
    pictures.push_back({std::string(std::istreambuf_iterator<char>(file), {}), std::stoi(label)});
  }
  if (pictures.empty()) return Error{Code::kNotFound, "no pictures in '" + folder + "/labels.csv'"};
  return pictures;
}

Result<std::vector<float>> answers(engine::Engine& engine, const std::string& path,
                                   const std::vector<Picture>& pictures, int rows) {
  engine::ModelSource source;
  source.name = source.path = path;
  source.max_batch = rows;
  source.parameters["tune"] = "off";
  source.images.push_back({"input",
                           engine::ImageInput::Form::kEncoded,
                           {0.485f, 0.456f, 0.406f},
                           {0.229f, 0.224f, 0.225f}});
  ASSIGN_OR_RETURN(const auto model, engine.load(source));
  std::vector<float> all;
  for (size_t at = 0; at < pictures.size(); at += static_cast<size_t>(rows)) {
    const size_t end = std::min(pictures.size(), at + static_cast<size_t>(rows));
    std::string bytes;
    for (size_t i = at; i < end; ++i) {
      const auto size = static_cast<uint32_t>(pictures[i].bytes.size());
      bytes.append(reinterpret_cast<const char*>(&size), 4);
      bytes += pictures[i].bytes;
    }
    const std::vector<int64_t> shape = {static_cast<int64_t>(end - at), 1};
    const engine::ConstTensor input{DType::kBytes, shape,
                                    std::as_bytes(std::span(bytes.data(), bytes.size()))};
    engine::ReplyMemory reply;
    engine::Request request{std::span(&input, 1), static_cast<int>(end - at), &reply};
    RETURN_IF_ERROR(engine::submit_and_wait(engine, *model, request));
    const auto made = reply.outputs.at(0).as<float>();
    all.insert(all.end(), made.begin(), made.end());
  }
  return all;
}

}  // namespace

Status picture_answers(const std::string& folder, const std::vector<std::string>& models, int rows,
                       bool keep) {
  ASSIGN_OR_RETURN(const auto pictures, read_pictures(folder));
  engine::EngineSetup setup;
  setup.options["lanes"] = "1";
  ASSIGN_OR_RETURN(const auto engine, engine::make_cuda_engine(setup));
  std::vector<float> first;
  for (const std::string& path : models) {
    ASSIGN_OR_RETURN(const auto found, answers(*engine, path, pictures, rows));
    if (first.empty()) first = found;
    const size_t classes = found.size() / pictures.size();
    size_t right = 0, same = 0;
    float worst = 0;
    const auto top = [&](const std::vector<float>& all, size_t i) {
      const auto row = all.begin() + static_cast<std::ptrdiff_t>(i * classes);
      return std::max_element(row, row + static_cast<std::ptrdiff_t>(classes)) - row;
    };
    for (size_t i = 0; i < pictures.size(); ++i) {
      right += top(found, i) == pictures[i].label;
      same += top(found, i) == top(first, i);
    }
    for (size_t i = 0; i < found.size(); ++i)
      worst = std::max(worst, std::abs(found[i] - first[i]));
    std::printf(
        "%s: %zu of %zu first classes right; %zu as the first model's, probabilities at most %.4f "
        "from its\n",
        path.c_str(), right, pictures.size(), same, static_cast<double>(worst));
    if (keep) {
      std::ofstream out(path + ".answers", std::ios::binary);
      out.write(reinterpret_cast<const char*>(found.data()),
                static_cast<std::streamsize>(found.size() * sizeof(float)));
    }
  }
  return ok();
}

}  // namespace corolla::bench
