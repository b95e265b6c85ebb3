#include "wire/compression.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace corolla::wire {
namespace {

// zlib counts in 32 bits and takes its input without const.
void offer(z_stream& stream, std::span<const std::byte> input) {
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(input.data()));
  stream.avail_in =
      static_cast<uInt>(std::min<size_t>(input.size(), std::numeric_limits<uInt>::max()));
}

int window_bits(Coding coding) {
  CHECK(coding != Coding::kIdentity);
  return coding == Coding::kGzip ? MAX_WBITS + 16 : MAX_WBITS;
}

}  // namespace

std::string_view coding_name(Coding coding) {
  switch (coding) {
    case Coding::kIdentity:
      return "identity";
    case Coding::kGzip:
      return "gzip";
    case Coding::kDeflate:
      return "deflate";
  }
  return "identity";
}

struct Inflater::Zlib {
  z_stream stream{};
};

Inflater::Inflater(Coding coding) : zlib_(std::make_unique<Zlib>()), coding_(coding) {
  CHECK(inflateInit2(&zlib_->stream, window_bits(coding)) == Z_OK, "zlib has no memory");
}

Inflater::~Inflater() { inflateEnd(&zlib_->stream); }

void Inflater::reset(Coding coding) {
  coding_ = coding;
  ended_ = false;
  CHECK(inflateReset2(&zlib_->stream, window_bits(coding)) == Z_OK);
}

Result<Inflater::Progress> Inflater::run(std::span<const std::byte> input,
                                         std::span<std::byte> room) {
  z_stream& stream = zlib_->stream;
  Progress progress;
  // Goes on when the room is used up, too: the checksum behind the data needs none, and must not
  // wait for more.
  while (true) {
    const auto rest = input.subspan(progress.consumed);
    if (ended_) {
      if (rest.empty()) break;
      if (coding_ != Coding::kGzip)
        return Error{Code::kInvalidArgument, "the deflate data goes on behind its end"};
      reset(coding_);
    }
    offer(stream, rest);
    Bytef nowhere;
    const auto space = room.subspan(progress.produced);
    stream.next_out = space.empty() ? &nowhere : reinterpret_cast<Bytef*>(space.data());
    stream.avail_out =
        static_cast<uInt>(std::min<size_t>(space.size(), std::numeric_limits<uInt>::max()));
    const uInt offered = stream.avail_in, free = stream.avail_out;
    const int code = inflate(&stream, Z_NO_FLUSH);
    const size_t consumed = offered - stream.avail_in, produced = free - stream.avail_out;
    progress.consumed += consumed;
    progress.produced += produced;
    if (code == Z_STREAM_END) {
      ended_ = true;
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      const char* why = code == Z_NEED_DICT ? "it wants a dictionary" : stream.msg;
      return Error{Code::kInvalidArgument,
                   "the " + std::string(coding_name(coding_)) +
                       " data is broken: " + (why ? why : "unknown reason")};
    } else if (consumed == 0 && produced == 0) {
      break;
    }
  }
  return progress;
}

Result<std::string> inflate_all(Coding coding, std::span<const std::byte> input, size_t limit) {
  Inflater inflater(coding);
  std::string out;
  size_t at = 0;
  std::array<std::byte, 32 << 10> room;
  while (true) {
    ASSIGN_OR_RETURN(const Inflater::Progress progress, inflater.run(input.subspan(at), room));
    at += progress.consumed;
    if (progress.produced > limit - out.size())
      return Error{Code::kTooLarge, "the message is larger than " + std::to_string(limit) +
                                        " bytes once decompressed"};
    out.append(reinterpret_cast<const char*>(room.data()), progress.produced);
    if (progress.consumed == 0 && progress.produced == 0) break;
  }
  if (!inflater.ended())
    return Error{Code::kInvalidArgument,
                 "the " + std::string(coding_name(coding)) + " data is cut short"};
  return out;
}

struct Deflater::Zlib {
  z_stream stream{};
  Coding coding = Coding::kIdentity;  // what it was made for; identity: not made yet
};

Deflater::Deflater() : zlib_(std::make_unique<Zlib>()) {}

Deflater::~Deflater() {
  if (zlib_->coding != Coding::kIdentity) deflateEnd(&zlib_->stream);
}

void Deflater::begin(Coding coding) {
  if (zlib_->coding == coding) {
    CHECK(deflateReset(&zlib_->stream) == Z_OK);
    return;
  }
  if (zlib_->coding != Coding::kIdentity) deflateEnd(&zlib_->stream);
  zlib_->stream = {};
  CHECK(deflateInit2(&zlib_->stream, Z_BEST_SPEED, Z_DEFLATED, window_bits(coding), 8,
                     Z_DEFAULT_STRATEGY) == Z_OK,
        "zlib has no memory");
  zlib_->coding = coding;
}

void Deflater::add(std::span<const std::byte> input, std::string& out) {
  while (!input.empty()) {
    offer(zlib_->stream, input);
    const uInt offered = zlib_->stream.avail_in;
    pump(Z_NO_FLUSH, out);
    input = input.subspan(offered);
  }
}

void Deflater::finish(std::string& out) {
  offer(zlib_->stream, {});
  pump(Z_FINISH, out);
}

// Until all of the input is in and, finishing, all of the output is out.
void Deflater::pump(int flush, std::string& out) {
  z_stream& stream = zlib_->stream;
  std::array<Bytef, 16 << 10> room;
  do {
    stream.next_out = room.data();
    stream.avail_out = room.size();
    const int code = deflate(&stream, flush);
    CHECK(code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR);
    out.append(reinterpret_cast<const char*>(room.data()), room.size() - stream.avail_out);
  } while (stream.avail_out == 0);
}

std::string deflate_all(Coding coding, std::span<const std::byte> input) {
  Deflater deflater;
  std::string out;
  deflater.begin(coding);
  deflater.add(input, out);
  deflater.finish(out);
  return out;
}

}  // namespace corolla::wire
