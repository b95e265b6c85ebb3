// For tests and benchmarks: a real worker process, and this process in the places of its keeper and
// its front.
#pragma once
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/buddy_arena.h"
#include "link/channel.h"
#include "link/rings.h"
#include "serve/worker/worker.h"

namespace corolla::worker {

inline constexpr Duration kPatience = std::chrono::seconds(60);

// One worker process. Killed, if it still runs, when this goes.
class WorkerProcess {
 public:
  WorkerProcess(const engine::EngineFactory& factory, link::WorkerWelcome welcome,
                const std::vector<int>& cores = {}) {
    auto ends = *link::Channel::pair();
    keeper = std::move(ends.first);
    pid = ::fork();
    CHECK(pid >= 0);
    if (pid == 0) {
      keeper = link::Channel();
      if (!cores.empty()) {
        cpu_set_t set;
        CPU_ZERO(&set);
        for (int core : cores) CPU_SET(core, &set);
        CHECK(::sched_setaffinity(0, sizeof set, &set) == 0);
      }
      if (ends.second.fd() != link::kKeeperFd) {
        CHECK(::dup2(ends.second.fd(), link::kKeeperFd) >= 0);
      } else {
        ends.second.take().release();
      }
      char name[] = "worker", flag[] = "--log-level", level[] = "error";
      char* argv[] = {name, flag, level, nullptr};
      ::_exit(run_worker(3, argv, factory));
    }
    ends.second = link::Channel();
    link::Message message;
    *message.mutable_worker_welcome() = std::move(welcome);
    CHECK(keeper.send(message).ok());
  }
  ~WorkerProcess() {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    wait();
  }
  // Its exit status as waitpid() gives it.
  int wait() {
    int status = 0;
    ::waitpid(pid, &status, 0);
    pid = -1;
    return status;
  }
  Result<link::Received> hear() { return keeper.receive_within(kPatience); }

  link::Channel keeper;
  pid_t pid = -1;
};

struct Answer {
  link::Completion completion;
  std::string sentence;               // of a failure
  const std::byte* output = nullptr;  // the first output's bytes
  link::TensorTable table{};
};

// Plays the front of one worker, with one I/O thread.
class FrontPlayer {
 public:
  static constexpr size_t kReplyOffset = link::kReplyDataOffset;

  explicit FrontPlayer(WorkerProcess& worker, size_t arena_bytes = 16 << 20)
      : arena_memory(*create_sealed_memory("arena", arena_bytes)),
        submit(*link::create_submit_region()),
        bell(*link::create_doorbell()),
        io_bell(*link::create_doorbell()),
        arena(arena_bytes) {
    auto ends = *link::Channel::pair();
    channel = std::move(ends.first);
    link::Message meet;
    meet.mutable_meet_front();
    CHECK(worker.keeper.send(meet, {ends.second.fd()}).ok());
    link::Message attach;
    attach.mutable_attach()->set_io_threads(1);
    attach.mutable_attach()->set_arena_bytes(arena_bytes);
    CHECK(channel.send(attach, {arena_memory.fd.get(), submit.fd.get(), bell.get(), io_bell.get()})
              .ok());
    auto attached = channel.receive_within(kPatience);
    CHECK(attached.ok() && attached->message.has_attached() && attached->fds.size() == 1);
    reply = *link::map_reply_region(attached->fds[0]);
    writer.emplace(link::submit_region(submit), link::reply_region(reply), bell.get());
    reader.emplace(link::submit_region(submit), link::reply_region(reply), 0);
    replies.emplace(reply.size() - kReplyOffset);
  }

  link::ModelLoaded load(const link::ModelSpec& spec) {
    link::Message message;
    *message.mutable_load_model()->mutable_model() = spec;
    CHECK(channel.send(message).ok());
    auto answer = channel.receive_within(std::chrono::seconds(300));
    CHECK(answer.ok() && answer->message.has_model_loaded());
    return answer->message.model_loaded();
  }

