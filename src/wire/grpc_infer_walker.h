// Takes in a ModelInferRequest while it arrives. Each raw_input_contents goes straight to memory
// that the caller gives (one copy, or none when the transport reads into room()); everything else,
// small, is kept in a head buffer and parsed at the end.
//
// A BodySink: hand it to the transport for one message, then call finish(). Threads: one at a time.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/exchange.h"
#include "wire/grpc_infer_parse.h"
#include "wire/infer_message.h"

namespace corolla::wire {

class GrpcInferWalker final : public BodySink {
 public:
  // Where the tensor values number `index` (counting raw_input_contents, or without any, inputs
  // with typed contents) go: `bytes` > 0 writable bytes or more. Empty: no room now; asked again at
  // the next room() or finish(). An Error ends the message.
  using Place = std::function<Result<std::span<std::byte>>(size_t index, size_t bytes)>;

  GrpcInferWalker(const GrpcInferLimits& limits, Place place);

  // Begins a message; may be called again for the next one, and keeps the buffers. `length`: the
  // message's bytes if known: a field that claims more is refused before a place is asked for it.
  // Otherwise `max_length` bounds what is believed.
  void begin(std::optional<size_t> length, size_t max_length);

  std::span<std::byte> room() override;
  Status filled(size_t n) override;

  // The message is complete. nullopt: a place has no room as yet; call again when there is.
  // Otherwise the request, whose inputs' `bytes` lie in the places given. Once only.
  Result<std::optional<InferRequest>> finish();

  // All places have been given and no more will be asked for (but for typed contents, in finish()).
  // False right after room() was empty.
  bool waiting() const { return waiting_; }

 private:
  Status scan();
  Status place_payload();
  Status begin_payload(size_t header, size_t length, size_t field_offset);
  Status fail(Error error);
  void drop_front(size_t n);
  void reserve(size_t n);
  std::string_view unread() const;

  const GrpcInferLimits limits_;
  const Place place_;

  // head_[0, scan_) are whole fields that are kept; head_[scan_, size_) has come but is not yet
  // understood.
  std::unique_ptr<std::byte[]> head_;
  size_t capacity_ = 0, size_ = 0, scan_ = 0;
  size_t need_ = 0;         // the field at scan_ ends here; 0: not known
  size_t scan_offset_ = 0;  // of scan_ in the message
  size_t received_ = 0;
  std::optional<size_t> length_;
  size_t max_length_ = 0;
  struct Segment {
    size_t begin;   // in head_
    size_t offset;  // in the message
  };
  std::vector<Segment> segments_;

  bool in_payload_ = false;  // between the length of a raw_input_contents and its last byte
  bool waiting_ = false;     // in_payload_, and no place for it as yet
  size_t payload_bytes_ = 0, payload_filled_ = 0;
  std::span<std::byte> payload_;
  std::vector<std::span<const std::byte>> raw_;

  std::optional<Error> error_;
  std::optional<InferHead> parsed_;
  size_t next_typed_ = 0, typed_index_ = 0;
};

}  // namespace corolla::wire
