#include "serve/worker/front_link.h"

#include <string>

namespace corolla::worker {

Result<std::shared_ptr<FrontLink>> open_front_link(const link::Attach& attach, std::vector<Fd> fds,
                                                   uint64_t reply_bytes, engine::Engine& engine) {
  const size_t threads = attach.io_threads();
  if (threads == 0 || threads > link::kMaxIoThreads || fds.size() != 3 + threads)
    return Error{Code::kInvalidArgument, "the front came with " + std::to_string(threads) +
                                             " I/O threads (1 to " +
                                             std::to_string(link::kMaxIoThreads) + " can be) and " +
                                             std::to_string(fds.size()) + " descriptors"};
  auto front = std::make_shared<FrontLink>(engine);
  ASSIGN_OR_RETURN(front->arena, map_sealed_readonly(fds[0], attach.arena_bytes()));
  ASSIGN_OR_RETURN(front->submit, link::map_submit_region(fds[1]));
  ASSIGN_OR_RETURN(front->reply, link::create_reply_region(reply_bytes));
  front->doorbell = std::move(fds[2]);
  for (size_t i = 0; i < threads; ++i) front->io_doorbells.push_back(std::move(fds[3 + i]));
  front->arena_memory = EngineMemory(engine, front->arena.bytes(), false);
  front->reply_memory = EngineMemory(engine, front->reply.map.bytes(), true);
  return front;
}

}  // namespace corolla::worker
