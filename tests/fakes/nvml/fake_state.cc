#include "fake_state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace fake {
namespace {

constexpr char kMagic[8] = "fakenv1";

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "fake NVML: %s\n", what.c_str());
  std::abort();
}

State fresh() {
  State state = {};
  std::memcpy(state.magic, kMagic, sizeof kMagic);
  const char* wanted = std::getenv("FAKE_NVML_DEVICES");
  std::string_view rest = wanted ? wanted : "a100-40gb";
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    std::string_view one = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (state.devices == kMostDevices) give_up("too many devices");
    Device& device = state.device[state.devices++];
    // "a100-40gb*" begins with MIG on.
    if (one.ends_with('*')) {
      one.remove_suffix(1);
      device.mig = device.pending = true;
    }
    one.copy(device.model, sizeof device.model - 1);
  }
  return state;
}

}  // namespace

LockedState::LockedState() {
  const char* path = std::getenv("FAKE_NVML_STATE");
  if (!path || !*path) give_up("FAKE_NVML_STATE must name a file");
  file_ = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0) {  // somebody without the right to write may look
    file_ = ::open(path, O_RDONLY | O_CLOEXEC);
    if (file_ < 0) give_up(std::string("cannot open ") + path);
  }
  if (::flock(file_, LOCK_EX) != 0) give_up(std::string("cannot lock ") + path);
  const ssize_t got = ::pread(file_, &state_, sizeof state_, 0);
  if (got == 0) {
    state_ = fresh();
    changed_ = true;
  } else if (got != static_cast<ssize_t>(sizeof state_) ||
             std::memcmp(state_.magic, kMagic, sizeof kMagic) != 0) {
    give_up(std::string(path) + " is no state of mine");
  }
}

LockedState::~LockedState() {
  if (changed_ && ::pwrite(file_, &state_, sizeof state_, 0) != static_cast<ssize_t>(sizeof state_))
    give_up("cannot write the state");
  ::close(file_);
}

}  // namespace fake
