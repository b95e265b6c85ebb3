// One request and its answer, the same for HTTP/1.1 and for gRPC on HTTP/2: what the transports
// (wire/) offer to the front (serve/front).
//
// Threads: one event loop owns a connection, its exchanges and the Handler calls for them.
// Everything here is called on that loop's thread only.
//
// Life of an exchange:
//   on_head -> (on_message -> sink filled -> on_message_end)* -> reply | fail        unary: one
//   message (HTTP: the body, also if empty) on_cancel instead, at any time before the answer is
//   complete: the client has gone or timed out. After on_cancel, after reply() or fail(), and after
//   finish(), the Exchange must not be touched any more.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace corolla::wire {

class EventLoop;

enum class Protocol : uint8_t { kHttp, kGrpc };

// Where the bytes of a body go: given by the handler for each message, filled by the transport
// straight from the socket.
class BodySink {
 public:
  virtual ~BodySink() = default;
  // Where the next bytes belong. Empty: no room at present; the transport stops reading this
  // connection until Exchange::resume(). The transport may ask again and again without filling.
  virtual std::span<std::byte> room() = 0;
  // `n` bytes were written at the beginning of room(). An error is answered by the transport's
  // on_message_failed().
  virtual Status filled(size_t n) = 0;
};

// A piece of an answer: owned text, or memory of somebody else's that stays valid until
// Reply::release runs.
struct Piece {
  std::string owned;
  std::span<const std::byte> borrowed;
  Piece(std::string text) : owned(std::move(text)) {}
  Piece(std::span<const std::byte> bytes) : borrowed(bytes) {}
  size_t size() const { return owned.size() + borrowed.size(); }
};

struct Reply {
  std::vector<Piece>
      pieces;  // the body, in order: HTTP body or one gRPC message (without its 5-byte prefix)
  std::function<void()>
      release;  // runs exactly once, on the loop, when `borrowed` is no longer needed; may be empty
  std::string_view content_type = "application/json";  // HTTP only; static storage
  std::optional<size_t> json_size;                     // HTTP only: Inference-Header-Content-Length
  bool compressible = true;                            // may be compressed if the client accepts it
  int http_status = 200;
};

class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual Protocol protocol() const = 0;
  virtual EventLoop& loop() const = 0;
  // Views below live as long as the exchange.
  virtual std::string_view method() const = 0;  // HTTP: "GET"; gRPC: "POST"
  virtual std::string_view path() const = 0;  // HTTP: without the query, percent-decoding NOT done;
                                              // gRPC: "/inference.GRPCInferenceService/ModelInfer"
  virtual std::string_view query() const = 0;
  // Header by lower-case name; nullopt when absent. Repeated headers are joined by ", ".
  virtual std::optional<std::string_view> header(std::string_view name) const = 0;
  virtual TimePoint arrived() const = 0;
  virtual std::optional<Duration> timeout() const = 0;  // grpc-timeout, from arrived()

  // The answer to a unary exchange. Bytes not yet read of the request are discarded.
  virtual void reply(Reply reply) = 0;
  // The error answer: HTTP status with {"error": what} (and Retry-After for kOverloaded), or a gRPC
  // status. Error codes map in wire/error_map.h.
  virtual void fail(const Error& error) = 0;

  // gRPC streaming: any number of messages, then finish().
  virtual void send(Reply reply) = 0;
  virtual void finish(const Status& status) = 0;

  // The sink has room again.
  virtual void resume() = 0;

  // The handler's own state for this exchange.
  void* user = nullptr;
};

class Handler {
 public:
  virtual ~Handler() = default;

  // The head is complete. May answer at once. gRPC: tells whether this path streams (true: many
  // messages each way).
  virtual void on_head(Exchange& exchange) = 0;
  // A message begins. `length`: its bytes, when known beforehand and not compressed (Content-Length
  // or gRPC's prefix). Returns the sink, owned by the handler, valid until on_message_end /
  // on_cancel; nullptr: discard the bytes (the handler has answered or will).
  virtual BodySink* on_message(Exchange& exchange, std::optional<size_t> length) = 0;
  virtual void on_message_end(Exchange& exchange) = 0;
  // The message broke (a sink's error, bad compression, over the limit): the transport has already
  // failed the exchange for a unary call. The exchange must not be touched any more; the handler
  // frees its own state.
  virtual void on_cancel(Exchange& exchange) = 0;
  // gRPC streaming only: the client has sent its last message.
  virtual void on_half_close(Exchange& exchange) = 0;
};

// Limits that a transport enforces by itself.
struct TransportLimits {
  size_t max_header_bytes = 64 << 10;
  size_t max_body_bytes = size_t{64} << 20;  // HTTP body or one gRPC message, after decompression:
                                             // kTooLarge / RESOURCE_EXHAUSTED beyond
  Duration header_timeout = std::chrono::seconds(10);
  Duration body_timeout = std::chrono::seconds(30);  // without progress
  Duration idle_timeout = std::chrono::seconds(300);
  Duration write_timeout =
      std::chrono::seconds(30);  // without progress: a client that does not read its answers
};

}  // namespace corolla::wire
