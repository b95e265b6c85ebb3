// One batch under way: its ring entries, the checked inputs, the reply slots and, once it is done,
// its completions.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "link/rings.h"
#include "serve/worker/front_link.h"
#include "serve/worker/model_table.h"
#include "serve/worker/reply_slot.h"
#include "serve/worker/request_reader.h"

namespace corolla::worker {

// What a batch needs of an attached front; lives until the last batch is done.
struct Session {
  explicit Session(std::shared_ptr<FrontLink> link);
  std::shared_ptr<FrontLink> front;
  link::SubmitReader submit;           // compute thread only
  link::CompletionWriter completions;  // compute thread only
};

class Batch {
 public:
  // Checks every request; those that cannot run are answered by complete(), the others are in
  // runnable(). Copies `entries`.
  Batch(std::shared_ptr<Session> session, std::span<const link::SubmitEntry> entries,
        ModelTable& models, int64_t picked_up_ns);

  engine::Model& model() const { return *model_->model; }
  // Empty when nothing of the batch can run.
  std::span<engine::Request> runnable() { return requests_; }

  // Pushes one completion for each entry (not yet published). `status`, `timing`: as the engine's
  // Done got them.
  void complete(const Status& status, const engine::Timing& timing);
  Session& session() { return *session_; }

 private:
  struct Item {
    link::SubmitEntry entry;
    RequestInputs inputs;
    std::optional<ReplySlot> reply;
    Status outcome = ok();
    size_t request = 0;  // index into requests_, if it runs
    bool runs = false;
  };
  link::Completion answer(Item& item, const Status& status);

  std::shared_ptr<Session> session_;
  ModelTable::Use model_;
  int64_t picked_up_ns_;
  int rows_ = 0;
  std::vector<Item> items_;
  std::vector<engine::Request> requests_;
};

}  // namespace corolla::worker
