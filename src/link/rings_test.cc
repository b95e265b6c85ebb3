#include "link/rings.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <thread>

namespace corolla::link {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint64_t kMany = 1000000;
#else
constexpr uint64_t kMany = 3000000;
#endif

void wait_on(int fd) {
  pollfd wait{fd, POLLIN, 0};
  ASSERT_EQ(::poll(&wait, 1, 60000), 1) << "a lost wake-up";
  clear_doorbell(fd);
}

struct Ends {
  OwnedMemory submit = *create_submit_region();
  OwnedMemory reply = *create_reply_region(1 << 20);
  Mapping submit_view = *map_submit_region(submit.fd);
  Mapping reply_view = *map_reply_region(reply.fd);
  Fd worker_bell = *create_doorbell();
  Fd io_bell = *create_doorbell();
  SubmitRegion& ours() { return submit_region(submit); }
  const ReplyRegion& theirs() { return reply_region(reply_view); }
};

SubmitEntry entry(uint64_t request, uint64_t batch, uint16_t size) {
  return {
      .request = request, .slot = request * 4096, .batch = batch, .model = 3, .batch_size = size};
}

// The worker's half: answers each request with twice its number, until request UINT64_MAX.
void echo(Ends& ends) {
  SubmitReader reader(reply_region(ends.reply), submit_region(ends.submit_view));
  CompletionWriter writer(reply_region(ends.reply), submit_region(ends.submit_view),
                          {ends.io_bell.get()});
  for (;;) {
    auto batch = reader.take();
    ASSERT_TRUE(batch.ok()) << batch.error().what;
    if (batch->empty()) {
      if (!reader.prepare_sleep()) continue;
      wait_on(ends.worker_bell.get());
      reader.woke();
      continue;
    }
    for (const SubmitEntry& e : *batch) {
      if (e.request == UINT64_MAX) return;
      writer.push(0, {.request = e.request, .batch = e.batch, .bytes = e.slot + e.request});
    }
    writer.publish();
  }
}

// The front's half: `total` requests in batches of changing size, never more than `most`
// outstanding.
void drive(Ends& ends, uint64_t total, uint64_t most) {
  SubmitWriter writer(ends.ours(), ends.theirs(), ends.worker_bell.get());
  CompletionReader reader(ends.ours(), ends.theirs(), 0);
  uint64_t sent = 0, done = 0, batch = 0;
  Completion got[64];
  while (done < total) {
    for (;;) {
      const uint64_t size = 1 + batch % 7;
      if (sent == total || sent + size - done > most) break;
      std::vector<SubmitEntry> entries;
      for (uint64_t i = 0; i < size && sent + i < total; ++i)
        entries.push_back(entry(sent + i, batch, 0));
      for (auto& e : entries) e.batch_size = static_cast<uint16_t>(entries.size());
      Status pushed = writer.push(entries);
      ASSERT_TRUE(pushed.ok()) << pushed.error().what;
      sent += entries.size();
      ++batch;
    }
    auto count = reader.read(got);
    ASSERT_TRUE(count.ok()) << count.error().what;
    for (size_t i = 0; i < *count; ++i) {
      ASSERT_EQ(got[i].request, done);
      ASSERT_EQ(got[i].bytes, done * 4097);
      ++done;
    }
    if (*count == 0 && reader.prepare_sleep()) {
      wait_on(ends.io_bell.get());
      reader.woke();
    }
  }
  ASSERT_TRUE(writer.push(std::vector{entry(UINT64_MAX, batch, 1)}).ok());
}

TEST(Rings, MillionsBetweenTwoThreadsInOrder) {
  Ends ends;
  std::thread worker([&] { echo(ends); });
  drive(ends, kMany, kRingEntries);
  worker.join();
}

TEST(Rings, OneAtATimeSleepsAndWakesEachTime) {
  Ends ends;
  std::thread worker([&] { echo(ends); });
  drive(ends, 20000, 7);
  worker.join();
}

TEST(Rings, BetweenTwoProcesses) {
  Ends ends;
  const pid_t child = ::fork();
  if (child == 0) {
    echo(ends);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  drive(ends, 500000, 64);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Rings, APartOfABatchIsNotABatch) {
  Ends ends;
  SubmitReader reader(reply_region(ends.reply), submit_region(ends.submit_view));
  ends.ours().entries[0] = entry(1, 1, 2);
  ends.ours().tail = 1;
  auto none = reader.take();
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
  EXPECT_TRUE(reader.prepare_sleep()) << "half a batch is no reason to spin";
  ends.ours().entries[1] = entry(2, 1, 2);
  ends.ours().tail = 2;
  EXPECT_FALSE(reader.prepare_sleep());
  auto both = reader.take();
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(both->size(), 2u);
}

TEST(Rings, AFullRingRefusesAndRecovers) {
  Ends ends;
  SubmitWriter writer(ends.ours(), ends.theirs(), ends.worker_bell.get());
  SubmitReader reader(reply_region(ends.reply), submit_region(ends.submit_view));
  for (uint64_t i = 0; i < kRingEntries; ++i)
    ASSERT_TRUE(writer.push(std::vector{entry(i, i, 1)}).ok());
  EXPECT_EQ(writer.push(std::vector{entry(9, 9, 1)}).error().code, Code::kOverloaded);
  ASSERT_TRUE(reader.take().ok());
  EXPECT_TRUE(writer.push(std::vector{entry(9, 9, 1)}).ok());
}

TEST(Rings, NumbersThatCannotBeAreErrors) {
  Ends ends;
  SubmitWriter writer(ends.ours(), ends.theirs(), ends.worker_bell.get());
  SubmitReader submit(reply_region(ends.reply), submit_region(ends.submit_view));
  CompletionReader completions(ends.ours(), ends.theirs(), 0);

  reply_region(ends.reply).rings[0].tail = kRingEntries + 1;
  Completion out[1];
  EXPECT_EQ(completions.read(out).error().code, Code::kInternal);
  reply_region(ends.reply).head = 5;  // taken before anything was sent
  EXPECT_EQ(writer.push(std::vector{entry(1, 1, 1)}).error().code, Code::kInternal);

  ends.ours().tail = kRingEntries + 1;
  EXPECT_EQ(submit.take().error().code, Code::kInternal);
  ends.ours().tail = 2;
  ends.ours().entries[0] = entry(1, 1, 0);
  EXPECT_EQ(submit.take().error().code, Code::kInternal);
  ends.ours().entries[0] = entry(1, 1, 60000);
  EXPECT_EQ(submit.take().error().code, Code::kInternal);
  ends.ours().entries[0] = entry(1, 1, 2);
  ends.ours().entries[1] = entry(2, 2, 2);
  EXPECT_EQ(submit.take().error().code, Code::kInternal);
}

TEST(Rings, RegionsOfAnotherVersionOrSizeAreRefused) {
  Ends ends;
  ends.ours().version = 99;
  auto other = map_submit_region(ends.submit.fd);
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().what.find("99"), std::string::npos);
  EXPECT_FALSE(map_reply_region(ends.submit.fd).ok());  // smaller
  Fd unsealed(::memfd_create("unsealed", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(unsealed.get(), 1 << 20), 0);
  EXPECT_FALSE(map_submit_region(unsealed).ok());
}

}  // namespace
}  // namespace corolla::link
