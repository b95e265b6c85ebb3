// A Call is what the front does with one exchange. IoThread makes one when the head is complete and
// routes the transport's events to it.
//
// Threads: the exchange's loop. A call deletes itself through IoThread::end() when its exchange is
// answered or cancelled.
#pragma once
#include <optional>

#include "serve/front/switchboard.h"
#include "wire/exchange.h"

namespace corolla::front {

class Call {
 public:
  virtual ~Call() = default;
  virtual wire::BodySink* message(std::optional<size_t> length) = 0;
  virtual void message_end() = 0;
  virtual void half_close() {}
  // The client has gone: free what is not with a worker; what is, comes back through IoThread,
  // which frees it. The call ends after this.
  virtual void cancelled() = 0;
  // A task of this call has its answer (arrival.completion is kOk, kBadInput or kEngineFailed; its
  // reply may be read until the worker's slot is freed, which is the call's duty through
  // IoThread::release()).
  virtual void completed(InferTask& task, const Arrival& arrival) = 0;
  // A task of this call ended without an answer.
  virtual void refused(InferTask& task, const Error& why) = 0;
  // A slot became free and this call waits for one: true when it got it (or needs it no more),
  // false to go on waiting.
  virtual bool slot_freed() { return true; }
};

}  // namespace corolla::front
