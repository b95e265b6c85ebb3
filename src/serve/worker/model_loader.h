// Loads and unloads models on a thread of its own, in the order asked for, so that the control
// thread always hears its keeper.
//
// Loading what is loaded already costs nothing and is answered at once, even while another model is
// being compiled.
#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "engine/engine.h"
#include "link/link.pb.h"
#include "serve/worker/model_table.h"

namespace corolla::worker {

class ModelLoader {
 public:
  struct Answer {
    uint64_t generation;  // of the front that asked (ModelTable::begin_front)
    link::Message message;
  };

  ModelLoader(engine::Engine& engine, ModelTable& models);
  // Waits for a load that is under way.
  ~ModelLoader();

  void load(uint64_t generation, link::ModelSpec spec);
  void unload(uint64_t generation, uint32_t id);

  // Readable when answers are there.
  int event_fd() const { return event_.get(); }
  std::vector<Answer> take_answers();

 private:
  struct Job {
    uint64_t generation;
    uint32_t id;
    link::ModelSpec spec;
    bool unload;
  };
  void run();
  link::ModelLoaded load_now(const Job& job);
  bool unloads_first();
  link::ModelLoaded loaded(uint64_t generation, uint32_t id);

  engine::Engine& engine_;
  ModelTable& models_;
  Fd event_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::vector<Answer> answers_;
  bool unloading_ = false;  // the job under way
  bool stop_ = false;
  std::thread thread_;
};

// Equal for two specs that load the same: everything but the number, with the file's time and size.
std::string model_identity(const link::ModelSpec& spec);

// For an engine; kInvalidArgument when the front's spec makes no sense.
Result<engine::ModelSource> model_source(const link::ModelSpec& spec);

}  // namespace corolla::worker
