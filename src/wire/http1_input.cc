#include "wire/http1_input.h"

namespace corolla::wire {

Http1Input::Read Http1Input::read(std::span<const iovec> parts, size_t& bytes) {
  size_t room = 0;
  for (const iovec& part : parts) room += part.iov_len;
  const IoResult result = stream_.read(parts);
  switch (result.state) {
    case IoResult::State::kDone:
      // Fewer bytes than there was room for: the socket is empty, asking again would be a call for
      // nothing.
      readable_ = result.bytes == room;
      needs_out_ = false;
      counters_.bytes_in.add(result.bytes);
      bytes = result.bytes;
      return Read::kGot;
    case IoResult::State::kBlocked:
      readable_ = false;
      needs_out_ = result.needs == EPOLLOUT;
      return Read::kNothing;
    case IoResult::State::kEnd:
    case IoResult::State::kError:
      break;
  }
  readable_ = false;
  ended_ = true;
  return Read::kEnded;
}

Http1Input::Read Http1Input::fill(InputBuffer& buffer) {
  const std::span<std::byte> room = buffer.room();
  const iovec part{room.data(), room.size()};
  size_t bytes = 0;
  const Read got = read(std::span(&part, 1), bytes);
  if (got == Read::kGot) buffer.wrote(bytes);
  return got;
}

void Http1Input::told(uint32_t events) {
  if (events & EPOLLRDHUP) ended_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) || (needs_out_ && (events & EPOLLOUT)))
    readable_ = true;
}

}  // namespace corolla::wire
