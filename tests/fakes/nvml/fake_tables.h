// What real GPUs offer under MIG, as `nvidia-smi mig -lgip` and `-lgipp` show it: profiles, and
// where in memory they may lie. The H100's and the H200's were read from devices through NVML; the
// A100's are those of NVIDIA's MIG User Guide.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace fake {

struct Profile {
  unsigned index;  // NVML_GPU_INSTANCE_PROFILE_*
  unsigned id;
  const char* name;
  unsigned slices, instances, sm, copy, decoders, jpegs, ofas;
  unsigned long long memory_mib;
  unsigned memory_slices;
  std::vector<unsigned> starts;
};

struct Model {
  const char* key;
  const char* name;
  unsigned pci_device_id;
  unsigned long long memory_mib;
  unsigned slices;         // compute slices in all
  unsigned memory_slices;  // likewise
  std::vector<Profile> profiles;
};

// The shape is the same on all of them; names, sizes and engines differ.
inline std::vector<Profile> shape(const char* const (&names)[7], const unsigned (&sm)[7],
                                  const unsigned (&decoders)[7], const unsigned (&jpegs)[7],
                                  unsigned whole_copy, const unsigned long long (&memory)[5]) {
  return {
      {0,
       19,
       names[0],
       1,
       7,
       sm[0],
       1,
       decoders[0],
       jpegs[0],
       0,
       memory[0],
       1,
       {0, 1, 2, 3, 4, 5, 6}},
      {7,
       20,
       names[1],
       1,
       1,
       sm[1],
       1,
       decoders[1],
       jpegs[1],
       1,
       memory[0],
       1,
       {0, 1, 2, 3, 4, 5, 6}},
      {9, 15, names[2], 1, 4, sm[2], 1, decoders[2], jpegs[2], 0, memory[1], 2, {0, 2, 4, 6}},
      {1, 14, names[3], 2, 3, sm[3], 2, decoders[3], jpegs[3], 0, memory[2], 2, {0, 2, 4}},
      {2, 9, names[4], 3, 2, sm[4], 3, decoders[4], jpegs[4], 0, memory[3], 4, {0, 4}},
      {3, 5, names[5], 4, 1, sm[5], 4, decoders[5], jpegs[5], 0, memory[3], 4, {0}},
      {4, 0, names[6], 7, 1, sm[6], whole_copy, decoders[6], jpegs[6], 1, memory[4], 8, {0}},
  };
}

inline const std::vector<Model>& models() {
  static const std::vector<Model> all = {
      {"a100-40gb", "NVIDIA A100-SXM4-40GB", 0x20B010DE, 40960, 7, 8,
       shape({"1g.5gb", "1g.5gb+me", "1g.10gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"},
             {14, 14, 14, 28, 42, 56, 98}, {0, 1, 1, 1, 2, 2, 5}, {0, 1, 0, 0, 0, 0, 1}, 7,
             {4864, 9984, 9984, 20096, 40192})},
      {"a100-80gb", "NVIDIA A100-SXM4-80GB", 0x20B210DE, 81920, 7, 8,
       shape({"1g.10gb", "1g.10gb+me", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"},
             {14, 14, 14, 28, 42, 56, 98}, {0, 1, 1, 1, 2, 2, 5}, {0, 1, 0, 0, 0, 0, 1}, 7,
             {9728, 19968, 19968, 40192, 80640})},
      {"h100-80gb", "NVIDIA H100 80GB HBM3", 0x233010DE, 81559, 7, 8,
       shape({"1g.10gb", "1g.10gb+me", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"},
             {16, 16, 26, 32, 60, 64, 132}, {1, 1, 1, 2, 3, 4, 7}, {1, 1, 1, 2, 3, 4, 7}, 8,
             {9984, 20096, 20096, 40448, 81152})},
      {"h200-141gb", "NVIDIA H200", 0x233510DE, 143771, 7, 8,
       shape({"1g.18gb", "1g.18gb+me", "1g.35gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb"},
             {16, 16, 26, 32, 60, 64, 132}, {1, 1, 1, 2, 3, 4, 7}, {1, 1, 1, 2, 3, 4, 7}, 8,
             {16384, 33280, 33280, 71424, 143360})},
      {"t4", "Tesla T4", 0x1EB810DE, 15360, 0, 0, {}},  // no MIG
  };
  return all;
}

// Compute instances of `slices` that a GPU instance of `whole` compute slices offers: where each
// may begin. None: not offered.
inline std::vector<unsigned> compute_starts(unsigned whole, unsigned slices) {
  if (slices > whole || (slices == 3 && whole == 4)) return {};
  switch (slices) {
    case 1: {
      std::vector<unsigned> starts;
      for (unsigned i = 0; i < whole; ++i) starts.push_back(i);
      return starts;
    }
    case 2: {
      std::vector<unsigned> starts;
      for (unsigned i = 0; i + 2 <= whole; i += 2) starts.push_back(i);
      return starts;
    }
    case 3:
      return whole == 7 ? std::vector<unsigned>{0, 4} : std::vector<unsigned>{0};
    case 4:
    case 7:
      return {0};
    default:
      return {};
  }
}

// The compute slices of NVML_COMPUTE_INSTANCE_PROFILE_<index>; 0: none of these models has it.
inline unsigned compute_slices_of(unsigned index) {
  constexpr unsigned kSlices[] = {1, 2, 3, 4, 7};
  return index < 5 ? kSlices[index] : 0;
}

}  // namespace fake
