// gzip and deflate (zlib's format, as HTTP means it), streaming. An Inflater writes into the
// caller's room and never buffers more than zlib's window, so the caller's count of the output
// stops a bomb.
//
// Threads: none of its own; one at a time. Reusable: reset() keeps the memory (about 40 KB
// inflating, 270 KB deflating).
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace corolla::wire {

enum class Coding : uint8_t { kIdentity, kGzip, kDeflate };

std::string_view coding_name(
    Coding coding);  // "identity", "gzip", "deflate": as in Content-Encoding and grpc-encoding

class Inflater {
 public:
  // REQUIRES: not kIdentity.
  explicit Inflater(Coding coding);
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  struct Progress {
    size_t consumed = 0;  // of the input
    size_t produced = 0;  // into the room
  };
  // Goes on as far as input and room allow. Nothing produced while there was room: it needs more
  // input, or has ended. With no input at all it gives what is still inside. kInvalidArgument when
  // the data is no valid stream, or goes on behind its end (gzip may have several members).
  Result<Progress> run(std::span<const std::byte> input, std::span<std::byte> room);

  // The stream, as far as it came, is complete.
  bool ended() const { return ended_; }
  Coding coding() const { return coding_; }
  void reset(Coding coding);

 private:
  struct Zlib;
  std::unique_ptr<Zlib> zlib_;
  Coding coding_;
  bool ended_ = false;
};

// Inflates a whole message, at most `limit` bytes of it: kTooLarge beyond, kInvalidArgument when it
// is broken or cut short.
Result<std::string> inflate_all(Coding coding, std::span<const std::byte> input, size_t limit);

class Deflater {
 public:
  Deflater();
  ~Deflater();
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  // begin, any number of add, finish: appends to `out`. Fast rather than small (level 1): answers
  // are tensors.
  void begin(Coding coding);
  void add(std::span<const std::byte> input, std::string& out);
  void finish(std::string& out);

 private:
  void pump(int flush, std::string& out);
  struct Zlib;
  std::unique_ptr<Zlib> zlib_;
};

// The same for one piece.
std::string deflate_all(Coding coding, std::span<const std::byte> input);

}  // namespace corolla::wire