  std::string map_region(uint32_t region, int fd, uint64_t bytes) {
    link::Message message;
    message.mutable_map_region()->set_region(region);
    message.mutable_map_region()->set_bytes(bytes);
    CHECK(channel.send(message, {fd}).ok());
    auto answer = channel.receive_within(kPatience);
    CHECK(answer.ok() && answer->message.has_region_mapped());
    return answer->message.region_mapped().error();
  }

  // Writes a request of one input into a fresh slot, and gives it a reply slot.
  link::SubmitEntry make(uint64_t request, uint32_t model, DType dtype, std::vector<int64_t> shape,
                         std::span<const std::byte> bytes, uint32_t rows = 1,
                         size_t reply_capacity = 8192) {
    const uint64_t slot = *arena.allocate(link::kTableBytes + bytes.size());
    auto& table = *reinterpret_cast<link::TensorTable*>(arena_memory.map.data() + slot);
    table = {};
    table.count = 1;
    table.rows = rows;
    table.tensors[0] = {.index = 0,
                        .dtype = dtype,
                        .dims = static_cast<uint8_t>(shape.size()),
                        .offset = slot + link::kTableBytes,
                        .bytes = bytes.size()};
    std::copy(shape.begin(), shape.end(), table.tensors[0].shape);
    if (!bytes.empty())
      std::memcpy(arena_memory.map.data() + slot + link::kTableBytes, bytes.data(), bytes.size());
    return {.request = request,
            .slot = slot,
            .reply = kReplyOffset + *replies->allocate(reply_capacity),
            .reply_capacity = reply_capacity,
            .batch = ++batches,
            .model = model,
            .batch_size = 1,
            .outputs_wanted = UINT64_MAX};
  }
  link::TensorTable& table(const link::SubmitEntry& entry) {
    return *reinterpret_cast<link::TensorTable*>(arena_memory.map.data() + entry.slot);
  }
  void release(const link::SubmitEntry& entry) {
    arena.free(entry.slot);
    replies->free(entry.reply - kReplyOffset);
  }

  void push(std::vector<link::SubmitEntry> entries) {
    for (auto& entry : entries) {
      entry.batch = entries[0].batch;
      entry.batch_size = static_cast<uint16_t>(entries.size());
    }
    CHECK(writer->push(entries).ok());
  }

  // The next completion, slept for as a front would.
  link::Completion next() {
    link::Completion completion;
    for (;;) {
      auto count = reader->read({&completion, 1});
      CHECK(count.ok());
      if (*count == 1) return completion;
      if (!reader->prepare_sleep()) continue;
      pollfd wait{io_bell.get(), POLLIN, 0};
      CHECK(::poll(&wait, 1, 60000) == 1, "no completion within a minute");
      link::clear_doorbell(io_bell.get());
      reader->woke();
    }
  }

  Answer run(const link::SubmitEntry& entry) {
    push({entry});
    return read(entry, next());
  }
  Answer read(const link::SubmitEntry& entry, const link::Completion& completion) {
    Answer answer{.completion = completion};
    const std::byte* slot = reply.data() + entry.reply;
    if (completion.outcome == link::Outcome::kOk) {
      std::memcpy(&answer.table, slot, sizeof answer.table);
      if (answer.table.count > 0) answer.output = reply.data() + answer.table.tensors[0].offset;
    } else if (completion.outcome != link::Outcome::kReplyTooSmall) {
      answer.sentence.assign(reinterpret_cast<const char*>(slot + link::kTableBytes),
                             completion.bytes);
    }
    return answer;
  }

  link::Channel channel;
  OwnedMemory arena_memory, submit;
  Fd bell, io_bell;
  BuddyArena arena;
  Mapping reply;
  std::optional<link::SubmitWriter> writer;
  std::optional<link::CompletionReader> reader;
  std::optional<BuddyArena> replies;
  uint64_t batches = 0;
};

}  // namespace corolla::worker
