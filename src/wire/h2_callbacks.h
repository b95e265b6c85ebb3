// What nghttp2 tells, and asks of, an H2Connection, which is its session's user data.
//
// Threads: the connection's loop.
#pragma once
#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace corolla::wire {

class H2Connection;
class H2Exchange;

// The PING whose answer says that the client has seen the first GOAWAY.
inline constexpr std::array<uint8_t, 8> kDrainPing = {'d', 'r', 'a', 'i', 'n', 0, 0, 0};

class H2Callbacks {
 public:
  // Of every server's session; never freed.
  static const nghttp2_session_callbacks* all();

 private:
  static H2Connection& connection(void* user);
  static H2Exchange* exchange(nghttp2_session* session, int32_t id);
  static int begin_frame(nghttp2_session* session, const nghttp2_frame_hd* hd, void* user);
  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                    size_t name_length, const uint8_t* value, size_t value_length, uint8_t, void*);
  static int frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t length,
                  void* user);
  static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int stream_closed(nghttp2_session* session, int32_t id, uint32_t, void* user);
  static int send_data(nghttp2_session*, nghttp2_frame*, const uint8_t* head, size_t length,
                       nghttp2_data_source* source, void* user);
};

}  // namespace corolla::wire
