// numpy's .npy files, versions 1 to 3: C order, little-endian, the types of base/dtype.h.
// Files are hostile input. Any thread.
#pragma once
#include <filesystem>

#include "base/result.h"
#include "plan/tensor.h"

namespace corolla::plan {

// kNotFound; kInvalidArgument says what is wrong: no .npy file, a type or order that is not
// supported, too few bytes.
Result<Tensor> read_npy(const std::filesystem::path& path);
// The tensor's elements lie in `file`, which lives as long as `owner`.
Result<Tensor> parse_npy(std::span<const std::byte> file, std::shared_ptr<const void> owner);

// BF16, which numpy does not have, is written as float32.
Status write_npy(const Tensor& tensor, const std::filesystem::path& path);

}  // namespace corolla::plan
