// The options of the external engine, as corolla.yaml has them under engine.options.
#pragma once
#include <map>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "wire/exchange.h"

namespace corolla::engine {

struct ExternalSettings {
  std::string command;  // split_command() has its form
  std::string cleanup;  // of the same form; empty: none
  wire::Protocol protocol = wire::Protocol::kHttp;
  Duration ready = std::chrono::seconds(120);  // for the server to become ready, and for each load
  Duration stop = std::chrono::milliseconds(1500);  // between SIGTERM and SIGKILL
  int instances = 1;                                // batches that the server computes at once
};

// kInvalidArgument names the option, and says which there are.
Result<ExternalSettings> read_settings(const std::map<std::string, std::string>& options);

}  // namespace corolla::engine
