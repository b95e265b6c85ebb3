#include "engine/cuda/tuning_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace corolla::engine::cuda {

std::string table_text(const TunedTable& table) {
  std::ostringstream text;
  for (const auto& [shape, choice] : table)
    text << shape << '\t' << choice.kernel << ' ' << choice.splits << ' ' << choice.cluster << ' '
         << choice.microseconds << '\n';
  return text.str();
}

TunedTable table_from_text(const std::string& text) {
  TunedTable table;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t tab = line.find('\t');
    if (tab == std::string::npos) continue;
    std::istringstream rest(line.substr(tab + 1));
    TunedChoice choice;
    if (rest >> choice.kernel >> choice.splits >> choice.cluster >> choice.microseconds &&
        choice.splits >= 1 && choice.splits <= 64)
      table[line.substr(0, tab)] = choice;
  }
  return table;
}

TuningCache::TuningCache(std::string folder, const plan::Target& target) {
  if (folder.empty()) return;
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  std::string key = plan::tuning_key(target);
  for (char& c : key)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '-') c = '_';
  path_ = folder + "/cuda-" + key + ".tuned";
}

TunedTable TuningCache::read() const {
  if (path_.empty()) return {};
  std::ifstream in(path_);
  std::ostringstream text;
  text << in.rdbuf();
  return table_from_text(text.str());
}

Status TuningCache::add(const TunedTable& table) const {
  if (path_.empty()) return ok();
  TunedTable all = read();
  for (const auto& [shape, choice] : table) all[shape] = choice;
  const std::string made = path_ + "." + std::to_string(::getpid());
  {
    std::ofstream out(made);
    out << table_text(all);
    if (!out.flush())
      return Error{Code::kUnavailable, "cannot write tuned choices to '" + made + "'"};
  }
  if (std::rename(made.c_str(), path_.c_str()) != 0)
    return Error{Code::kUnavailable, "cannot rename '" + made + "' to '" + path_ + "'"};
  return ok();
}

TuningCache::Lock::Lock(const TuningCache& cache) {
  if (cache.path_.empty()) return;
  fd_ = Fd(::open((cache.path_ + ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644));
  if (fd_.get() >= 0)
    while (::flock(fd_.get(), LOCK_EX) != 0 && errno == EINTR) {
    }
}

}  // namespace corolla::engine::cuda
