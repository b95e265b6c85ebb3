// The part of client_grpc.h that needs no connection.
#include <zlib.h>

#include <array>
#include <utility>

#include "base/check.h"
#include "wire/client_grpc.h"

namespace corolla::wire {
namespace {

std::array<char, 5> message_prefix(bool compressed, size_t bytes) {
  return {static_cast<char>(compressed), static_cast<char>(bytes >> 24),
          static_cast<char>(bytes >> 16), static_cast<char>(bytes >> 8), static_cast<char>(bytes)};
}

std::string compress(const std::vector<Piece>& pieces, GrpcCompression kind) {
  z_stream z{};
  CHECK(deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                     kind == GrpcCompression::kGzip ? 31 : 15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out;
  std::array<char, 65536> chunk;
  auto push = [&](const void* data, size_t size, int flush) {
    z.next_in = static_cast<Bytef*>(const_cast<void*>(data));
    z.avail_in = static_cast<uInt>(size);
    do {
      z.next_out = reinterpret_cast<Bytef*>(chunk.data());
      z.avail_out = chunk.size();
      deflate(&z, flush);
      out.append(chunk.data(), chunk.size() - z.avail_out);
    } while (z.avail_out == 0);
  };
  for (const Piece& piece : pieces) {
    push(piece.owned.data(), piece.owned.size(), Z_NO_FLUSH);
    push(piece.borrowed.data(), piece.borrowed.size(), Z_NO_FLUSH);
  }
  push(nullptr, 0, Z_FINISH);
  deflateEnd(&z);
  return out;
}

}  // namespace

std::shared_ptr<ClientCall> make_grpc_call(std::string_view method, std::vector<Piece> pieces,
                                           ClientHeaders headers, GrpcCompression compression) {
  auto call = std::make_shared<ClientCall>();
  call->path = "/inference.GRPCInferenceService/" + std::string(method);
  call->headers = std::move(headers);
  if (compression != GrpcCompression::kNone) {
    call->headers.emplace_back("grpc-encoding",
                               compression == GrpcCompression::kGzip ? "gzip" : "deflate");
    call->body_compressed = true;
    std::string packed = compress(pieces, compression);
    pieces.clear();
    pieces.emplace_back(std::move(packed));
  }
  size_t bytes = 0;
  for (const Piece& piece : pieces) bytes += piece.size();
  const auto prefix = message_prefix(call->body_compressed, bytes);
  if (!pieces.empty() && pieces.front().borrowed.data() == nullptr) {
    pieces.front().owned.insert(0, prefix.data(), prefix.size());
  } else {
    pieces.insert(pieces.begin(), Piece(std::string(prefix.data(), prefix.size())));
  }
  call->body = std::move(pieces);
  return call;
}

}  // namespace corolla::wire
