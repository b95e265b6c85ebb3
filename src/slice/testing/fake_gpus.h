// A machine with GPUs that do not exist, for tests: the fake libnvidia-ml.so.1, its state in a
// folder of its own, and its settings as this process's environment. One at a time.
#pragma once
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "slice/nvml_library.h"

namespace corolla::slice {

class FakeGpus {
 public:
  // "a100-40gb,h100-80gb*": see tests/fakes/nvml/fake_nvml.cc.
  explicit FakeGpus(const std::string& devices) {
    // In memory, as /run is: the journal is synced at every change.
    std::string pattern = std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp";
    pattern += "/corolla-nvml-XXXXXX";
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    set("STATE", folder_ + "/state");
    set("DEVICES", devices);
    set("LOG", folder_ + "/log");
  }
  ~FakeGpus() {
    for (const char* name : {"STATE", "DEVICES", "LOG", "FAIL", "FAIL_CODE", "FAIL_ALL", "KILL",
                             "NO_PERMISSION", "RESET", "PROCESSES", "SCAN", "INIT"})
      set(name, "");
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  FakeGpus(const FakeGpus&) = delete;
  FakeGpus& operator=(const FakeGpus&) = delete;

  // Empty: not set.
  void set(const std::string& name, const std::string& value) {
    if (value.empty())
      ::unsetenv(("FAKE_NVML_" + name).c_str());
    else
      ::setenv(("FAKE_NVML_" + name).c_str(), value.c_str(), 1);
  }

  std::unique_ptr<Nvml> open() const {
    auto nvml = open_nvml(COROLLA_FAKE_NVML);
    CHECK(nvml.ok());
    return *std::move(nvml);
  }

  // The changing calls so far, oldest first.
  std::vector<std::string> calls() const {
    std::vector<std::string> lines;
    std::ifstream log(folder_ + "/log");
    for (std::string line; std::getline(log, line);) lines.push_back(line);
    return lines;
  }
  void forget_calls() { std::filesystem::remove(folder_ + "/log"); }

  const std::string& folder() const { return folder_; }
  std::string journal() const { return folder_ + "/mig.journal"; }

 private:
  std::string folder_;
};

}  // namespace corolla::slice
