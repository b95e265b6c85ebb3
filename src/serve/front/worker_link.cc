#include "serve/front/worker_link.h"

namespace corolla::front {

WorkerLink::WorkerLink(WorkerId worker, const link::SliceInfo& info, link::Channel ch,
                       OwnedMemory submit, Fd doorbell, size_t threads)
    : id(worker),
      slice(info),
      kind(info.kind() + "/" + info.profile()),
      channel(std::move(ch)),
      submit_(std::move(submit)),
      doorbell_(std::move(doorbell)),
      threads_(threads) {}

Result<std::shared_ptr<WorkerLink>> WorkerLink::attach(WorkerId id, const link::SliceInfo& slice,
                                                       link::Channel channel, const Fd& arena,
                                                       size_t arena_bytes,
                                                       const std::vector<int>& io_doorbells) {
  ASSIGN_OR_RETURN(auto submit, link::create_submit_region());
  ASSIGN_OR_RETURN(auto doorbell, link::create_doorbell());
  std::shared_ptr<WorkerLink> made(new WorkerLink(id, slice, std::move(channel), std::move(submit),
                                                  std::move(doorbell), io_doorbells.size()));
  link::Message message;
  message.mutable_attach()->set_io_threads(static_cast<uint32_t>(io_doorbells.size()));
  message.mutable_attach()->set_arena_bytes(arena_bytes);
  std::vector<int> fds = {arena.get(), made->submit_.fd.get(), made->doorbell_.get()};
  fds.insert(fds.end(), io_doorbells.begin(), io_doorbells.end());
  RETURN_IF_ERROR(made->channel.send(message, fds));
  return made;
}

Status WorkerLink::attached(const link::Attached& message, const Fd& reply_region) {
  if (is_attached()) return Error{Code::kInvalidArgument, "the worker attached twice"};
  ASSIGN_OR_RETURN(auto map, link::map_reply_region(reply_region));
  if (map.size() <= link::kReplyDataOffset)
    return Error{Code::kInvalidArgument, "the worker's reply region has no room for replies"};
  reply_bytes_ = map.size() - link::kReplyDataOffset;
  replies_ = std::make_unique<BuddyArena>(reply_bytes_);
  reply_map_ = std::move(map);
  engine = message.engine();
  lanes = std::max(message.contexts(), 1U);
  auto& ours = link::submit_region(submit_);
  const auto& theirs = link::reply_region(reply_map_);
  writer_.emplace(ours, theirs, doorbell_.get());
  for (size_t thread = 0; thread < threads_; ++thread) readers_.emplace_back(ours, theirs, thread);
  return ok();
}

}  // namespace corolla::front
