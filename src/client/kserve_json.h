// The JSON answers of a KServe v2 server, read. Each function names what is missing when the answer
// is not what it should be. Thread-safe: pure functions.
#pragma once
#include <span>
#include <vector>

#include "client/kserve_client.h"

namespace corolla::client {

Result<ServerMetadata> read_server_metadata(std::span<const std::byte> json);
Result<ModelMetadata> read_model_metadata(std::span<const std::byte> json);
Result<ModelConfig> read_model_config(std::span<const std::byte> json);
Result<std::vector<ModelStatistics>> read_statistics(std::span<const std::byte> json);

}  // namespace corolla::client
