// Pictures in, classes out, through any KServe v2 server whose model takes a picture.
// Threads: blocks its caller's thread; several pictures are outstanding at a time.
#pragma once
#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "client/infer_call.h"
#include "client/server_session.h"

namespace corolla::load {

struct ClassifyOptions {
  std::string model = "flower", version;
  uint32_t top = 5;
  size_t outstanding = 4;
  wire::ClientHeaders headers;
};

struct ClassifiedPicture {
  std::string path;
  Result<std::vector<client::Classified>> classes =
      std::vector<client::Classified>();  // best first
  Duration took{};                        // from sending to the answer
};

// Files and folders (their pictures), in order. `each` is called once a picture, in that order, on
// the caller's thread, as soon as it and all before it are there. Stops early when `stop` becomes
// true. Returns how many failed; an Error only when the server or the model cannot be used at all.
Result<size_t> classify(client::ServerSession& session, const std::vector<std::string>& paths,
                        const ClassifyOptions& options,
                        const std::function<void(const ClassifiedPicture&)>& each,
                        const std::atomic<bool>& stop);

}  // namespace corolla::load
