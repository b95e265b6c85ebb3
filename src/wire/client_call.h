// One request of a client, ready to be sent any number of times, and what comes back: the same for
// HTTP/1.1 and gRPC.
//
// A call is built once (http_client.h, grpc_client.h say how) and then only read: connections on
// several loops may send the same call at the same time. Tensor bytes are borrowed, never copied:
// each send gathers them from where they lie.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "wire/exchange.h"

namespace corolla::wire {

using ClientHeaders = std::vector<std::pair<std::string, std::string>>;

struct ClientCall {
  std::string method = "POST";  // HTTP only
  std::string path;       // "/v2/models/flower/infer", "/inference.GRPCInferenceService/ModelInfer"
  ClientHeaders headers;  // further ones; names in lower case for gRPC
  std::string head;       // HTTP: the finished head; gRPC: empty
  std::vector<Piece> body;       // HTTP: the body; gRPC: the framed message. Borrowed bytes outlive
                                 // every send of this call.
  bool body_compressed = false;  // gRPC: the message's flag
  std::shared_ptr<const void> keeps;  // whatever owns the borrowed bytes, if they need an owner

  size_t body_bytes() const {
    size_t sum = 0;
    for (const Piece& piece : body) sum += piece.size();
    return sum;
  }
};

// When the pieces of one try happened, on the client's clock.
struct CallTimes {
  TimePoint send_begin, send_end;  // first and last byte of the request given to the kernel
  TimePoint recv_begin, recv_end;  // first and last byte of the answer taken from it
};

struct Answer {
  std::optional<Error> error;       // the connection broke, the server refused, or it took too long
  int http_status = 0;              // 0 when no answer came; 200 for any gRPC answer
  std::optional<size_t> json_size;  // HTTP: Inference-Header-Content-Length
  std::span<const std::byte>
      body;  // HTTP: the body; gRPC: the message. Valid during on_answer() only.
  CallTimes times;

  bool ok() const { return !error; }
};

// Who made a call. on_answer() runs exactly once for each call, on the connection's loop, never
// inside call() itself, and may make the next call at once. `tag` is what call() was given.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  virtual void on_answer(uint64_t tag, const Answer& answer) = 0;
};

// A connection to one server. It connects with its first call, and again after it was lost.
// Threads: its loop's only. Destroying it drops its calls without an answer.
class ClientConnection {
 public:
  virtual ~ClientConnection() = default;

  // How many more calls may be made now: 1 or 0 for HTTP/1.1, many for gRPC.
  virtual size_t room() const = 0;

  // REQUIRES: room() > 0. After `timeout` the call is answered with kDeadlineExceeded (and its HTTP
  // connection closed).
  virtual void call(std::shared_ptr<const ClientCall> call, uint64_t tag, CallObserver& observer,
                    std::optional<Duration> timeout = std::nullopt) = 0;
};

}  // namespace corolla::wire
