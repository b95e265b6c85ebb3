// Where the fakes of drivers and daemons lie, for this room's tests.
#pragma once
#include <string>

namespace corolla::slice {

inline const std::string kFakeCuda = COROLLA_BIN_DIR "/../fakes/cuda/libcuda.so.1";
inline const std::string kFakeMpsControl =
    COROLLA_SOURCE_DIR "/tests/fakes/mps/nvidia-cuda-mps-control";

}  // namespace corolla::slice
