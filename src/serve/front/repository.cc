#include "serve/front/repository.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "serve/front/model_config.h"
#include "wire/json_text.h"

namespace corolla::front {
namespace {

constexpr size_t kMaxLabelBytes = size_t{16} << 20;
constexpr size_t kMaxEntries = 10'000;  // of one folder; more is surely not a model repository

Error errno_error(const std::string& what, int e) {
  Code code = e == ENOENT || e == ENOTDIR ? Code::kNotFound
              : e == EACCES || e == EPERM ? Code::kPermission
                                          : Code::kInternal;
  return {code, what + ": " + std::strerror(e)};
}

// The whole of a regular file. Never waits, whatever lies there.
Result<std::string> read_file(int folder, const std::string& path, const std::string& shown,
                              size_t limit) {
  Fd fd(openat(folder, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return errno_error(shown, errno);
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return errno_error(shown, errno);
  if (!S_ISREG(info.st_mode))
    return Error{Code::kInvalidArgument, shown + " is not a regular file"};
  std::string text;
  char piece[65536];
  while (true) {
    ssize_t n = ::read(fd.get(), piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(shown, errno);
    if (n == 0) return text;
    text.append(piece, static_cast<size_t>(n));
    if (text.size() > limit)
      return Error{Code::kInvalidArgument,
                   shown + " is larger than the limit of " + std::to_string(limit) + " bytes"};
  }
}

// The folders in `folder`, following links, sorted. Hidden ones are left out.
Result<std::vector<std::string>> folders(int parent, const std::string& path,
                                         const std::string& shown) {
  Fd fd(openat(parent, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_error(shown, errno);
  std::unique_ptr<DIR, int (*)(DIR*)> dir(fdopendir(fd.get()), closedir);
  if (!dir) return errno_error(shown, errno);
  fd.release();
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = readdir(dir.get());
    if (entry == nullptr) {
      if (errno != 0) return errno_error(shown, errno);
      break;
    }
    std::string name = entry->d_name;
    if (name.starts_with('.')) continue;
    if (entry->d_type != DT_DIR) {
      struct stat info {};
      if (fstatat(dirfd(dir.get()), name.c_str(), &info, 0) != 0 || !S_ISDIR(info.st_mode))
        continue;
    }
    if (names.size() == kMaxEntries)
      return Error{Code::kInvalidArgument,
                   shown + " holds more than " + std::to_string(kMaxEntries) + " folders"};
    names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// "7" -> 7. Folders with other names are not versions.
int64_t version_number(std::string_view name) {
  int64_t number = 0;
  if (name.empty() || name[0] < '1' || name[0] > '9') return 0;
  auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), number);
  return failed == std::errc() && end == name.data() + name.size() ? number : 0;
}

bool is_file(int folder, const std::string& path) {
  struct stat info {};
  return fstatat(folder, path.c_str(), &info, 0) == 0 && S_ISREG(info.st_mode);
}

// A file that `corolla compile` made: other servers have files named model.plan, too.
bool is_corolla_plan(int folder, const std::string& path) {
  constexpr std::string_view kBegin = "corolla-plan ";
  Fd fd(openat(folder, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  char begin[kBegin.size()];
  return fd && ::pread(fd.get(), begin, sizeof begin, 0) == static_cast<ssize_t>(sizeof begin) &&
         std::string_view(begin, sizeof begin) == kBegin;
}

Result<std::vector<int64_t>> served_versions(const inference::ModelVersionPolicy& policy,
                                             const std::vector<int64_t>& all,
                                             const std::vector<int64_t>& asked,
                                             const std::string& model) {
  std::vector<int64_t> served = asked;
  if (served.empty() && policy.has_specific())
    served.assign(policy.specific().versions().begin(), policy.specific().versions().end());
  if (!served.empty()) {
    std::sort(served.begin(), served.end());
    served.erase(std::unique(served.begin(), served.end()), served.end());
    for (int64_t version : served)
      if (!std::binary_search(all.begin(), all.end(), version))
        return Error{Code::kNotFound,
                     "model '" + model + "' has no folder for version " + std::to_string(version)};
    return served;
  }
  if (all.empty())
    return Error{Code::kNotFound, "model '" + model + "' has no version: a folder named 1, 2, ..."};
  if (policy.has_all()) return all;
  size_t n = std::min<size_t>(std::max(1u, policy.latest().num_versions()), all.size());
  return std::vector<int64_t>(all.end() - static_cast<ptrdiff_t>(n), all.end());
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    all.push_back(std::move(line));
    begin = end + 1;
  }
  return all;
}

// Where the model file of a version lies, relative to the repository.
Result<std::string> model_file(int folder, const inference::ModelConfig& config, int64_t version) {
  std::string base = config.name() + "/" + std::to_string(version) + "/";
  const std::string& named = config.default_model_filename();
  if (!named.empty()) {
    if (is_file(folder, base + named)) return base + named;
    return Error{Code::kNotFound, "model '" + config.name() + "': version " +
                                      std::to_string(version) + " has no file '" + named +
                                      "', which its config.pbtxt names"};
  }
  for (const char* usual : {"model.onnx", "model.xml"})
    if (is_file(folder, base + usual)) return base + usual;
  const bool plan = is_file(folder, base + "model.plan");
  if (plan && is_corolla_plan(folder, base + "model.plan")) return base + "model.plan";
  // What other servers' models consist of is known to those servers (worker: external): the folder
  // stands for it.
  const bool other = !config.backend().empty() || !config.platform().empty();
  const bool ours = config.backend().starts_with("onnx") || config.backend() == "openvino" ||
                    config.platform().starts_with("onnx") || config.platform() == "openvino_ir" ||
                    config.platform() == "corolla_plan";
  if (other && !ours) return config.name() + "/" + std::to_string(version);
  return Error{Code::kNotFound, "model '" + config.name() + "': version " +
                                    std::to_string(version) +
                                    (plan ? " has a model.plan that corolla compile did not make, "
                                            "and neither model.onnx nor model.xml"
                                          : " has none of model.onnx, model.xml and model.plan")};
}

Status read_labels(int folder, ModelEntry& entry) {
  std::map<std::string, std::vector<std::string>> files;  // several outputs often share one
  for (const auto& output : entry.config.output()) {
    const std::string& name = output.label_filename();
    if (name.empty()) continue;
    if (!files.contains(name)) {
      std::string shown = "label file '" + name + "' of model '" + entry.name + "'";
      ASSIGN_OR_RETURN(std::string text,
                       read_file(folder, entry.name + "/" + name, shown, kMaxLabelBytes));
      if (!wire::is_utf8(text)) return Error{Code::kInvalidArgument, shown + " is not UTF-8 text"};
      files[name] = lines(text);
    }
    entry.labels[output.name()] = files[name];
  }
  return ok();
}

}  // namespace

bool is_model_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name[0] != '.' &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos &&
         wire::is_utf8(name);
}

Repository::Repository(Fd folder, std::string shown_path,
                       std::map<std::string, std::string> parameters)
    : folder_(std::move(folder)), path_(std::move(shown_path)), parameters_(std::move(parameters)) {
  while (path_.size() > 1 && path_.ends_with('/')) path_.pop_back();
}

Result<Repository> Repository::open(const std::string& path,
                                    std::map<std::string, std::string> parameters) {
  Fd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_error("model repository '" + path + "'", errno);
  return Repository(std::move(fd), path, std::move(parameters));
}

Result<std::vector<std::string>> Repository::names() const {
  ASSIGN_OR_RETURN(std::vector<std::string> all,
                   folders(folder_.get(), ".", "model repository '" + path_ + "'"));
  std::erase_if(all, [](const std::string& name) { return !is_model_name(name); });
  return all;
}

Result<std::vector<ModelEntry>> Repository::scan() const {
  ASSIGN_OR_RETURN(std::vector<std::string> all, names());
  std::vector<ModelEntry> entries;
  for (const std::string& name : all) {
    auto entry = read(name);
    if (entry.ok()) entries.push_back(*std::move(entry));  // else it has gone meanwhile
  }
  return entries;
}

Result<ModelEntry> Repository::read(const std::string& name, const std::vector<int64_t>& versions,
                                    const inference::ModelConfig* config_override) const {
  if (!is_model_name(name))
    return Error{Code::kInvalidArgument,
                 "'" + wire::to_utf8(name.substr(0, 80)) + "' cannot be the name of a model"};
  ModelEntry entry;
  entry.name = name;
  auto found = folders(folder_.get(), name, "model '" + name + "'");
  if (!found) {
    if (found.error().code == Code::kNotFound)
      return Error{Code::kNotFound,
                   "model '" + name + "' is not in the model repository '" + path_ + "'"};
    entry.problem = found.error().what;
    return entry;
  }
  for (const std::string& folder : *found)
    if (int64_t version = version_number(folder)) entry.all_versions.push_back(version);
  std::sort(entry.all_versions.begin(), entry.all_versions.end());

  auto fill = [&]() -> Status {
    if (config_override != nullptr) {
      entry.config = *config_override;
      entry.config_written = true;
    } else {
      std::string shown = "config.pbtxt of model '" + name + "'";
      auto text = read_file(folder_.get(), name + "/config.pbtxt", shown, kMaxConfigBytes);
      if (text.ok()) {
        entry.config_written = true;
        ASSIGN_OR_RETURN(entry.config, parse_config_text(*text, shown));
      } else if (text.error().code != Code::kNotFound) {
        return text.error();
      }
    }
    for (const auto& [key, value] : parameters_)
      if (key.size() > name.size() + 1 && key.starts_with(name) && key[name.size()] == '.')
        (*entry.config.mutable_parameters())[key.substr(name.size() + 1)].set_string_value(value);
    RETURN_IF_ERROR(check_config(entry.config, name));
    ASSIGN_OR_RETURN(
        std::vector<int64_t> served,
        served_versions(entry.config.version_policy(), entry.all_versions, versions, name));
    for (int64_t version : served) {
      ASSIGN_OR_RETURN(std::string file, model_file(folder_.get(), entry.config, version));
      entry.versions.push_back({version, path_ + (path_ == "/" ? "" : "/") + file});
    }
    const std::string& last = entry.versions.back().path;
    const std::string base = last.substr(last.rfind('/') + 1);
    if (entry.config.default_model_filename().empty() && version_number(base) == 0)
      entry.config.set_default_model_filename(base);
    if (entry.config.platform().empty() && entry.config.backend().empty())
      entry.config.set_platform(last.ends_with(".xml")    ? "openvino_ir"
                                : last.ends_with(".plan") ? "corolla_plan"
                                                          : "onnx");
    return read_labels(folder_.get(), entry);
  };
  auto status = fill();
  if (!status.ok()) {
    entry.problem = status.error().what;
    entry.versions.clear();
  }
  return entry;
}

}  // namespace corolla::front
