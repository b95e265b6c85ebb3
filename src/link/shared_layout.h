// What lies in the memory that a front and one worker share. Plain data, fixed offsets, no
// pointers.
//
//   request arena   front writes, all workers read.   Slots: [TensorTable, 2 KiB][tensor bytes,
//   each 64-byte aligned] SubmitRegion    front writes, one worker reads.   The ring of requests
//   bound to that worker; the front's asleep flags. ReplyRegion     worker writes, the front reads.
//   How far the worker has read; one completion ring for each I/O thread of the
//                   front; then the reply slots, laid out like arena slots. The FRONT decides which
//                   reply slot a request gets, so nothing has to be handed back to the worker.
//
// Each side writes only memory that it owns (base/shared_memory.h seals it), so neither can spoil
// the other's. Each side checks every number that it reads from the other: a worker may be broken,
// or taken over.
//
// Rings: entries are written first, then `tail` is stored with release; the reader loads it with
// acquire. Counters run freely and are taken modulo the ring size. Rings cannot overflow: the front
// never has more than kRingEntries requests at one worker.
//
// Sleeping: a reader about to sleep stores asleep=1 (seq_cst), looks at the ring once more, then
// waits on its eventfd; a writer that has stored the tail (seq_cst) and reads asleep==1 writes the
// eventfd. So a busy side is never woken.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace corolla::link {

inline constexpr uint32_t kLayoutVersion = 1;
inline constexpr size_t kRingEntries = 512;  // a power of two
inline constexpr size_t kMaxIoThreads = 16;
inline constexpr size_t kMaxTensors = 16;
inline constexpr size_t kMaxDims = 8;
inline constexpr size_t kTensorAlign = 64;

// One tensor of a request or of a reply.
struct TensorRecord {
  uint32_t index;  // which input or output of the model, in the order the worker announced
  DType dtype;
  uint8_t dims;  // how many entries of `shape` count, <= kMaxDims
  uint16_t unused;
  uint32_t region;  // 0: the arena (or reply region) itself; else a mapped client region
  uint32_t unused2;
  uint64_t offset;  // of the first byte, from the start of that region
  uint64_t bytes;
  int64_t shape[kMaxDims];
};
static_assert(sizeof(TensorRecord) == 96);

// At the head of each slot.
struct TensorTable {
  uint32_t count;  // <= kMaxTensors
  uint32_t rows;  // requests: how many rows of the model's batch it makes; 1 where the model has no
                  // batch dimension
  uint64_t unused[3];
  TensorRecord tensors[kMaxTensors];
};
inline constexpr size_t kTableBytes = 2048;  // tensor bytes begin here
static_assert(sizeof(TensorTable) <= kTableBytes);

struct SubmitEntry {
  uint64_t request;  // the front's number for it; comes back in the Completion
  uint64_t slot;     // arena offset of the request's TensorTable
  uint64_t reply;    // offset in the reply region, from its start, of the reply's TensorTable
  uint64_t reply_capacity;  // bytes there, table included
  uint64_t batch;  // requests of one batch follow each other in the ring and carry the same number
  uint32_t model;  // the number given in LoadModel
  uint16_t batch_size;      // how many entries this batch has
  uint16_t io_thread;       // whose completion ring gets the answer
  uint64_t outputs_wanted;  // bit i: output i
  uint64_t unused;
};
static_assert(sizeof(SubmitEntry) == 64);

enum class Outcome : uint32_t {
  kOk = 0,
  kBadInput = 1,  // the engine refused this request's content (a picture that cannot be decoded):
                  // the client's fault
  kReplyTooSmall = 2,  // `bytes` says how much is needed; may be sent again
  kEngineFailed = 3,   // the reply slot holds a sentence of `bytes` bytes after its table
  kUnknownModel = 4,   // not loaded here (any more)
};

struct Completion {
  uint64_t request;
  uint64_t batch;
  Outcome outcome;
  uint32_t batch_rows;  // rows that ran together, for the batch statistics
  uint64_t bytes;  // bytes of the reply, table included; or as `outcome` says (kBadInput: of the
                   // sentence after the table)
  int64_t picked_up_ns;  // steady clock: when the worker took the batch out of the ring
  uint32_t input_us10;   // compute input, infer, output of the batch in tenths of a microsecond,
                         // saturated
  uint32_t infer_us10;
  uint32_t output_us10;
  uint32_t last;  // 1 on the last completion of its batch: the worker has room for another
  uint64_t unused;
};
static_assert(sizeof(Completion) == 64);

struct alignas(64) Padded {
  std::atomic<uint32_t> value;
};

struct SubmitRegion {
  uint32_t version;
  alignas(64) std::atomic<uint32_t> tail;  // entries ever written
  Padded io_asleep[kMaxIoThreads];  // 1 while that I/O thread waits and wants its eventfd written
  alignas(64) SubmitEntry entries[kRingEntries];
};

struct CompletionRing {
  alignas(64) std::atomic<uint32_t> tail;
  alignas(64) Completion entries[kRingEntries];
};

struct ReplyRegion {
  uint32_t version;
  alignas(64) std::atomic<uint32_t> head;    // submit entries ever taken
  alignas(64) std::atomic<uint32_t> asleep;  // 1 while the worker waits on its doorbell
  CompletionRing rings[kMaxIoThreads];
};
inline constexpr size_t kReplyDataOffset = (sizeof(ReplyRegion) + 4095) / 4096 * 4096;

}  // namespace corolla::link
