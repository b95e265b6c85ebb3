// The devices of the fake: a file, so that several processes see the same ones. Each call of the
// library takes the file's lock, reads it, and writes it back if it changed something.
#pragma once
#include <cstdint>
#include <string>

namespace fake {

constexpr unsigned kMostDevices = 16, kMostInstances = 16, kMostCompute = 8;

struct Compute {
  bool used;
  unsigned id, slices, start;
  unsigned serial;  // makes its UUID; never used twice
};

struct Instance {
  bool used;
  unsigned id, profile, start;  // profile: the id, such as 19
  Compute compute[kMostCompute];
};

struct Device {
  char model[32];
  bool mig, pending;
  Instance instances[kMostInstances];
};

struct State {
  char magic[8];
  unsigned devices;
  unsigned serial;
  Device device[kMostDevices];
};

// The state, locked for the life of the object. The file is FAKE_NVML_STATE; where there is none it
// is made, with the devices of FAKE_NVML_DEVICES ("a100-40gb,h100-80gb"; one A100 if unset).
class LockedState {
 public:
  LockedState();
  ~LockedState();
  LockedState(const LockedState&) = delete;

  State& operator*() { return state_; }
  State* operator->() { return &state_; }
  void changed() { changed_ = true; }

 private:
  int file_ = -1;
  bool changed_ = false;
  State state_ = {};
};

}  // namespace fake
